import { assert, assertEquals, assertGreater, assertLess, assertRejects, assertThrows } from "@std/assert";
import { describe, it, mock } from "node:test";
import {
  Broker,
  type BrokerOptions,
  type CloseReason,
  type Delivery,
  type Gap,
  MemoryReplayStore,
  SseError,
  type Subscriber,
} from "../../mod.ts";
import { TestSink, turns } from "../support/test_sink.ts";
import { wrapStore } from "../support/wrap_store.ts";

async function publishAll(broker: Broker, topic: string, count: number, from = 0): Promise<string[]> {
  return await Promise.all(Array.from({ length: count }, (_, i) => broker.publish(topic, { data: String(from + i) })));
}

const numbers = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => String(from + i));

async function take(subscriber: Subscriber, count: number): Promise<Delivery[]> {
  const deliveries: Delivery[] = [];
  for await (const delivery of subscriber) if (deliveries.push(delivery) === count) break;
  return deliveries;
}

const gapOf = (sink: TestSink): Gap[] =>
  sink.events.filter(({ type }) => type === "gap").map(({ data }) => JSON.parse(data));

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
    const positions = await Promise.all((await Promise.all(calls)).map((id) => memory.locate(id)));
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

describe("Broker.subscribe()", () => {
  it("refuses what is not valid", async () => {
    await using broker = new Broker();
    for (const topics of ["", [], "a*", undefined, 7, [7]]) {
      assertThrows(() => broker.subscribe(topics as string), TypeError);
    }
    for (
      const options of [
        { overflow: "x" },
        { start: "x" },
        { start: { last: 0 } },
        { start: { since: "x" } },
        { key: () => "" },
        { lastEventId: 7 },
        { gapEvent: "a\nb" },
      ]
    ) {
      assertThrows(() => broker.subscribe("a", options as never), TypeError);
    }
    for (const options of [{ maxBufferedBytes: 0 }, { maxBufferedBytes: NaN }, { retry: -1 }]) {
      assertThrows(() => broker.subscribe("a", options), RangeError);
    }
    assertEquals(broker.stats().subscribers, 0);
  });

  it("can be read in one way only", async () => {
    await using broker = new Broker();
    const subscriber = broker.subscribe("a");
    subscriber[Symbol.asyncIterator]();
    assertThrows(() => subscriber[Symbol.asyncIterator](), TypeError);
    const reader = subscriber.readable.getReader();
    await assertRejects(() => reader.read(), TypeError);
  });

  it("gives its place first: who received nothing misses nothing", async () => {
    await using broker = new Broker();
    const first = new TestSink(broker.subscribe("a"));
    await turns();
    assertEquals(first.events, []);
    assert(first.lastEventId !== "");
    first.leave();
    await publishAll(broker, "a", 3);
    const second = new TestSink(broker.subscribe("a", { lastEventId: first.lastEventId }));
    await second.until(({ events }) => events.length === 3);
    assertEquals(second.data, numbers(3));
  });

  it("resumes after any event: each once, in order, then live", async () => {
    await using broker = new Broker({ windowBytes: 200 }); // most of it from the store
    const ids = await publishAll(broker, "a", 40);
    for (const [i, lastEventId] of ids.entries()) {
      const sink = new TestSink(broker.subscribe("a", { lastEventId }));
      await sink.until(({ events }) => events.length === 39 - i);
      assertEquals(sink.data, numbers(39 - i, i + 1));
      sink.leave();
    }
    const sink = new TestSink(broker.subscribe("a", { lastEventId: ids[19]! }));
    void publishAll(broker, "a", 10, 40);
    await sink.until(({ events }) => events.length === 30);
    assertEquals(sink.data, numbers(30, 20));
  });

  it("tells of an unknown ID, then gives all that is retained", async () => {
    const gaps: Gap[] = [];
    await using broker = new Broker({ onGap: (_, gap) => gaps.push(gap) });
    await publishAll(broker, "a", 3);
    const old = new MemoryReplayStore(); // as before a restart
    const lastEventId = old.idAt(2);
    const sink = new TestSink(broker.subscribe("a", { lastEventId }));
    await sink.until(({ events }) => events.length === 4);
    assertEquals(sink.events.map(({ type }) => type), ["gap", "message", "message", "message"]);
    const [gap] = gapOf(sink);
    assertEquals([gap!.reason, gap!.requested, gap!.resumed], ["unknown", lastEventId, sink.events[0]!.lastEventId]);
    assertEquals(gaps, [gap!]);
    assertEquals(broker.stats().gaps, 1);
    const again = new TestSink(broker.subscribe("a", { lastEventId: gap!.resumed }));
    await again.until(({ events }) => events.length === 3);
    assertEquals(again.data, numbers(3)); // its ID stands for the place at which the stream resumed
  });

  it("tells of an ID whose events are no longer retained", async () => {
    await using broker = new Broker({ store: new MemoryReplayStore({ maxEvents: 5 }), windowBytes: 0 });
    const ids = await publishAll(broker, "a", 20);
    const sink = new TestSink(broker.subscribe("a", { lastEventId: ids[3]! }));
    await sink.until(({ events }) => events.length === 6);
    assertEquals(gapOf(sink).map(({ reason, resumed }) => [reason, resumed]), [["expired", ids[14]!]]);
    assertEquals(sink.data.slice(1), numbers(5, 15));
  });

  it("names the gap event as it is told to, or leaves it out", async () => {
    await using broker = new Broker();
    await publishAll(broker, "a", 1);
    const renamed = new TestSink(broker.subscribe("a", { lastEventId: "x", gapEvent: "missed" }));
    const without = new TestSink(broker.subscribe("a", { lastEventId: "x", gapEvent: false }));
    await Promise.all([
      renamed.until(({ events }) => events.length === 2),
      without.until(({ events }) => events.length === 1),
    ]);
    assertEquals([renamed.events[0]!.type, without.data], ["missed", ["0"]]);
    assertEquals(broker.stats().gaps, 2);
  });

  it(
    "never tells of a gap on a quiet topic, though a million events pass elsewhere",
    { timeout: 120_000 },
    async () => {
      await using broker = new Broker({ store: new MemoryReplayStore({ maxEvents: 1_000 }), windowBytes: 10_000 });
      const first = new TestSink(broker.subscribe("quiet"));
      await broker.publish("quiet", { data: "before" });
      await first.until(({ events }) => events.length === 1);
      const { lastEventId } = first;
      first.leave();
      for (let i = 0; i < 1_000; i++) await publishAll(broker, "busy", 1_000);
      const second = new TestSink(broker.subscribe("quiet", { lastEventId }));
      // It missed an event of its own only if one was removed: the one before its ID was not its to miss
      await broker.publish("quiet", { data: "after" });
      await second.until(({ events }) => events.length === 1);
      assertEquals(second.data, ["after"]);
      assertEquals(broker.stats().gaps, 0);
    },
  );

  it("starts where it is told to", async () => {
    await using broker = new Broker({ windowBytes: 0 });
    await publishAll(broker, "b", 5);
    await publishAll(broker, "a", 5);
    await publishAll(broker, "b", 5);
    const read = async (start: NonNullable<Parameters<Broker["subscribe"]>[1]>["start"], count: number) => {
      const sink = new TestSink(broker.subscribe("a", { start }));
      await sink.until(({ events }) => events.length === count);
      await turns();
      assertEquals(gapOf(sink), []);
      return sink.data;
    };
    assertEquals(await read("all", 5), numbers(5));
    assertEquals(await read({ last: 2 }, 2), numbers(2, 3));
    assertEquals(await read({ last: 99 }, 5), numbers(5));
    assertEquals(await read({ since: new Date(Date.now() - 60_000) }, 5), numbers(5));
    assertEquals(await read({ since: Date.now() + 60_000 }, 0), []);
    assertEquals(await read("tail", 0), []);
  });

  it("resumes within the window though nothing is retained", async () => {
    await using broker = new Broker({ store: new MemoryReplayStore({ retention: "none" }) });
    const [id] = await publishAll(broker, "a", 3);
    const own = await broker.publish("a", { data: "3", id: "own" });
    await publishAll(broker, "a", 1, 4);
    for (const [lastEventId, expected] of [[id!, numbers(4, 1)], [own, ["4"]]] as [string, string[]][]) {
      const sink = new TestSink(broker.subscribe("a", { lastEventId }));
      await sink.until(({ events }) => events.length === expected.length);
      assertEquals(sink.data, expected);
    }
  });

  it("brings 10,000 cursors up with one walk of the log", { timeout: 60_000 }, async () => {
    const EVENTS = 10_000;
    const memory = new MemoryReplayStore();
    let read = 0;
    const store = wrapStore(memory, {
      async read(after, options) {
        const result = await memory.read(after, options);
        read += result.events.length;
        return result;
      },
    });
    await using broker = new Broker({ store, windowBytes: 1_000, heartbeat: 0 });
    const ids = await publishAll(broker, "a", EVENTS);
    let expected = 0;
    const sinks: TestSink[] = [];
    for (let i = 0; i < 10_000; i++) {
      const at = EVENTS - 100 + i % 100; // at a hundred places near the end, and one at the beginning
      const missed = i === 0 ? EVENTS - 1 : EVENTS - 1 - at;
      expected += missed;
      sinks.push(new TestSink(broker.subscribe("a", { lastEventId: ids[i === 0 ? 0 : at]! })));
    }
    while (broker.stats().delivered < expected) await turns(1);
    assertEquals(broker.stats().delivered, expected);
    assertLess(read, EVENTS + 1_000);
    sinks.forEach(({ data }, i) => assertEquals(data.length, i === 0 ? EVENTS - 1 : 99 - i % 100));
  });

  it("serves from the store while it fails now and then, and loses nothing", async () => {
    const memory = new MemoryReplayStore();
    let calls = 0;
    const flaky = <T>(call: () => Promise<T>): Promise<T> =>
      calls++ % 2 === 0 ? Promise.reject(new Error("away")) : call();
    const store = wrapStore(memory, {
      read: (after, options) => flaky(() => memory.read(after, options)),
      locate: (id) => flaky(() => memory.locate(id)),
    });
    const errors: unknown[] = [];
    await using broker = new Broker({ store, windowBytes: 0, onError: (error) => errors.push(error) });
    const ids = await publishAll(broker, "a", 10);
    const sink = new TestSink(broker.subscribe("a", { lastEventId: ids[4]! }));
    await sink.until(({ events }) => events.length === 5);
    assertEquals(sink.data, numbers(5, 5));
    assertEquals(errors.length, 2);
  });

  it("waits for a store that cannot be followed yet, whose publishes fail meanwhile", async () => {
    const memory = new MemoryReplayStore();
    let down = true;
    const store = wrapStore(memory, {
      tail: (handlers) => down ? Promise.reject(new Error("away")) : memory.tail(handlers),
    });
    await using broker = new Broker({ store });
    const sink = new TestSink(broker.subscribe("a"));
    assertEquals((await assertRejects(() => broker.publish("a", { data: "x" }), SseError)).code, "backend-failed");
    down = false;
    for (let tries = 0; tries < 100; tries++) {
      await turns(10);
      if (await broker.publish("a", { data: "y" }).then(() => true, () => false)) break;
    }
    await sink.until(({ events }) => events.length === 1);
    assertEquals(sink.data, ["y"]);
  });

  it("tells everyone when the engine has lost events", async () => {
    const memory = new MemoryReplayStore();
    let lose = (_: number): void => {};
    const store = wrapStore(memory, {
      tail: (handlers) => {
        lose = (position) => handlers.onLost(position);
        return memory.tail(handlers);
      },
    });
    await using broker = new Broker({ store });
    const sink = new TestSink(broker.subscribe("a"));
    await publishAll(broker, "a", 2);
    await sink.until(({ events }) => events.length === 2);
    lose(2);
    await publishAll(broker, "a", 1, 2);
    await sink.until(({ events }) => events.length === 4);
    assertEquals(sink.events.map(({ type }) => type), ["message", "message", "gap", "message"]);
    assertEquals(gapOf(sink)[0]!.reason, "lost");
  });
});

