import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { describe, it, mock } from "node:test";
import { SqliteReplayStore } from "../../../src/stores/sqlite/sqlite.ts";
import { random, SEED } from "../../support/seed.ts";
import { dataOf, event, newFile } from "../../support/sqlite_files.ts";

describe("SqliteReplayStore: retention", () => {
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
});
