import { assertEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import type { StoredEvent } from "../../../mod.ts";
import { SqliteReplayStore } from "../../../src/stores/sqlite/sqlite.ts";
import { replayStoreSuite } from "../../suites/replay_store_suite.ts";
import { dataOf, event, newFile } from "../../support/sqlite_files.ts";

replayStoreSuite("SqliteReplayStore", (limits) => Promise.resolve(new SqliteReplayStore(newFile(), limits)), {
  removedByTopic: false,
});
replayStoreSuite(
  "SqliteReplayStore in memory",
  (limits) => Promise.resolve(new SqliteReplayStore(":memory:", limits)),
  { removedByTopic: false },
);

describe("SqliteReplayStore", () => {
  it("outlives a restart: events, positions, own IDs, and what was removed", async () => {
    const file = newFile();
    const store = new SqliteReplayStore(file, { maxEvents: 2 });
    const [first] = await store.append([event("1", "gone"), event("2"), { ...event("3"), id: "own" }]);
    await store.close();
    const again = new SqliteReplayStore(file, { maxEvents: 2 });
    assertEquals(await dataOf(again), ["2", "3"]);
    assertEquals([await again.locate(first!.id!, ["a"]), await again.locate("own", ["a"])], [1, 3]);
    assertEquals([await again.removed(["gone"]), await again.removed(["a"])], [1, 0]);
    assertEquals(await again.append([{ ...event("3"), id: "own" }]), [{ id: "own" }]);
    await again.append([event("4")]);
    assertEquals((await again.read(3, { limit: 9 })).events.map(({ position }) => position), [4]);
    await again.close();
  });

  it("gives no position twice, though everything was removed", async () => {
    const file = newFile();
    const store = new SqliteReplayStore(file, { maxEvents: 0 });
    const [result] = await store.append([event("1")]);
    assertEquals([await dataOf(store), await store.locate(result!.id!, ["a"])], [[], 1]);
    await store.close();
    const again = new SqliteReplayStore(file);
    await again.append([event("2")]);
    assertEquals((await again.read(0, { limit: 9 })).events.map(({ position }) => position), [2]);
    await again.close();
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
    assertEquals([await one.locate(first!.id!, ["a"]), await two.locate(first!.id!, ["a"])], [1, undefined]);
    assertEquals([await one.removed(["a"]), await two.removed(["a"])], [0, 1]);
    await one.announce("node", "one", 60_000);
    assertEquals((await two.announce("other", "two", 60_000)).size, 1);
    for (const store of stores) await store.close();
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