describe("Broker: a slow subscriber", () => {
  const big = "x".repeat(1_000);

  async function slow(options: Parameters<Broker["subscribe"]>[1], brokerOptions: BrokerOptions = {}) {
    const broker = new Broker({ heartbeat: 0, ...brokerOptions });
    const subscriber = broker.subscribe("a", { maxBufferedBytes: 5_000, ...options });
    const sink = new TestSink(subscriber);
    await turns(1);
    sink.pause();
    for (let i = 0; i < 100; i++) {
      await broker.publish("a", { data: `${i} ${big}` });
      assertLess(sink.bufferedBytes, 5_001);
    }
    return { broker, sink, subscriber };
  }
  const numbersOf = (sink: TestSink): number[] =>
    sink.events.filter(({ type }) => type === "message").map(({ data }) => parseInt(data));

  it("with replay becomes a cursor and loses nothing", async () => {
    const { broker, sink } = await slow({ overflow: "replay" }, { windowBytes: 10_000 });
    while (numbersOf(sink).length < 100) {
      sink.drain({ pause: true });
      assertLess(sink.bufferedBytes, 5_001);
      await turns(1);
    }
    sink.drain();
    await broker.publish("a", { data: "100" });
    await sink.until(() => numbersOf(sink).length === 101);
    assertEquals(numbersOf(sink), Array.from({ length: 101 }, (_, i) => i));
    await broker.close();
  });

  it("with replay is told when retention overtakes it", async () => {
    const { broker, sink } = await slow({}, { windowBytes: 0, store: new MemoryReplayStore({ maxEvents: 10 }) });
    sink.drain();
    await sink.until(() => numbersOf(sink).at(-1) === 99);
    const received = numbersOf(sink);
    const before = sink.events.findIndex(({ type }) => type === "gap");
    assertEquals(gapOf(sink).map(({ reason }) => reason), ["expired"]);
    assertEquals(received.slice(before), Array.from({ length: 10 }, (_, i) => 90 + i));
    assertEquals(received.slice(0, before), Array.from({ length: before }, (_, i) => i));
    await broker.close();
  });

  it("with close is ended, and can resume", async () => {
    const { broker, sink, subscriber } = await slow({ overflow: "close" });
    assert(sink.ended);
    sink.drain();
    assertEquals(await subscriber.closed, "overflow");
    assertEquals(sink.events.at(-1)!.type, "close");
    assertEquals(JSON.parse(sink.data.at(-1)!), { reason: "overflow" });
    const received = numbersOf(sink).length;
    const again = new TestSink(broker.subscribe("a", { lastEventId: sink.lastEventId }));
    await again.until(() => numbersOf(again).length === 100 - received);
    assertEquals(numbersOf(again)[0], received);
    await broker.close();
  });

  it("with drop-oldest keeps the newest, and tells of the others", async () => {
    const { broker, sink } = await slow({ overflow: "drop-oldest" });
    sink.drain();
    await sink.until(() => numbersOf(sink).at(-1) === 99);
    const received = numbersOf(sink);
    assertEquals(gapOf(sink).map(({ reason }) => reason), ["dropped"]);
    assertEquals(broker.stats().dropped, 100 - received.length);
    const before = sink.events.findIndex(({ type }) => type === "gap");
    const rest = received.slice(before);
    assertEquals(rest, Array.from({ length: rest.length }, (_, i) => 100 - rest.length + i));
    await broker.close();
  });

  it("with conflate keeps the newest of each key", async () => {
    const broker = new Broker({ heartbeat: 0 });
    const sink = new TestSink(
      broker.subscribe("**", { maxBufferedBytes: 8_000, overflow: "conflate", key: ({ topics }) => topics[0]! }),
    );
    await turns(1);
    sink.pause();
    await broker.publish("z", { data: big.repeat(5) }); // fills what cannot be dropped
    for (let i = 0; i < 30; i++) {
      for (const topic of ["a", "b", "c"]) await broker.publish(topic, { data: `${topic}${i}` });
    }
    assertEquals(broker.stats().dropped, 87);
    sink.drain();
    await sink.until(({ events }) => events.length === 4);
    assertEquals(sink.data.slice(1), ["a29", "b29", "c29"]);
    assertEquals(gapOf(sink), []);
    await broker.publish("a", { data: "live" });
    await sink.until(({ data }) => data.at(-1) === "live");
    await broker.close();
  });

  it("holds one event that is larger than its budget alone", async () => {
    await using broker = new Broker();
    const sink = new TestSink(broker.subscribe("a", { maxBufferedBytes: 10 }));
    await publishAll(broker, "a", 3);
    await broker.publish("a", { data: big });
    await sink.until(({ events }) => events.length === 4);
    assertEquals(sink.data, [...numbers(3), big]);
  });

  it("gets everything whatever its budget is, one that is filled to the last byte included", async () => {
    await using broker = new Broker({ heartbeat: 0 });
    const ids = await publishAll(broker, "a", 5);
    for (let maxBufferedBytes = 1; maxBufferedBytes < 160; maxBufferedBytes++) {
      for (const lastEventId of [ids[0]!, "unknown"]) {
        const sink = new TestSink(broker.subscribe("a", { lastEventId, maxBufferedBytes }), { paused: true });
        for (let tries = 0; tries < 30 && sink.data.at(-1) !== "4"; tries++) {
          await turns(1);
          sink.drain({ pause: true });
        }
        assertEquals(sink.data.at(-1), "4", `a budget of ${maxBufferedBytes} bytes`);
        sink.leave();
      }
    }
  });

  it("does not slow down the others", async () => {
    await using broker = new Broker({ heartbeat: 0 });
    const stalled = new TestSink(broker.subscribe("a", { maxBufferedBytes: 1_000 }), { paused: true });
    const quick = new TestSink(broker.subscribe("a"));
    await publishAll(broker, "a", 1_000);
    assertEquals(quick.data.length, 1_000);
    assertLess(stalled.bufferedBytes, 1_001);
  });

  it("is ended when its budget has been full for longer than writeTimeout", async () => {
    mock.timers.enable({ apis: ["setInterval", "Date"], now: 1_000_000 });
    try {
      const reasons: CloseReason[] = [];
      const broker = new Broker({
        heartbeat: 1_000,
        writeTimeout: 5_000,
        onUnsubscribe: (_, reason) => reasons.push(reason),
      });
      const sink = new TestSink(broker.subscribe("a", { maxBufferedBytes: 500 }), { paused: true });
      await publishAll(broker, "a", 100);
      mock.timers.tick(4_900);
      assertEquals(sink.aborted, false);
      mock.timers.tick(1_200);
      assertEquals([sink.aborted, ...reasons], [true, "timeout"]);
      assertEquals(broker.stats().subscribers, 0);
      await broker.close();
    } finally {
      mock.timers.reset();
    }
  });

  it("reads in a loop as slowly as it likes", async () => {
    await using broker = new Broker({ windowBytes: 1_000 });
    const subscriber = broker.subscribe("a", { maxBufferedBytes: 500 });
    const loop = subscriber[Symbol.asyncIterator]();
    await publishAll(broker, "a", 500);
    for (const expected of numbers(500)) assertEquals((await loop.next()).value?.data, expected);
  });
});

