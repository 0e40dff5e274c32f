import { assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, MemoryReplayStore, SseError } from "../../mod.ts";
import { numbers, publishAll } from "../support/numbered_events.ts";
import { TestSink, turns } from "../support/test_sink.ts";
import { wrapStore } from "../support/wrap_store.ts";

describe("Broker: a store that fails", () => {
  it("serves from the store while it fails now and then, and loses nothing", async () => {
    const memory = new MemoryReplayStore();
    let calls = 0;
    const flaky = <T>(call: () => Promise<T>): Promise<T> =>
      calls++ % 2 === 0 ? Promise.reject(new Error("away")) : call();
    const store = wrapStore(memory, {
      read: (after, options) => flaky(() => memory.read(after, options)),
      locate: (id, topics) => flaky(() => memory.locate(id, topics)),
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
});
