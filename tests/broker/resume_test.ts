import { assert, assertEquals, assertLess } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, MemoryReplayStore } from "../../mod.ts";
import { numbers, publishAll } from "../support/numbered_events.ts";
import { TestSink, turns } from "../support/test_sink.ts";
import { wrapStore } from "../support/wrap_store.ts";

describe("Broker: who resumes", () => {
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
});