describe("Broker: heartbeats and checkpoints", () => {
  it("beats once an interval with the newest position, so that a quiet client stays at the tail", async () => {
    mock.timers.enable({ apis: ["setInterval", "Date"], now: 1_000_000 });
    try {
      const broker = new Broker({ heartbeat: 8_000 });
      const quiet = new TestSink(broker.subscribe("quiet"));
      const plain = new TestSink(broker.subscribe("quiet", { checkpoints: false }));
      const first = quiet.lastEventId;
      const ids = await publishAll(broker, "busy", 10);
      mock.timers.tick(8_000);
      assert(quiet.lastEventId !== first);
      assertEquals(quiet.lastEventId, ids[9]!);
      assertEquals([quiet.events, plain.events, plain.lastEventId], [[], [], ""]);
      assertEquals(plain.comments.length, 2); // one to open, one heartbeat
      const { length } = quiet.writes;
      mock.timers.tick(80_000);
      assertEquals(quiet.writes.length, length + 10);
      await broker.close();
    } finally {
      mock.timers.reset();
    }
  });

  it("never gives a place before what stands for it was written", async () => {
    mock.timers.enable({ apis: ["setInterval", "Date"], now: 1_000_000 });
    try {
      const broker = new Broker({ heartbeat: 1_000 });
      const sink = new TestSink(broker.subscribe("a"));
      await turns(1);
      for (let i = 0; i < 20; i++) {
        void broker.publish("a", { data: String(i) });
        await Promise.resolve();
        mock.timers.tick(1_000);
        const position = Number(sink.lastEventId.split(".")[1]);
        assertEquals(position, sink.events.length);
      }
      await broker.close();
    } finally {
      mock.timers.reset();
    }
  });

  it("sends no heartbeats when told so, and keeps intervals that timers cannot", async () => {
    for (const heartbeat of [0, Infinity, 2 ** 40]) {
      mock.timers.enable({ apis: ["setInterval", "Date"], now: 1_000_000 });
      try {
        const broker = new Broker({ heartbeat, writeTimeout: 0 });
        const sink = new TestSink(broker.subscribe("a"));
        await turns(1);
        const { length } = sink.writes;
        mock.timers.tick(100_000);
        assertEquals(sink.writes.length, length);
        await broker.close();
      } finally {
        mock.timers.reset();
      }
    }
  });

  it("tells the reconnection time first", async () => {
    await using broker = new Broker();
    const reader = broker.subscribe("a", { retry: 1234 }).readable.getReader();
    assertEquals(new TextDecoder().decode((await reader.read()).value), "retry: 1234\n\n");
    await reader.cancel();
  });
});

