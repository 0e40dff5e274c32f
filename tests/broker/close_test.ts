import { assertEquals, assertGreater, assertLess, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, type CloseReason, MemoryReplayStore, SseError } from "../../mod.ts";
import { publishAll, take } from "../support/numbered_events.ts";
import { TestSink, turns } from "../support/test_sink.ts";

describe("Broker: closing", () => {
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
    assertLess(performance.now() - start, 10_000);
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

  it("is closed by `await using`", async () => {
    const broker = new Broker();
    {
      await using closing = broker;
      closing.subscribe("a");
    }
    assertEquals([assertThrows(() => broker.subscribe("a"), SseError).code, broker.stats().subscribers], [
      "broker-closed",
      0,
    ]);
  });

  it("tells a client when to come back, as it is told to", async () => {
    await using broker = new Broker();
    const subscriber = broker.subscribe("a");
    const sink = new TestSink(subscriber);
    await assertRejects(() => subscriber.close("kicked", { retry: -1 }), RangeError);
    assertEquals(sink.ended, false);
    const other = new TestSink(broker.subscribe("a"));
    await subscriber.close("drain", { retry: 1234 });
    await broker.close();
    assertEquals([sink.retry, sink.data], [1234, ['{"reason":"drain"}']]);
    assertEquals([other.retry, other.data], [undefined, ['{"reason":"drain"}']]);
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
