import { assert, assertEquals, assertLess } from "@std/assert";
import { describe, it, mock } from "node:test";
import { Broker, type BrokerOptions, type CloseReason, MemoryReplayStore } from "../../mod.ts";
import { gapOf, numbers, publishAll } from "../support/numbered_events.ts";
import { TestSink, turns } from "../support/test_sink.ts";

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
    await quick.until(({ data }) => data.length === 1_000);
    assertLess(stalled.bufferedBytes, 1_001);
    stalled.leave();
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
