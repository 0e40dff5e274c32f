import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, type Chunk, type Sink, type Subscriber } from "../../mod.ts";
import { numbers, publishAll } from "../support/numbered_events.ts";
import { laterTurn } from "../../src/time/later_turn.ts";
import { TestSink, turns } from "../support/test_sink.ts";

/** The chunks of events that a subscriber is written. */
function chunksOf(subscriber: Subscriber): Chunk[] {
  const chunks: Chunk[] = [];
  const sink: Sink = {
    bufferedBytes: 0,
    write: (chunk) => void (chunk.entries.length > 0 && chunks.push(chunk)),
    onceDrained: (callback) => queueMicrotask(callback),
    end() {},
    abort() {},
  };
  subscriber.attach(() => sink);
  return chunks;
}

describe("Broker: the fan-out", () => {
  it("makes an event's bytes once for all who get the same, whatever else they subscribe to", async () => {
    await using broker = new Broker({ heartbeat: 0 });
    const all = Array.from({ length: 50 }, (_, i) => chunksOf(broker.subscribe(["global", `user/${i}`])));
    all.push(chunksOf(broker.subscribe("global")), chunksOf(broker.subscribe("**")));
    all.push(chunksOf(broker.subscribe("global", { filter: () => true })));
    await turns();
    await Promise.all([1, 2, 3].map((data) => broker.publish("global", { data })));
    await turns();
    assertEquals(new Set(all.map((chunks) => chunks[0])).size, 1);
    // One who gets an event more gets other bytes, and who gets the same again the same
    await Promise.all([broker.publish("user/7", { data: "own" }), broker.publish("global", { data: 4 })]);
    await turns();
    assertEquals(new Set(all.map((chunks) => chunks[1])).size, 2); // user/7's, which the pattern's is too, and all others'
    assertEquals(all[7]![1]!.entries.map(({ delivery }) => delivery.data), ["own", "4"]);
  });

  it("gives way after 1,000 subscribers, and goes on in the log's order", async () => {
    await using broker = new Broker({ heartbeat: 0 });
    let writes = 0;
    let most = 0;
    const received = Array.from({ length: 3_500 }, (_, i) => {
      const data: string[] = [];
      broker.subscribe(i % 2 === 0 ? "a" : ["a", "b"]).attach(() => ({
        bufferedBytes: 0,
        write({ entries }) {
          if (entries.length === 0) return;
          most = Math.max(most, ++writes);
          for (const { delivery } of entries) data.push(delivery.data);
        },
        onceDrained: (callback) => queueMicrotask(callback),
        end() {},
        abort() {},
      }));
      return data;
    });
    await turns();
    let isDone = false;
    const counting = (async () => {
      while (!isDone) {
        writes = 0;
        await new Promise<void>((resolve) => laterTurn(resolve));
      }
    })();
    for (let i = 0; i < 5; i++) {
      void broker.publish("a", { data: i });
      await turns(1);
    }
    while (received.some((data) => data.length < 5)) await turns(1);
    isDone = true;
    await counting;
    for (const data of received) assertEquals(data, numbers(5));
    assertLess(most, 2 * 1_000 + 1); // two stints may meet between two looks
    assertGreater(most, 100);
  });

  it("lets subscribers who would have to wait for too much read the log", async () => {
    await using broker = new Broker({ heartbeat: 0 });
    // More than one stint's worth, so that events are published while one is under way
    const received = Array.from({ length: 1_500 }, () => {
      const seen: string[] = [];
      const sink: Sink = {
        bufferedBytes: 0,
        write: ({ entries }) => seen.push(...entries.map(({ delivery }) => delivery.type)),
        onceDrained: (callback) => queueMicrotask(callback),
        end() {},
        abort() {},
      };
      broker.subscribe("a", { maxBufferedBytes: Infinity }).attach(() => sink);
      return seen;
    });
    await turns();
    const data = "x".repeat(1_000_000);
    const types = Array.from({ length: 12 }, (_, i) => `event-${i}`);
    // The first keeps the fan-out busy; more than 4 MiB come before it has ended
    const publishing = broker.publish("a", { event: "event-0", data });
    await publishing;
    await Promise.all(types.slice(1).map((event) => broker.publish("a", { event, data })));
    while (received.some((seen) => seen.length < types.length)) await turns(1);
    for (const seen of received) assertEquals(seen, types);
    assertEquals(broker.stats().gaps, 0);
  });

  it("owes a live subscriber that is closed what was published before", async () => {
    await using broker = new Broker({ heartbeat: 0 });
    const sink = new TestSink(broker.subscribe("a"));
    const loser = new TestSink(broker.subscribe("a", { overflow: "drop-oldest" }));
    await turns();
    const subscriber = broker.subscribe("a");
    const closing = new TestSink(subscriber);
    await turns();
    await Promise.all(Array.from({ length: 3 }, (_, i) => broker.publish("a", { data: i })));
    const closed = subscriber.close("kicked"); // before the turn's events were pushed
    await closed;
    assertEquals(closing.data, [...numbers(3), '{"reason":"kicked"}']);
    await turns();
    assertEquals([sink.data, loser.data], [numbers(3), numbers(3)]);
  });

  it("owes it what waits in its queue, too, if its policy has one", async () => {
    await using broker = new Broker({ heartbeat: 0 });
    const subscriber = broker.subscribe("a", { overflow: "drop-oldest", maxBufferedBytes: 2_000 });
    const sink = new TestSink(subscriber);
    await turns();
    sink.pause();
    await publishAll(broker, "a", 60);
    await turns();
    assertGreater(subscriber.stats().bufferedBytes, sink.bufferedBytes); // some wait in the queue
    const closed = subscriber.close();
    assert(sink.ended);
    sink.drain();
    await closed;
    assertEquals(sink.data, [...numbers(60), '{"reason":"kicked"}']);
  });
});