describe("Broker: snapshot and filter", () => {
  it("sends the state after its place is fixed and before what follows", async () => {
    await using broker = new Broker();
    let state = 0;
    const add = async (): Promise<void> => void await broker.publish("a", { event: "add", data: String(++state) });
    await add();
    const sink = new TestSink(broker.subscribe("a", {
      async *snapshot(why) {
        yield { event: "state", data: `${why} ${state}` };
        await add(); // while the snapshot is under way
        yield { event: "rest", data: "" };
      },
    }));
    await sink.until(({ events }) => events.length === 3);
    await add();
    await sink.until(({ events }) => events.length === 4);
    assertEquals(sink.events.map(({ type, data }) => `${type} ${data}`), ["state start 1", "rest ", "add 2", "add 3"]);
  });

  it("gives the place with the last of it, so that who is cut off gets it again", async () => {
    await using broker = new Broker();
    await broker.publish("a", { data: "0" });
    for (const checkpoints of [true, false]) {
      const gate = Promise.withResolvers<void>();
      const sink = new TestSink(broker.subscribe("a", {
        checkpoints,
        async *snapshot() {
          yield { data: "s1" };
          yield { data: "s2" };
          await gate.promise;
        },
      }));
      await sink.until(({ events }) => events.length === 1);
      assertEquals(sink.lastEventId, "");
      gate.resolve();
      await sink.until(({ events }) => events.length === 2);
      await turns(1);
      assert(sink.lastEventId !== "");
    }
  });

  it("sends it after a gap, which then resumes at the newest event", async () => {
    await using broker = new Broker({ store: new MemoryReplayStore({ maxEvents: 2 }), windowBytes: 0 });
    const ids = await publishAll(broker, "a", 9);
    for (const lastEventId of ["unknown", ids[1]!]) {
      const sink = new TestSink(
        broker.subscribe("a", { lastEventId, snapshot: (why) => [{ event: "state", data: why }] }),
      );
      await sink.until(({ events }) => events.length === 2);
      await broker.publish("a", { data: "next" });
      await sink.until(({ events }) => events.length === 3);
      assertEquals(sink.events.map(({ type }) => type), ["gap", "state", "message"]);
      assertEquals(sink.data[1], "gap");
    }
  });

  it("does not send it to who resumes", async () => {
    await using broker = new Broker();
    const [id] = await publishAll(broker, "a", 2);
    const sink = new TestSink(broker.subscribe("a", { lastEventId: id!, snapshot: () => [{ data: "state" }] }));
    await sink.until(({ events }) => events.length === 1);
    assertEquals(sink.data, ["1"]);
  });

  it("keeps to the budget", async () => {
    await using broker = new Broker();
    const sink = new TestSink(
      broker.subscribe("a", {
        maxBufferedBytes: 1_000,
        *snapshot() {
          for (let i = 0; i < 100; i++) yield { data: "x".repeat(100) };
        },
      }),
      { paused: true },
    );
    for (let i = 0; i < 60 && sink.events.length < 100; i++) {
      await turns(1);
      assertLess(sink.bufferedBytes, 1_001);
      sink.drain({ pause: true });
    }
    assertEquals(sink.events.length, 100);
  });

  for (
    const [says, options] of [
      ["a snapshot that throws", {
        snapshot: () => {
          throw new Error("no");
        },
      }],
      ["a snapshot with an ID", { snapshot: () => [{ id: 1, data: "" }, { data: "" }] }],
      ["a filter that throws", {
        filter: () => {
          throw new Error("no");
        },
      }],
    ] as const
  ) {
    it(`ends the subscriber with "error" for ${says}`, async () => {
      const errors: unknown[] = [];
      await using broker = new Broker({ onError: (error) => errors.push(error) });
      const subscriber = broker.subscribe("a", options as never);
      new TestSink(subscriber);
      const other = new TestSink(broker.subscribe("a"));
      await publishAll(broker, "a", 1);
      assertEquals(await subscriber.closed, "error");
      assertEquals([errors.length, other.data], [1, ["0"]]);
    });
  }

  it("leaves out what the filter does not want, live and from the log", async () => {
    await using broker = new Broker({ windowBytes: 0 });
    const ids = await publishAll(broker, "a", 10);
    const sink = new TestSink(
      broker.subscribe("a", { lastEventId: ids[1]!, filter: ({ data }) => Number(data) % 2 === 0 }),
    );
    await sink.until(({ events }) => events.length === 4);
    await publishAll(broker, "a", 10, 10);
    assertEquals(sink.data, ["2", "4", "6", "8", "10", "12", "14", "16", "18"]);
  });
});

