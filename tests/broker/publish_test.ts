import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, MemoryReplayStore, SseError } from "../../mod.ts";
import { numbers, take } from "../support/numbered_events.ts";
import { turns } from "../support/test_sink.ts";
import { wrapStore } from "../support/wrap_store.ts";

describe("Broker.publish()", () => {
  it("resolves to the event's ID and delivers it", async () => {
    await using broker = new Broker();
    const subscriber = broker.subscribe("a");
    const id = await broker.publish("a", { event: "t", data: "x" });
    assertEquals(await take(subscriber, 1), [{ id, topics: ["a"], type: "t", data: "x" }]);
  });

  it("takes any JSON value, and strings as they are", async () => {
    await using broker = new Broker();
    const subscriber = broker.subscribe("a");
    for (const data of ["1", 1, null, true, [1], { a: { b: "c" } }, ""]) void broker.publish("a", { data });
    assertEquals((await take(subscriber, 7)).map(({ data }) => data), [
      "1",
      "1",
      "null",
      "true",
      "[1]",
      '{"a":{"b":"c"}}',
      "",
    ]);
  });

  it("reaches a subscriber once, though several topics and patterns do", async () => {
    await using broker = new Broker();
    const subscriber = broker.subscribe(["a", "b/*", "**", "a"]);
    void broker.publish(["a", "b/c", "a"], { data: "1" });
    void broker.publish("b/d", { data: "2" });
    assertEquals((await take(subscriber, 2)).map(({ data, topics }) => [data, topics]), [["1", ["a", "b/c"]], ["2", [
      "b/d",
    ]]]);
  });

  it("keeps the order of the calls, awaited or not, though the store is slow", async () => {
    const memory = new MemoryReplayStore();
    const store = wrapStore(memory, {
      async append(events) {
        await turns(1);
        return await memory.append(events);
      },
    });
    await using broker = new Broker({ store });
    const subscriber = broker.subscribe("a");
    const calls: Promise<string>[] = [];
    for (let i = 0; i < 50; i++) {
      calls.push(broker.publish("a", { data: String(i) }));
      if (i % 7 === 0) await turns(1);
    }
    assertEquals((await take(subscriber, 50)).map(({ data }) => data), numbers(50));
    const positions = await Promise.all((await Promise.all(calls)).map((id) => memory.locate(id, [])));
    assertEquals(positions, Array.from({ length: 50 }, (_, i) => i + 1));
  });

  for (
    const [says, topics, event] of [
      ["no topic", [], { data: "" }],
      ["an empty topic", "", { data: "" }],
      ["a pattern", "a/*", { data: "" }],
      ["a topic of ours", "$x", { data: "" }],
      ["no data", "a", { event: "x" }],
      ["data that is no JSON", "a", { data: () => {} }],
      ["data that goes round", "a", { data: ((o: { o?: unknown }) => (o.o = o))({}) }],
      ["a big integer", "a", { data: 1n }],
      ["LF in the type", "a", { data: "", event: "a\nb" }],
      ["NUL in the ID", "a", { data: "", id: "a\0" }],
      ["an empty ID", "a", { data: "", id: "" }],
      ["an ID of 257 bytes", "a", { data: "", id: "x".repeat(257) }],
      ["a negative retry", "a", { data: "", retry: -1 }],
      ["no event", "a", undefined],
      ["null", "a", null],
      ["a topic that is no string", [7], { data: "" }],
    ] as const
  ) {
    it(`rejects ${says}, and publishes nothing`, async () => {
      await using broker = new Broker();
      const error = await assertRejects(() => broker.publish(topics as string, event as never));
      assert(error instanceof TypeError || error instanceof RangeError, String(error));
      assertEquals(broker.stats().published, 0);
    });
  }

  it("rejects with backend-failed when the store refuses, and the event reaches nobody", async () => {
    const memory = new MemoryReplayStore();
    let refuse = true;
    const store = wrapStore(memory, {
      append: (events) => refuse ? Promise.reject(new Error("disk full")) : memory.append(events),
    });
    await using broker = new Broker({ store });
    const subscriber = broker.subscribe("a");
    const error = await assertRejects(() => broker.publish("a", { data: "lost" }), SseError, "disk full");
    assertEquals(error.code, "backend-failed");
    refuse = false;
    void broker.publish("a", { data: "kept" });
    assertEquals((await take(subscriber, 1)).map(({ data }) => data), ["kept"]);
  });

  it("rejects with publish-uncertain, after which the same own ID is safe", async () => {
    const memory = new MemoryReplayStore();
    let cut = true;
    const store = wrapStore(memory, {
      async append(events) {
        const results = await memory.append(events);
        if (!cut) return results;
        cut = false;
        throw new SseError("publish-uncertain", "Cannot tell whether the event was stored");
      },
    });
    await using broker = new Broker({ store });
    const subscriber = broker.subscribe("a");
    const error = await assertRejects(() => broker.publish("a", { data: "1", id: "own" }), SseError);
    assertEquals(error.code, "publish-uncertain");
    assertEquals(await broker.publish("a", { data: "1", id: "own" }), "own");
    await broker.publish("a", { data: "2" });
    assertEquals((await take(subscriber, 2)).map(({ data }) => data), ["1", "2"]);
  });

  it("bounds what is under way", async () => {
    const memory = new MemoryReplayStore();
    const gate = Promise.withResolvers<void>();
    const store = wrapStore(memory, { append: async (events) => (await gate.promise, await memory.append(events)) });
    await using broker = new Broker({ store, maxPendingPublishes: 3 });
    const calls = [1, 2, 3].map((data) => broker.publish("a", { data }));
    assertEquals((await assertRejects(() => broker.publish("a", { data: 4 }), SseError)).code, "too-many-pending");
    gate.resolve();
    assertEquals((await Promise.all(calls)).length, 3);
    await broker.publish("a", { data: 5 });
  });

  it("hands a rejection that nobody awaits to onError, and no other", async () => {
    const errors: unknown[] = [];
    await using broker = new Broker({ onError: (error) => errors.push(error) });
    void broker.publish("", { data: "" });
    await turns(2);
    assertEquals(errors.length, 1);
    await assertRejects(() => broker.publish("", { data: "" }));
    await broker.publish("", { data: "" }).catch(() => {});
    await Promise.allSettled([broker.publish("", { data: "" })]);
    await turns(2);
    assertEquals(errors.length, 1);
  });

  it("refuses an ID of the store's form", async () => {
    await using broker = new Broker();
    const id = await broker.publish("a", { data: "" });
    assertEquals((await assertRejects(() => broker.publish("a", { data: "", id }), SseError)).code, "id-taken");
  });
});
