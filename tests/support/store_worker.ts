/**
 * A process on a store, for tests: `store_worker.ts URL NAME publish WHO FROM [TO]` publishes events with own IDs, each
 * until it is acknowledged, and prints how many are; `store_worker.ts URL NAME subscribe LAST_EVENT_ID` prints a line of JSON for
 * each event that it gets. Both end when something is written to their standard input.
 */
import process from "node:process";
import { Broker, SseError } from "../../mod.ts";
import { openTestStore } from "./open_store.ts";

const [url = "", name = "", role = "", ...rest] = process.argv.slice(2);
const { store, close } = await openTestStore(url, { name, timeout: 2_000 });
await using broker = new Broker({ store });

if (role === "publish") {
  const [who = "", from = "0", to = "Infinity"] = rest;
  let enough = false;
  process.stdin.once("data", () => enough = true);
  for (let i = Number(from); i < Number(to);) {
    const burst = Array.from({ length: Math.min(8, Number(to) - i) }, (_, k) => i + k);
    try {
      await Promise.all(burst.map((n) => broker.publish(`t/${n % 7}`, { id: `${who}-${n}`, data: `${who}-${n}` })));
      i += burst.length;
      console.log(i);
      if (enough) break; // only here: of a burst that failed some may be there
      if (to === "Infinity") await new Promise((resolve) => setTimeout(resolve, 2));
    } catch (error) {
      // It may be there or not: published again with the same ID, it is there once
      if (!(error instanceof SseError)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
} else {
  const [lastEventId = ""] = rest;
  const subscriber = broker.subscribe("**", lastEventId === "" ? { start: "all" } : { lastEventId });
  process.stdin.once("data", () => void subscriber.close());
  for await (const { id, type, data } of subscriber) console.log(JSON.stringify({ id, type, data }));
}
await broker.close();
await close();
process.exit(0);
