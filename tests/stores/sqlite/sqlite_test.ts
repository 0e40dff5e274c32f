import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { after, describe, it, mock } from "node:test";
import { Broker, type StoredEvent } from "../../../mod.ts";
import { SqliteReplayStore } from "../../../src/stores/sqlite/sqlite.ts";
import { FAULT_RUNS, playFaults } from "../../suites/faults.ts";
import { replayStoreSuite } from "../../suites/replay_store_suite.ts";
import { runtimeFlags } from "../../support/runtime.ts";
import { random, SEED } from "../../support/seed.ts";
import { Worker } from "../../support/store_processes.ts";

const folder = mkdtempSync(join(tmpdir(), "freshet-sqlite-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const newFile = (): string => join(folder, `${++files}.db`);

replayStoreSuite("SqliteReplayStore", (limits) => Promise.resolve(new SqliteReplayStore(newFile(), limits)));
replayStoreSuite("SqliteReplayStore in memory", (limits) => Promise.resolve(new SqliteReplayStore(":memory:", limits)));

const event = (data: string, topic = "a") => ({ topics: [topic], data });
const dataOf = async (store: SqliteReplayStore): Promise<string[]> =>
  (await store.read(0, { limit: 1_000 })).events.map(({ data }) => data);

describe("SqliteReplayStore", () => {
  after(() => Worker.killAll());

  it("outlives a restart: events, positions, own IDs, and what was removed", async () => {
    const file = newFile();
    const store = new SqliteReplayStore(file, { maxEvents: 2 });
    const [first] = await store.append([event("1", "gone"), event("2"), { ...event("3"), id: "own" }]);
    await store.close();
    const again = new SqliteReplayStore(file, { maxEvents: 2 });
    assertEquals(await dataOf(again), ["2", "3"]);
    assertEquals([await again.locate(first!.id!), await again.locate("own")], [1, 3]);
    assertEquals([await again.removed(["gone"]), await again.removed(["a"])], [1, 0]);
    assertEquals(await again.append([{ ...event("x"), id: "own" }]), [{ id: "own" }]);
    await again.append([event("4")]);
    assertEquals((await again.read(3, { limit: 9 })).events.map(({ position }) => position), [4]);
    await again.close();
  });

  it("gives no position twice, though everything was removed", async () => {
    const file = newFile();
    const store = new SqliteReplayStore(file, { maxEvents: 0 });
    const [result] = await store.append([event("1")]);
    assertEquals([await dataOf(store), await store.locate(result!.id!)], [[], 1]);
    await store.close();
    const again = new SqliteReplayStore(file);
    await again.append([event("2")]);
    assertEquals((await again.read(0, { limit: 9 })).events.map(({ position }) => position), [2]);
    await again.close();
  });

  it("retains by age and by bytes", async () => {
    mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
    try {
      const aged = new SqliteReplayStore(newFile(), { maxAge: 1_000 });
      await aged.append([event("1")]);
      mock.timers.setTime(1_001_000);
      assertEquals(await dataOf(aged), ["1"]);
      mock.timers.setTime(1_001_001);
      assertEquals(await dataOf(aged), []);
      assertEquals(await aged.removed(["a"]), 1);
      await aged.append([event("2")]);
      assertEquals(await dataOf(aged), ["2"]);
      await aged.close();
    } finally {
      mock.timers.reset();
    }
    const small = new SqliteReplayStore(newFile(), { maxBytes: 5_000 });
    for (let i = 0; i < 50; i++) await small.append([event(String(i).padEnd(400, "x"))]);
    assertEquals((await dataOf(small)).length, 10);
    await small.close();
  });

  it("finds a time, an age and a number of bytes among many events", async () => {
    mock.timers.enable({ apis: ["Date"], now: 0 });
    try {
      const file = newFile();
      const all = new SqliteReplayStore(file);
      const next = random(SEED);
      const times: number[] = [];
      for (let time = 1_000_000; times.length < 300; time += Math.floor(next() * 3) * 10) { // some at the same time
        mock.timers.setTime(time);
        await all.append([event("x".repeat(36))]); // each takes 106
        times.push(time);
      }
      const positions = async (store: SqliteReplayStore): Promise<number[]> =>
        (await store.read(0, { limit: 1_000 })).events.map(({ position }) => position);
      const newest = times.at(-1)!;
      for (const since of [0, ...times, newest + 1].flatMap((time) => [time - 1, time])) {
        assertEquals(await all.seek({ since }), times.filter((time) => time < since).length);
      }
      for (let maxAge = 0; maxAge <= newest - 1_000_000 + 10; maxAge += 70) {
        const aged = new SqliteReplayStore(file, { maxAge });
        const kept = times.flatMap((time, i) => time >= newest - maxAge ? [i + 1] : []);
        assertEquals(await positions(aged), kept);
        assertEquals((await aged.read(0, { limit: 1 })).removed, times.length - kept.length);
        await aged.close();
      }
      for (const kept of [0, 1, 2, 7, 299, 300]) {
        const small = new SqliteReplayStore(file, { maxBytes: kept * 106 + 105 });
        assertEquals(await positions(small), times.map((_, i) => i + 1).slice(300 - kept));
        await small.close();
      }
      await all.close();
    } finally {
      mock.timers.reset();
    }
  });

  it("removes at least as much as it adds, however much that is at once", async () => {
    const db = new DatabaseSync(newFile());
    const store = new SqliteReplayStore(db, { maxEvents: 10 });
    for (let i = 0; i < 3; i++) await store.append(Array.from({ length: 5_000 }, (_, n) => event(String(n))));
    assertEquals((await dataOf(store)).length, 10);
    assert(db.prepare("SELECT count(*) AS count FROM events").get()!["count"] as number <= 5_000);
    await store.close();
    db.close();
  });

  it("with retention none, holds events for as long as other processes need to fetch them", async () => {
    mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
    try {
      const store = new SqliteReplayStore(newFile(), { retention: "none" });
      await store.append([event("1")]);
      assertEquals(await dataOf(store), ["1"]);
      mock.timers.setTime(1_010_001);
      assertEquals(await dataOf(store), []);
      await store.close();
    } finally {
      mock.timers.reset();
    }
  });

  it("commits many publishes at once, in the order of the calls", async () => {
    const store = new SqliteReplayStore(newFile());
    const seen: StoredEvent[] = [];
    await store.tail({ onEvents: (events) => void seen.push(...events), onError: () => {}, onLost: () => {} });
    const results = await Promise.all(Array.from({ length: 5_000 }, (_, i) => store.append([event(String(i))])));
    assertEquals(results.flat().map(({ id }) => id), Array.from({ length: 5_000 }, (_, i) => store.idAt(i + 1)));
    assertEquals(seen.map(({ data }) => data), Array.from({ length: 5_000 }, (_, i) => String(i)));
    await store.close();
  });

  it("commits little at once, so that the event loop is not held up", async () => {
    const db = new DatabaseSync(newFile());
    const store = new SqliteReplayStore(db);
    for (const [length, count, most] of [[1, 1_000, 128], [1 << 20, 8, 1], [300_000, 8, 4]] as const) {
      const stored = (): number => Number(db.prepare("SELECT count(*) AS count FROM events").get()!["count"]);
      const before = stored();
      const calls = Array.from({ length: count }, () => store.append([event("x".repeat(length))]));
      await calls[0];
      assertEquals(stored() - before, most);
      await Promise.all(calls);
    }
    await store.close();
    db.close();
  });

  it(
    "waits for another process that writes, without holding up the event loop, and then fails",
    { timeout: 30_000 },
    async () => {
      const file = newFile();
      const store = new SqliteReplayStore(file);
      const other = new DatabaseSync(file);
      other.exec("BEGIN IMMEDIATE");
      const appended = store.append([event("1")]);
      let settled = false;
      void appended.then(() => settled = true);
      for (let turn = 0; turn < 40; turn++) { // were the event loop held, the lock would never be let go
        await new Promise((resolve) => setTimeout(resolve, 5));
        assert(!settled);
      }
      other.exec("COMMIT");
      assertEquals((await appended)[0]!.id, store.idAt(1));
      other.exec("BEGIN IMMEDIATE");
      assertEquals(await store.append([event("2")]).catch((error) => error.code), "backend-failed");
      other.exec("ROLLBACK");
      await store.append([event("3")]);
      assertEquals(await dataOf(store), ["1", "3"]);
      other.close();
      await store.close();
    },
  );

  for (const journal of ["delete", "wal"]) {
    it(`opens a file that another process has locked, once it may (journal ${journal})`, async () => {
      const file = newFile();
      const other = new DatabaseSync(file);
      other.exec(`PRAGMA journal_mode = ${journal}; BEGIN EXCLUSIVE`);
      const store = new SqliteReplayStore(file); // were the event loop held, it would never be unlocked
      const calls = [store.append([event("1")]), store.tail({ onEvents() {}, onError() {}, onLost() {} })];
      let settled = 0;
      for (const call of calls) void call.then(() => settled++);
      await new Promise((resolve) => setTimeout(resolve, 30));
      assertEquals(settled, 0);
      assertEquals((assertThrows(() => store.idAt(0)) as { code?: string }).code, "backend-failed");
      other.exec("COMMIT");
      await Promise.all(calls);
      assertEquals(await dataOf(store), ["1"]);
      assertEquals(await store.locate(store.idAt(1)), 1);
      other.close();
      await store.close();
    });
  }

  it(
    "gives up what waits for a locked file, after five seconds or when it is closed",
    { timeout: 30_000 },
    async () => {
      const file = newFile();
      const other = new DatabaseSync(file);
      other.exec("BEGIN EXCLUSIVE");
      const store = new SqliteReplayStore(file);
      const errors = (): Promise<unknown[]> =>
        Promise.all(
          [store.append([event("1")]), store.removed(["a"])].map((call) =>
            call.catch(({ code, message }) => `${code}: ${message}`)
          ),
        );
      const before = performance.now();
      for (const error of await errors()) {
        assertMatch(String(error), /^backend-failed: .+ the SQLite file: got .*locked/);
      }
      assert(performance.now() - before >= 5_000);
      const waiting = errors();
      await store.close();
      for (const error of await waiting) assertMatch(String(error), /^backend-failed: .+ as the store is closed/);
      other.close();
    },
  );

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
          other.exec(`INSERT INTO events SELECT 2, NULL, topics, '\n2', time, upto + 70 FROM events`);
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

  /** What the first version made of a log, some of its events gone already, or all. */
  function writeFirstVersion(file: string, suffix: string, positions: readonly number[]): void {
    const db = new DatabaseSync(file);
    const time = Date.now();
    const rows = positions.map((n) =>
      `(${n}, 'own-${n}', '["a"]', char(10) || ${n}, ${time}, ${n * 70}, ${n * 70 + 70})`
    );
    db.exec(`
      CREATE TABLE "events${suffix}" (
        position INTEGER PRIMARY KEY AUTOINCREMENT, own_id TEXT, topics TEXT NOT NULL, body TEXT NOT NULL,
        time INTEGER NOT NULL, start INTEGER NOT NULL, upto INTEGER NOT NULL
      );
      CREATE UNIQUE INDEX "events_own_id${suffix}" ON "events${suffix}" (own_id) WHERE own_id IS NOT NULL;
      CREATE INDEX "events_time${suffix}" ON "events${suffix}" (time);
      CREATE INDEX "events_start${suffix}" ON "events${suffix}" (start);
      CREATE TABLE "removed${suffix}" (topic TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE "store${suffix}" (epoch TEXT NOT NULL);
      INSERT INTO "store${suffix}" VALUES ('abcdefgh');
      INSERT INTO "removed${suffix}" VALUES ('a', 2);
      INSERT INTO "events${suffix}" VALUES ${rows.join(", ")};
      DELETE FROM "events${suffix}" WHERE position <= 2;
      PRAGMA user_version = 1`);
    db.close();
  }

  it("migrates a file that the first version wrote, with all its logs", async () => {
    const file = newFile();
    writeFirstVersion(file, "", [1, 2, 3, 4]);
    writeFirstVersion(file, ":chat-2", [1, 2]);
    for (
      const [name, kept] of [["freshet", ["3", "4"]], ["chat-2", []], ["new", []]] as const
    ) {
      const store = new SqliteReplayStore(file, { name, maxBytes: 213 });
      const newest = name === "new" ? 0 : 2 + kept.length;
      assertEquals([await dataOf(store), await store.locate(store.idAt(newest))], [[...kept], newest]);
      assertEquals((await store.read(0, { limit: 9 })).removed, name === "new" ? 0 : 2);
      assertEquals(await store.removed(["a"]), name === "new" ? 0 : 2);
      if (kept.length > 0) assertEquals([await store.locate("own-2"), await store.locate("own-4")], [undefined, 4]);
      assertEquals(await store.append([event("n")]), [{ id: store.idAt(newest + 1) }]);
      assertEquals([await dataOf(store), await store.removed(["a"])], [[...kept, "n"], name === "new" ? 0 : 2]);
      await store.append([event("n"), event("n")]); // three fit
      assertEquals([await dataOf(store), await store.removed(["a"])], [["n", "n", "n"], newest]);
      assertEquals((await store.announce("a", "one", 1_000)).get("a"), "one");
      await store.close();
    }
  });

  it("keeps several logs in one file apart, by their names", async () => {
    const file = newFile();
    const stores = [
      new SqliteReplayStore(file),
      new SqliteReplayStore(file, { name: "chat-2", maxEvents: 1 }),
    ] as const;
    const [one, two] = stores;
    const [first] = await one.append([event("1"), { ...event("2"), id: "own" }]);
    await two.append([event("a"), { ...event("b"), id: "own" }]);
    assertEquals([await dataOf(one), await dataOf(two)], [["1", "2"], ["b"]]);
    assertEquals([await one.locate(first!.id!), await two.locate(first!.id!)], [1, undefined]);
    assertEquals([await one.removed(["a"]), await two.removed(["a"])], [0, 1]);
    await one.announce("node", "one", 60_000);
    assertEquals((await two.announce("other", "two", 60_000)).size, 1);
    for (const store of stores) await store.close();
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

  it("refuses a file that a newer version wrote, and changes nothing in it", () => {
    const file = newFile();
    const db = new DatabaseSync(file);
    db.exec("PRAGMA user_version = 99");
    db.close();
    const error = assertThrows(() => new SqliteReplayStore(file)) as { code?: string };
    assertEquals(error.code, "backend-failed");
  });

  it("does not close a database that it was given", async () => {
    const db = new DatabaseSync(newFile());
    const store = new SqliteReplayStore(db);
    await store.append([event("1")]);
    await store.close();
    assertEquals(db.prepare("SELECT count(*) AS count FROM events").get()?.["count"], 1);
    db.close();
  });

  it("takes no options that it cannot keep to", () => {
    assertThrows(() => new SqliteReplayStore(":memory:", { maxEventsPerTopic: 1 } as never), TypeError);
    assertThrows(() => new SqliteReplayStore(":memory:", { maxEvents: -1 }), RangeError);
    assertThrows(() => new SqliteReplayStore(":memory:", { pollInterval: 0 }), RangeError);
    assertThrows(() => new SqliteReplayStore(":memory:", { durability: "none" as never }), TypeError);
    assertThrows(() => new SqliteReplayStore(":memory:", { name: "no spaces" }), TypeError);
    assertThrows(() => new SqliteReplayStore(":memory:", { retention: "all" as never }), TypeError);
  });
});
