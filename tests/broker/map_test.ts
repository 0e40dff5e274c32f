import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, type Chunk, type Delivery, type EventMap, MemoryReplayStore, withTopic } from "../../mod.ts";
import { TestSink, turns } from "../support/test_sink.ts";

/** A map that counts its calls. */
function counted(make: EventMap): EventMap & { calls: number } {
  const map = Object.assign((delivery: Delivery) => {
    map.calls++;
    return make(delivery);
  }, { calls: 0 });
  return map;
}

const loud: EventMap = ({ type, data }) => ({ event: type, data: data.toUpperCase() });

/** A sink that keeps the chunks of events. */
class ChunkSink extends TestSink {
  readonly chunks: Chunk[] = [];

  override write(chunk: Chunk): void {
    if (chunk.entries.length > 0) this.chunks.push(chunk);
    super.write(chunk);
  }
}

describe("map", () => {
  it("makes what is sent, with the event's own ID and topics", async () => {
    await using broker = new Broker();
    const sink = new TestSink(broker.subscribe("a", { map: ({ data }) => ({ event: "m", data: { was: data } }) }));
    const id = await broker.publish("a", { event: "e", data: "x" });
    await turns(1);
    assertEquals(sink.events, [{ type: "m", data: '{"was":"x"}', lastEventId: id }]);

    const loop = broker.subscribe("*", { start: "all", map: loud })[Symbol.asyncIterator]();
    assertEquals((await loop.next()).value, { id, topics: ["a"], type: "e", data: "X" });
    await loop.return?.();
  });

  it("is called once an event for all who share it, whatever else they subscribe to, and its bytes are made once", async () => {
    await using broker = new Broker();
    const one = counted(loud);
    const two = counted(({ data }) => ({ data: `${data}!` }));
    const sinks = Array.from({ length: 60 }, (_, i) => {
      const map = [one, two, undefined][i % 3];
      return new ChunkSink(broker.subscribe(i % 2 === 0 ? "a" : ["a", `own/${i}`], { map }));
    });
    await turns(1);
    for (let i = 0; i < 10; i++) {
      void broker.publish("a", { data: `x${i}` });
      void broker.publish("a", { data: `y${i}` });
      await turns(2);
    }
    assertEquals([one.calls, two.calls], [20, 20]);
    sinks.forEach(({ data }, i) => {
      assertEquals([data.length, data[0]], [20, ["X0", "x0!", "x0"][i % 3]]);
    });
    const shapes = new Set(sinks.flatMap(({ chunks }) => chunks.map(({ bytes }) => bytes)));
    const writes = sinks[0]!.chunks.length;
    assertEquals(shapes.size, 3 * writes);
  });

  it("leaves out what it returns undefined for", async () => {
    await using broker = new Broker();
    const map: EventMap = ({ data }) => data === "2" ? undefined : { data };
    const sink = new TestSink(broker.subscribe("a", { map }));
    for (const data of ["1", "2", "3"]) await broker.publish("a", { data });
    await turns(1);
    assertEquals(sink.data, ["1", "3"]);
  });

  it("is told what passes the filter, and the filter what was published", async () => {
    await using broker = new Broker();
    const map = counted(({ data }) => ({ data: `${data}0` }));
    const sink = new TestSink(broker.subscribe("a", { filter: ({ data }) => data !== "2", map }));
    for (const data of ["1", "2", "3"]) await broker.publish("a", { data });
    await turns(1);
    assertEquals([sink.data, map.calls], [["10", "30"], 2]);
  });

  it("applies to what is replayed, from the window and from the store", async () => {
    for (const windowBytes of [0, 1 << 20]) {
      await using broker = new Broker({ windowBytes });
      const ids: string[] = [];
      for (let i = 0; i < 50; i++) ids.push(await broker.publish("a", { data: `x${i}` }));
      const map = counted(loud);
      const sinks = Array.from({ length: 3 }, () => {
        return new TestSink(broker.subscribe("a", { lastEventId: ids[9], map }), { lastEventId: ids[9]! });
      });
      for (const sink of sinks) {
        await sink.until(({ events }) => events.length === 40);
        assertEquals([sink.data[0], sink.data.at(-1), sink.lastEventId], ["X10", "X49", ids[49]]);
      }
      assert(map.calls <= 3 * 40);
    }
  });

  it("loses nothing for a slow client, whatever a full budget does", async () => {
    for (const overflow of ["replay", "drop-oldest", "conflate"] as const) {
      await using broker = new Broker();
      const options = { map: loud, overflow, maxBufferedBytes: 200, gapEvent: false } as const;
      const sink = new TestSink(broker.subscribe("a", options), { paused: true });
      await turns(1);
      const published = Array.from({ length: 100 }, (_, i) => `x${i}`);
      for (const data of published) await broker.publish("a", { data });
      sink.drain();
      await sink.until(({ data }) => data.at(-1) === "X99");
      if (overflow === "replay") assertEquals(sink.data, published.map((data) => data.toUpperCase()));
      assert(sink.data.every((data) => data.startsWith("X")));
    }
  });

  it("is not asked for gaps and snapshots", async () => {
    await using broker = new Broker({ store: new MemoryReplayStore() });
    const map = counted(loud);
    const snapshot = (): { data: string }[] => [{ data: "state" }];
    const sink = new TestSink(broker.subscribe("a", { map, snapshot, lastEventId: "never heard of" }));
    await sink.until(({ events }) => events.length === 2);
    assertEquals([sink.events.map(({ type }) => type), sink.data[1], map.calls], [["gap", "message"], "state", 0]);
  });

  const failing: ReadonlyArray<readonly [how: string, map: EventMap, says: string]> = [
    ["throws", () => {
      throw new Error("a bad map");
    }, "a bad map"],
    ["gives a promise", (async () => await Promise.resolve({ data: "" })) as never, "got a promise"],
    ["gives a promise that rejects", (async () => await Promise.reject(new Error("late"))) as never, "got a promise"],
    ["gives an ID", () => ({ id: "7", data: "" }) as never, 'must leave the id as it is: got "7"'],
    ["gives text", () => "text" as never, "must be an object"],
    ["gives null", () => null as never, "must be an object"],
    ["gives a function", () => ({ data: () => 1 }) as never, "got function"],
    ["gives a type of two lines", () => ({ event: "a\nb", data: "" }), "without CR and LF"],
  ];
  for (const [how, bad, says] of failing) {
    it(`that ${how} ends the subscriber with an error, and nobody else`, async () => {
      const errors: unknown[] = [];
      await using broker = new Broker({ onError: (error) => errors.push(error) });
      const map: EventMap = (delivery) => delivery.data === "2" ? bad(delivery) : { data: delivery.data };
      const before = new TestSink(broker.subscribe("a"));
      const subscriber = broker.subscribe("a", { map });
      const culprit = new TestSink(subscriber);
      const after = new TestSink(broker.subscribe("a", { map: loud }));
      for (const data of ["1", "2", "3"]) await broker.publish("a", { data });
      await turns(1);
      assertEquals([before.data, after.data], [["1", "2", "3"], ["1", "2", "3"]]);
      assertEquals([culprit.data, await subscriber.closed], [["1", '{"reason":"error"}'], "error"]);
      assertEquals(errors.length, 1);
      assertStringIncludes((errors[0] as Error).message, says);
    });
  }
});

describe("withTopic", () => {
  it("sends an event's topics beside its data, and keeps type and ID", async () => {
    await using broker = new Broker();
    const sink = new TestSink(broker.subscribe("rooms/*", { map: withTopic }));
    const ids = [
      await broker.publish("rooms/7", { data: 'say "hi"' }),
      await broker.publish(["rooms/8", "b"], { event: "joined", data: { user: "ann" } }),
    ];
    await turns(1);
    assertEquals(sink.events.map(({ type, lastEventId }) => [type, lastEventId]), [
      ["message", ids[0]!],
      ["joined", ids[1]!],
    ]);
    assertEquals(sink.data.map((data) => JSON.parse(data)), [
      { topics: ["rooms/7"], data: 'say "hi"' },
      { topics: ["rooms/8", "b"], data: '{"user":"ann"}' },
    ]);
  });
});
