/** Another process on an SQLite file: publishes, and prints what it has seen, in order. */
import process from "node:process";
import { SqliteReplayStore } from "../../src/stores/sqlite/sqlite.ts";

const [file = "", who = "", count = "0"] = process.argv.slice(2);
const store = new SqliteReplayStore(file, { pollInterval: 20 });
const seen: string[] = [];
const { position } = await store.tail({
  onEvents: (events) => void seen.push(...events.map(({ data }) => data)),
  onError: (error) => {
    throw error;
  },
  onLost: (position) => {
    throw new Error(`lost until ${position}`);
  },
});
const before = (await store.read(0, { limit: 1_000 })).events.slice(0, position).map(({ data }) => data);
for (let i = 0; i < Number(count); i++) await store.append([{ topics: ["a"], data: `${who}${i}` }]);
while (before.length + seen.length < 900) await new Promise((resolve) => setTimeout(resolve, 20));
console.log(JSON.stringify([...before, ...seen]));
await store.close();
