import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, MemoryReplayStore, type ReplayStore, type Subscriber } from "../../mod.ts";
import { laterTurn } from "../../src/time/later_turn.ts";
import { gapOf, numbers, publishAll } from "../support/numbered_events.ts";
import { TestSink, turns } from "../support/test_sink.ts";
import { wrapStore } from "../support/wrap_store.ts";

/** A broker whose window holds the newest events alone, over a store whose reads a test decides over. */
async function deepLog(read: (store: ReplayStore) => ReplayStore["read"]) {
  const memory = new MemoryReplayStore();
  const errors: unknown[] = [];
  const broker = new Broker({
    store: wrapStore(memory, { read: read(memory) }),
    windowBytes: 500,
    heartbeat: 0,
    onError: (error) => errors.push(error),
  });
  const ids = await publishAll(broker, "a", 100);
  return { broker, ids, errors };
}

describe("Broker: catching up", () => {
  for (
    const [how, read] of [
      ["rejects", () => Promise.reject(new Error("away"))],
      ["hangs for ever", () => new Promise<never>(() => {})],
    ] as const
  ) {
    it(`serves who resumes within the window at once, while the store ${how}`, async () => {
      const { broker, ids } = await deepLog(() => read);
      const deep = new TestSink(broker.subscribe("a", { lastEventId: ids[3]! }));
      await turns();
      const near = new TestSink(broker.subscribe("a", { lastEventId: ids[97]! }));
      await near.until(({ events }) => events.length === 2);
      await broker.publish("a", { data: "new" });
      await near.until(({ events }) => events.length === 3);
      assertEquals(near.data, ["98", "99", "new"]);
      assertEquals(deep.data, []);
      await broker.close();
    });
  }

  it("gives up a read that nobody needs any more", async () => {
    let hangs = true;
    const asked: number[] = [];
    const { broker, ids } = await deepLog((memory) => (after, options) => {
      asked.push(after);
      return hangs ? new Promise<never>(() => {}) : memory.read(after, options);
    });
    const gone = new TestSink(broker.subscribe("a", { lastEventId: ids[3]! }));
    while (asked.length === 0) await turns(1);
    const other = new TestSink(broker.subscribe("a", { lastEventId: ids[20]! }));
    await turns();
    assertEquals(asked, [4]);
    hangs = false;
    gone.leave();
    await other.until(({ events }) => events.length === 79);
    assertEquals(other.data, numbers(79, 21));
    assertEquals(asked[1], 21);
    await broker.close();
  });

  it("does not wait at its end for a store that hangs", async () => {
    let asked = 0;
    const { broker, ids } = await deepLog(() => () => (asked++, new Promise<never>(() => {})));
    const deep = new TestSink(broker.subscribe("a", { lastEventId: ids[3]! }));
    while (asked === 0) await turns(1);
    await broker.close();
    assert(deep.ended);
  });

  it("shares what it reads: a hundred that stand at ten places cost what one costs", async () => {
    const asked: number[] = [];
    const { broker, ids } = await deepLog((memory) => (after, options) => {
      asked.push(after);
      return memory.read(after, options);
    });
    const places = Array.from({ length: 100 }, (_, i) => i % 10);
    const sinks = places.map((at) => new TestSink(broker.subscribe("a", { lastEventId: ids[at]! })));
    for (const [i, sink] of sinks.entries()) {
      await sink.until(({ events }) => events.length === 99 - places[i]!);
      assertEquals(sink.data, numbers(99 - places[i]!, places[i]! + 1));
    }
    assertEquals(asked.length, 1);
    await broker.close();
  });

  it("serves only what a reader's own topics were asked for, whoever comes while the store is read", async () => {
    const memory = new MemoryReplayStore();
    const release: (() => void)[] = [];
    const store = wrapStore(memory, {
      read: async (after, options) => {
        const result = await memory.read(after, options);
        await new Promise<void>((resolve) => release.push(resolve));
        return result;
      },
    });
    await using broker = new Broker({ store, windowBytes: 0, heartbeat: 0 });
    const [first] = await publishAll(broker, "a", 3);
    await publishAll(broker, "b", 3, 10);
    const one = new TestSink(broker.subscribe("a", { lastEventId: first! }));
    while (release.length === 0) await turns(1);
    const two = new TestSink(broker.subscribe("b", { lastEventId: first! })); // its events are not on the page
    await turns();
    while (two.events.length < 3) {
      release.shift()?.();
      await turns(1);
    }
    assertEquals([one.data, two.data], [["1", "2"], ["10", "11", "12"]]);
    for (const resolve of release) resolve();
  });

  it("gives way after a counted amount of work, whatever the log, the cursors and the topics", async () => {
    const memory = new MemoryReplayStore();
    let looks = 0;
    let most = 0;
    const count = (): void => void (most = Math.max(most, ++looks));
    for (const windowBytes of [1 << 24, 0]) {
      const broker = new Broker({ store: memory, windowBytes, heartbeat: 0, maxTopics: 256 });
      const start = (await memory.tail({ onEvents() {}, onError() {}, onLost() {} })).position;
      const from = memory.idAt(start);
      for (let i = 0; i < 20; i++) await publishAll(broker, `t/${i}/x`, 500);
      const patterns = (own: number): string[] => Array.from({ length: 256 }, (_, i) => `t/${i + own}/*`);
      let isDone = false;
      const counting = (async () => {
        while (!isDone) {
          looks = 0;
          await new Promise<void>((resolve) => laterTurn(resolve));
        }
      })();
      // The filter is called for each event and cursor: that is the work
      const subscribers: Subscriber[] = Array.from(
        { length: 40 },
        (_, i) => broker.subscribe(patterns(i % 20), { lastEventId: from, filter: () => (count(), true) }),
      );
      const sinks = subscribers.map((subscriber) => new TestSink(subscriber));
      for (const [i, sink] of sinks.entries()) {
        await sink.until(({ events }) => events.length === 500 * (20 - i % 20));
      }
      isDone = true;
      await counting;
      await broker.close();
    }
    // Four events that a filter looks at are a piece of work, and a thousand pieces a turn, of 105,000 looks in all
    assertGreater(most, 100);
    assertLess(most, 2 * 4_500);
  });

  it("leaves no doubt over a place that the window leaves while it is walked", async () => {
    const { broker, ids } = await deepLog((memory) => (after, options) => memory.read(after, options));
    const sink = new TestSink(broker.subscribe("a", { lastEventId: ids[96]! }));
    const publishing = publishAll(broker, "a", 500, 100); // overtakes its place in the window
    await sink.until(({ events }) => events.length === 503);
    await publishing;
    assertEquals(sink.data, numbers(503, 97));
    assertEquals(gapOf(sink), []);
    await broker.close();
  });
});
