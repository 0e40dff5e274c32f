import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, MemoryReplayStore, SseError } from "../../mod.ts";
import { gapOf, numbers, publishAll } from "../support/numbered_events.ts";
import { TestSink, turns } from "../support/test_sink.ts";
import { wrapStore } from "../support/wrap_store.ts";

const many = (count: number): string[] => Array.from({ length: count }, (_, i) => `t${i}`);

describe("Broker: limits on a subscription", () => {
  it("allows 64 topics, and refuses one more", async () => {
    await using broker = new Broker();
    broker.subscribe(many(64));
    const { message } = assertThrows(() => broker.subscribe(many(65)), RangeError);
    assertEquals(message, "Cannot subscribe as topics must be at most 64: got 65");
    assertEquals(broker.stats().subscribers, 1);
  });

  it("allows 32 segments in a pattern, and refuses one more; a topic may have any number", async () => {
    await using broker = new Broker();
    broker.subscribe(["a/".repeat(31) + "*", "a/".repeat(99) + "a"]);
    assertThrows(() => broker.subscribe("a/".repeat(32) + "*"), RangeError);
  });

  it("are options", async () => {
    await using broker = new Broker({ maxTopics: 100, maxSegments: 2 });
    broker.subscribe([...many(98), "a/*", "b/**"]);
    assertThrows(() => broker.subscribe("a/b/*"), RangeError);
    for (const option of ["maxTopics", "maxSegments"]) {
      assertThrows(() => new Broker({ [option]: NaN }), RangeError);
      assertThrows(() => new Broker({ [option]: "64" }), RangeError);
    }
  });
});

describe("Broker: unknownId", () => {
  async function resume(options: Parameters<Broker["subscribe"]>[1]): Promise<TestSink> {
    const broker = new Broker({ heartbeat: 0 });
    await publishAll(broker, "a", 10);
    const sink = new TestSink(broker.subscribe("a", { lastEventId: "unknown", ...options }));
    await turns();
    await broker.publish("a", { data: "10" });
    await turns();
    await broker.close();
    assertEquals(gapOf(sink).map(({ reason, requested }) => [reason, requested]), [["unknown", "unknown"]]);
    assertEquals(sink.events[0]!.type, "gap");
    return sink;
  }
  const replayed = (sink: TestSink): string[] => sink.data.slice(1, -1);

  it("leads to all that is retained by default", async () => {
    assertEquals(replayed(await resume({})), numbers(11));
    assertEquals(replayed(await resume({ unknownId: "all" })), numbers(11));
  });

  it("leads to where start says", async () => {
    assertEquals(replayed(await resume({ unknownId: "start" })), ["10"]);
    assertEquals(replayed(await resume({ unknownId: "start", start: { last: 3 } })), numbers(4, 7));
    assertEquals(replayed(await resume({ unknownId: "start", start: "all" })), numbers(11));
  });

  it("refuses anything else", async () => {
    await using broker = new Broker();
    assertThrows(() => broker.subscribe("a", { unknownId: "none" as never }), TypeError);
  });
});

describe("Broker: close({ timeout })", () => {
  it("does not wait for a store that never begins", async () => {
    const store = wrapStore(new MemoryReplayStore(), { tail: () => new Promise(() => {}) });
    const broker = new Broker({ store });
    const subscriber = broker.subscribe("a");
    const sink = new TestSink(subscriber);
    const publishing = assertRejects(() => broker.publish("a", { data: "x" }), SseError);
    await broker.close({ timeout: 20 });
    assertEquals([(await publishing).code, await subscriber.closed, sink.ended], ["broker-closed", "drain", true]);
  });

  it("does not wait for an append that hangs, whose publisher cannot know", async () => {
    const store = wrapStore(new MemoryReplayStore(), { append: () => new Promise(() => {}) });
    const broker = new Broker({ store });
    const sink = new TestSink(broker.subscribe("a"));
    const publishing = assertRejects(() => broker.publish("a", { data: "x" }), SseError);
    await turns();
    const waiting = assertRejects(() => broker.publish("a", { data: "y" }), SseError);
    await broker.close({ timeout: 20 });
    assertEquals([(await publishing).code, (await waiting).code], ["publish-uncertain", "broker-closed"]);
    assertEquals(sink.ended, true);
  });

  it("closes a tail that begins too late", async () => {
    const memory = new MemoryReplayStore();
    const begin = Promise.withResolvers<void>();
    let closed = 0;
    const store = wrapStore(memory, {
      async tail(handlers) {
        await begin.promise;
        const tail = await memory.tail(handlers);
        return { position: tail.position, close: () => (closed++, tail.close()) };
      },
    });
    const broker = new Broker({ store });
    broker.subscribe("a");
    await broker.close({ timeout: 0 });
    begin.resolve();
    await turns();
    assertEquals(closed, 1);
  });

  it("ends a broker that nobody has used, which has not begun to follow its store", async () => {
    let begun = 0;
    const memory = new MemoryReplayStore();
    const store = wrapStore(memory, { tail: (handlers) => (begun++, memory.tail(handlers)) });
    const unused = new Broker({ store });
    await turns();
    await unused.close();
    assertEquals(begun, 0);
    for (
      const use of [(broker: Broker) => broker.publish("a", { data: "" }), (broker: Broker) => broker.subscribe("a")]
    ) {
      const broker = new Broker({ store });
      await use(broker);
      await turns();
      await broker.close();
    }
    assertEquals(begun, 2);
  });

  it("finishes what is under way in time", async () => {
    const memory = new MemoryReplayStore();
    const broker = new Broker({
      store: wrapStore(memory, {
        append: async (events) => {
          await turns(3);
          return memory.append(events);
        },
      }),
    });
    const sink = new TestSink(broker.subscribe("a"));
    const publishing = broker.publish("a", { data: "last" });
    await broker.close();
    assertEquals(await publishing, memory.idAt(1));
    assertEquals(sink.data[0], "last");
  });

  it("refuses a timeout that is none", async () => {
    await using broker = new Broker();
    assertThrows(() => broker.close({ timeout: -1 }), RangeError);
    assertThrows(() => broker.close({ timeout: NaN }), RangeError);
    assertThrows(() => broker.close({ timeout: "5" as unknown as number }), RangeError);
  });
});
