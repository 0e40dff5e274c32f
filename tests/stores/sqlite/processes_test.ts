import { assertEquals } from "@std/assert";
import { spawn } from "node:child_process";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { after, describe, it } from "node:test";
import { Broker } from "../../../mod.ts";
import { SqliteReplayStore } from "../../../src/stores/sqlite/sqlite.ts";
import { FAULT_RUNS, playFaults } from "../../suites/faults.ts";
import { runtimeFlags } from "../../support/runtime.ts";
import { random, SEED } from "../../support/seed.ts";
import { event, newFile } from "../../support/sqlite_files.ts";
import { Worker } from "../../support/store_processes.ts";

describe("SqliteReplayStore: several processes on one file", () => {
  after(() => Worker.killAll());

  it("shares a file with other processes: each sees all events, in one order", { timeout: 60_000 }, async () => {
    const file = newFile();
    const store = new SqliteReplayStore(file, { pollInterval: 20 });
    const broker = new Broker({ store });
    const seen: string[] = [];
    const subscriber = broker.subscribe("**");
    const reading = (async () => {
      for await (const { data } of subscriber) if (seen.push(data) === 900) break;
    })();
    const write = (who: string): Promise<string> => {
      const child = spawn(process.execPath, [...runtimeFlags, "tests/support/sqlite_writer.ts", file, who, "300"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let text = "";
      child.stdout.on("data", (bytes: Uint8Array) => text += new TextDecoder().decode(bytes));
      return new Promise((resolve) => child.once("close", () => resolve(text)));
    };
    const writers = [write("x"), write("y")];
    for (let i = 0; i < 300; i++) await broker.publish("a", { data: `z${i}` });
    const orders = await Promise.all(writers);
    await reading;
    const stored: string[] = [];
    for (let at = 0; stored.length < 900;) {
      const { events, position } = await store.read(at, { limit: 1_000 });
      stored.push(...events.map(({ data }) => data));
      at = position;
    }
    assertEquals(seen, stored);
    for (const order of orders) assertEquals(JSON.parse(order), stored);
    for (const who of ["x", "y", "z"]) {
      assertEquals(stored.filter((data) => data.startsWith(who)), Array.from({ length: 300 }, (_, i) => `${who}${i}`));
    }
    await broker.close();
    await store.close();
  });

  it("reads at one moment: what another process commits while it reads is not skipped", async () => {
    const file = newFile();
    const db = new DatabaseSync(file);
    const store = new SqliteReplayStore(db);
    await store.append([event("1")]);
    const other = new DatabaseSync(file);
    const prepare = db.prepare.bind(db);
    let commits = 0;
    db.prepare = (sql) => {
      const statement = prepare(sql);
      const all = statement.all.bind(statement);
      statement.all = (...parameters) => {
        const rows = all(...parameters as number[]);
        if (commits++ === 0) {
          other.exec(`INSERT INTO events SELECT 2, NULL, topics, '\n2', time, upto + 70, NULL FROM events`);
        }
        return rows;
      };
      return statement;
    };
    const first = await store.read(0, { limit: 10 });
    assertEquals([first.events.map(({ data }) => data), first.position, commits], [["1"], 1, 1]);
    assertEquals((await store.read(first.position, { limit: 10 })).events.map(({ data }) => data), ["2"]);
    other.close();
    await store.close();
    db.close();
  });

  it("lets the processes on a file know of each other", async () => {
    const file = newFile();
    const [one, two] = [new SqliteReplayStore(file), new SqliteReplayStore(file)];
    await one.announce("one", "1", 60_000);
    assertEquals([...await two.announce("two", "2", 60_000)].sort(), [["one", "1"], ["two", "2"]]);
    await one.announce("one", undefined, 60_000);
    assertEquals([...await two.announce("two", "3", 60_000)], [["two", "3"]]);
    const other = new DatabaseSync(file);
    other.exec("BEGIN IMMEDIATE");
    const waiting = one.announce("one", "4", 60_000);
    await new Promise((resolve) => setTimeout(resolve, 30));
    other.exec("COMMIT");
    assertEquals((await waiting).size, 2);
    other.close();
    await one.close();
    await two.close();
  });

  it(
    `kills at random, and a file that is locked: what was acknowledged arrives once, in one order (seed ${SEED})`,
    { timeout: 120_000 * FAULT_RUNS },
    async () => {
      for (let run = 0; run < FAULT_RUNS; run++) {
        const file = newFile();
        const other = new DatabaseSync(file, { timeout: 5_000 });
        const store = new SqliteReplayStore(file);
        const broker = new Broker({ store });
        try {
          const none = (): Promise<void> => Promise.resolve(); // there is no engine beside the processes
          await playFaults("SqliteReplayStore", () => `sqlite:${file}`, "freshet", broker, {
            kill: none,
            restart: none,
            pause: () => Promise.resolve(other.exec("BEGIN IMMEDIATE")),
            resume: () => other.exec("ROLLBACK"),
          }, random(SEED + run));
        } finally {
          other.close();
          await broker.close();
          await store.close();
        }
      }
    },
  );
});
