import { assertEquals, assertThrows } from "@std/assert";
import { describe, it, mock } from "node:test";
import { MemoryReplayStore } from "../../mod.ts";
import { replayStoreSuite } from "../suites/replay_store_suite.ts";

replayStoreSuite("MemoryReplayStore", (limits) => Promise.resolve(new MemoryReplayStore(limits)));

const dataOf = async (store: MemoryReplayStore): Promise<string[]> =>
  (await store.read(0, { limit: 1_000 })).events.map(({ data }) => data);

describe("MemoryReplayStore", () => {
  it("retains by age, though nothing is published", async () => {
    mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
    try {
      const store = new MemoryReplayStore({ maxAge: 1_000 });
      await store.append([{ topics: ["a"], data: "1" }]);
      mock.timers.setTime(1_000_500);
      await store.append([{ topics: ["a"], data: "2" }]);
      mock.timers.setTime(1_001_000);
      assertEquals(await dataOf(store), ["1", "2"]);
      mock.timers.setTime(1_001_001);
      assertEquals(await dataOf(store), ["2"]);
      mock.timers.setTime(1_009_000);
      assertEquals(await dataOf(store), []);
      assertEquals(await store.removed(["a"]), 2);
    } finally {
      mock.timers.reset();
    }
  });

  it("retains by bytes", async () => {
    const store = new MemoryReplayStore({ maxBytes: 10_000 });
    for (let i = 0; i < 100; i++) await store.append([{ topics: ["a"], data: String(i).padEnd(400, "x") }]);
    assertEquals((await dataOf(store)).length, 8); // 2 * (400 + a few) + 330 each
    await store.append([{ topics: ["a"], data: "x".repeat(10_000) }]);
    assertEquals(await dataOf(store), []);
  });

  it("keeps nothing with retention none, and knows its positions all the same", async () => {
    const store = new MemoryReplayStore({ retention: "none" });
    const [result] = await store.append([{ topics: ["a"], data: "1" }]);
    assertEquals(await dataOf(store), []);
    assertEquals(await store.locate(result!.id!, ["a"]), 1);
    assertEquals(await store.removed(["a"]), 1);
    assertEquals(await store.removed(["b"]), 0);
  });

  it("stores an own ID again once its event has become too old, though nothing was asked for since", async () => {
    mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
    try {
      const store = new MemoryReplayStore({ maxAge: 1_000 });
      const event = { topics: ["a"], data: "1", id: "own" };
      await store.append([event]);
      mock.timers.setTime(1_001_001);
      assertEquals(await store.append([event]), [{ id: "own" }]);
      assertEquals(await dataOf(store), ["1"]);
      assertEquals(await store.locate("own", ["a"]), 2);
    } finally {
      mock.timers.reset();
    }
  });

  it("says of which topics something was removed, of others not", async () => {
    const store = new MemoryReplayStore({ maxEvents: 1 });
    await store.append([{ topics: ["a/b", "c"], data: "1" }, { topics: ["d"], data: "2" }, {
      topics: ["d"],
      data: "3",
    }]);
    assertEquals(await store.removed(["a/*"]), 1);
    assertEquals(await store.removed(["c"]), 1);
    assertEquals(await store.removed(["d"]), 2);
    assertEquals(await store.removed(["e", "a"]), 0);
  });

  it("takes no options that it cannot keep to", () => {
    assertThrows(() => new MemoryReplayStore({ maxEventsPerTopic: 1 } as never), TypeError, "maxEventsPerTopic");
    assertThrows(() => new MemoryReplayStore({ maxEvents: -1 }), RangeError);
    assertThrows(() => new MemoryReplayStore({ maxAge: NaN }), RangeError);
    assertThrows(() => new MemoryReplayStore({ retention: "all" as never }), TypeError);
  });
});