describe("Broker: hooks, stats, close", () => {
  it("calls hooks, of which one that throws harms nobody", async () => {
    const calls: unknown[] = [];
    const hook = (name: string) => (...args: unknown[]): void => {
      calls.push([name, ...args.filter((arg) => typeof arg === "string")]);
      throw new Error(name);
    };
    const errors: string[] = [];
    const broker = new Broker({
      onSubscribe: hook("subscribe"),
      onUnsubscribe: hook("unsubscribe"),
      onPublish: hook("publish"),
      onGap: hook("gap"),
      onError: (error) => {
        errors.push((error as Error).message);
        throw error;
      },
    });
    const sink = new TestSink(broker.subscribe("a", { lastEventId: "x" }));
    await broker.publish("a", { data: "1" });
    await sink.until(({ events }) => events.length === 2);
    sink.leave();
    await broker.close();
    assertEquals(calls, [["subscribe"], ["publish"], ["gap"], ["unsubscribe", "left"]]);
    assertEquals(errors, ["subscribe", "publish", "gap", "unsubscribe"]);
    assertEquals(broker.stats().errors, 8);
  });

  it("counts", async () => {
    await using broker = new Broker();
    const sinks = [broker.subscribe("a"), broker.subscribe(["a", "b/*"]), broker.subscribe("**")].map((s) =>
      new TestSink(s)
    );
    await publishAll(broker, "a", 2);
    await broker.publish(["a", "b/c"], { data: "x" });
    await broker.publish("c", { data: "x" });
    assertEquals([await broker.count("a"), await broker.count("b/c"), await broker.count("d")], [3, 2, 1]);
    await assertRejects(() => broker.count("a/.."), TypeError);
    const { topics, ...stats } = broker.stats({ topics: true });
    assertEquals({ ...stats, bytes: 0 }, {
      subscribers: 3,
      nodes: 1,
      published: 4,
      delivered: 10,
      dropped: 0,
      bytes: 0,
      gaps: 0,
      errors: 0,
    });
    assertEquals(stats.bytes, sinks.flatMap(({ writes }) => writes).reduce((sum, size) => sum + size, 0));
    assertEquals(topics!.get("a"), { subscribers: 2, published: 3 });
    assertEquals(topics!.get("**"), { subscribers: 1, published: 4 });
    sinks[0]!.leave();
    assertEquals(broker.stats().subscribers, 2);
  });

  it("writes the events of one turn at once", async () => {
    await using broker = new Broker();
    const sink = new TestSink(broker.subscribe("a"));
    await turns(1);
    const { length } = sink.writes;
    await publishAll(broker, "a", 16);
    assertEquals(sink.writes.length, length + 1);
    assertEquals(sink.data, numbers(16));
  });

  it("closes: ends every subscriber with the reason, refuses what comes later, leaves no timer", async () => {
    const reasons: CloseReason[] = [];
    const broker = new Broker({ onUnsubscribe: (_, reason) => reasons.push(reason) });
    const subscribers = Array.from({ length: 5 }, () => broker.subscribe("a"));
    const sinks = subscribers.slice(0, 3).map((subscriber) => new TestSink(subscriber));
    const loop = subscribers[3]![Symbol.asyncIterator]();
    const under = broker.publish("a", { data: "last" });
    const closing = broker.close({ reason: "upgrade" });
    assertEquals((await assertRejects(() => broker.publish("a", { data: "" }), SseError)).code, "broker-closed");
    assertEquals(assertThrows(() => broker.subscribe("a"), SseError).code, "broker-closed");
    await closing;
    await under;
    await broker.close();
    for (const sink of sinks) {
      assertEquals(sink.data, ["last", '{"reason":"upgrade"}']);
      assertEquals([sink.events[1]!.type, sink.ended], ["close", true]);
      assertEquals(sink.lastEventId, sink.events[0]!.lastEventId); // the close event has no ID
    }
    assertEquals((await loop.next()).value?.data, "last");
    assertEquals((await loop.next()).done, true);
    assertEquals(reasons, Array(5).fill("upgrade"));
  });

  it("waits for a slow client no longer than a second when it ends it", async () => {
    const broker = new Broker();
    const sink = new TestSink(broker.subscribe("a"), { paused: true });
    await publishAll(broker, "a", 10);
    const start = performance.now();
    await broker.close();
    assertEquals([sink.ended, sink.aborted], [true, true]);
    assertLess(performance.now() - start, 5_000);
  });

  it("ends a subscriber by its signal, by close(), and by leaving the loop", async () => {
    await using broker = new Broker();
    const leaving = new AbortController();
    const one = broker.subscribe("a", { signal: leaving.signal });
    const text = new Response(one.readable).text();
    leaving.abort();
    assertEquals([await one.closed, (await text).includes("close")], ["left", false]);
    assertEquals(await broker.subscribe("a", { signal: AbortSignal.abort() }).closed, "left");
    const two = broker.subscribe("a");
    const body = new Response(two.readable).text();
    await turns(1);
    await two.close("kicked");
    assertEquals((await body).endsWith('event: close\ndata: {"reason":"kicked"}\n\n'), true);
    const three = broker.subscribe("a");
    await broker.publish("a", { data: "" });
    for await (const _ of three) break;
    assertEquals([await three.closed, broker.stats().subscribers], ["left", 0]);
    const four = broker.subscribe("a");
    await four.readable.cancel();
    assertEquals([await four.closed, broker.stats().subscribers], ["left", 0]);
  });

  it("closes the store that it made, not one that it was given", async () => {
    const store = new MemoryReplayStore();
    await using first = new Broker({ store });
    await first.publish("a", { data: "1" });
    await first.close();
    await using second = new Broker({ store });
    assertEquals((await take(second.subscribe("a", { start: "all" }), 1))[0]!.data, "1");
  });

  it("shows two brokers on one store the same order", async () => {
    const store = new MemoryReplayStore();
    await using one = new Broker({ store });
    await using two = new Broker({ store });
    const sinks = [one, two].map((broker) => new TestSink(broker.subscribe("a")));
    await Promise.all([publishAll(one, "a", 50), publishAll(two, "a", 50, 50)]);
    await Promise.all(sinks.map((sink) => sink.until(({ events }) => events.length === 100)));
    assertEquals(sinks[0]!.data, sinks[1]!.data);
    assertGreater(one.stats().delivered, 99);
  });
});
