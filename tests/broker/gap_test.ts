import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, type Gap, MemoryReplayStore } from "../../mod.ts";
import { gapOf, numbers, publishAll } from "../support/numbered_events.ts";
import { TestSink } from "../support/test_sink.ts";
import { wrapStore } from "../support/wrap_store.ts";

describe("Broker: gaps", () => {
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
