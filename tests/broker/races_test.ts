import { assert, assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, type Gap, MemoryReplayStore } from "../../mod.ts";
import { TestSink, turns } from "../support/test_sink.ts";
import { wrapStore } from "../support/wrap_store.ts";

/** What a sink has got: a gap as its reason and where it leads to, an event as its data. */
function told(sink: TestSink): string[] {
  return sink.events.map(({ type, data }) => type === "gap" ? `gap: ${(JSON.parse(data) as Gap).reason}` : data.trim());
}

describe("Broker: what happens at an unlucky moment", () => {
  it("goes on with a subscriber that has room again just as all others are served", { timeout: 60_000 }, async () => {
    // How many microtasks pass between two events decides who comes at the very end of a walk
    for (let microtasks = 0; microtasks < 24; microtasks++) {
      await using broker = new Broker();
      for (let i = 0; i < 20; i++) await broker.publish("a", { data: `${i}`.padEnd(40) });
      const subscriber = broker.subscribe("a", { start: "all", maxBufferedBytes: 100 });
      let got = 0;
      const reading = (async () => {
        for await (const _ of subscriber) {
          if (++got === 20) break;
          for (let i = 0; i < microtasks; i++) await undefined;
        }
      })();
      await Promise.race([reading, turns(500)]);
      assertEquals(got, 20, `with ${microtasks} microtasks between two events`);
      await reading;
    }
  });

  it("sends nothing more to a subscriber that onGap has closed", async () => {
    await using broker = new Broker({ heartbeat: 0, onGap: (subscriber) => void subscriber.close("done") });
    const sink = new TestSink(broker.subscribe("a", { overflow: "drop-oldest", maxBufferedBytes: 1_000 }), {
      paused: true,
    });
    // The second is too large for the sink beside the first, so that more waits than goes at once when the sink has drained
    for (let i = 0; i < 40; i++) await broker.publish("a", { data: `${i}`.padEnd(i === 1 ? 600 : 50) });
    await turns();
    sink.drain();
    await turns();
    const events = told(sink).filter((event) => /^\d/.test(event));
    assertEquals(events, events.map((_, i) => String(i)), "lost without a gap");
  });

  it("tells of what has expired though another subscriber leaves while the store is asked for that", async () => {
    const store = new MemoryReplayStore({ maxEvents: 4 });
    let answer = (): void => {};
    const asked = Promise.withResolvers<void>();
    await using broker = new Broker({
      heartbeat: 0,
      windowBytes: 0,
      store: wrapStore(store, {
        removed: async (topics) => {
          if (topics.includes("b")) {
            asked.resolve();
            await new Promise<void>((resolve) => answer = resolve);
          }
          return await store.removed(topics);
        },
      }),
    });
    const first = await broker.publish("a", { data: "0" });
    const second = await broker.publish("a", { data: "1" });
    for (let i = 2; i < 10; i++) await broker.publish("a", { data: `${i}` });
    const leaves = new TestSink(broker.subscribe(["a", "b"], { lastEventId: first }));
    const stays = new TestSink(broker.subscribe("a", { lastEventId: second }));
    await asked.promise;
    leaves.leave();
    await turns();
    answer();
    await broker.publish("a", { data: "10" });
    await stays.until(({ events }) => events.some(({ data }) => data === "10"));
    assertEquals(told(stays), ["gap: expired", "6", "7", "8", "9", "10"]);
    await store.close();
  });

  it("loses nothing that waits for a slow subscriber when so much is published that it has to read the log", async () => {
    await using broker = new Broker({ heartbeat: 0 });
    const subscriber = broker.subscribe("a", {
      overflow: "conflate",
      key: ({ data }) => data,
      maxBufferedBytes: 1_000,
    });
    const sink = new TestSink(subscriber, { paused: true });
    for (let i = 0; i < 10; i++) {
      await broker.publish("a", { data: `${i}`.padEnd(60) });
      await turns(1);
    }
    const large = "x".repeat(100_000);
    for (let i = 10; i < 60; i++) void broker.publish("a", { data: `${i} ${large}` });
    await turns();
    for (let left = 200; left > 0; left--) {
      sink.drain();
      await turns(1);
    }
    const got = told(sink).map((event) => event.replace(/ x+$/, ""));
    for (let i = 0, at = 0; i < 60; i++) {
      if (got[at] === String(i)) at++;
      else assert(got.slice(0, at + 1).includes("gap: dropped"), `lost without a gap: ${i} of ${got}`);
      if (got[at] === "gap: dropped") break;
    }
  });

  it("tells of what has expired once, though nothing fits after the gap", async () => {
    const store = new MemoryReplayStore({ maxEvents: 4 });
    await using broker = new Broker({ heartbeat: 0, windowBytes: 0, store });
    const first = await broker.publish("a", { data: "0" });
    for (let i = 1; i < 10; i++) await broker.publish("a", { data: `${i}`.padEnd(200) });
    const sink = new TestSink(broker.subscribe("a", { lastEventId: first, maxBufferedBytes: 150 }), { paused: true });
    await turns();
    for (let i = 0; i < 20; i++) {
      sink.drain({ pause: true });
      await turns(1);
    }
    assertEquals(told(sink), ["gap: expired", "6", "7", "8", "9"]);
    await store.close();
  });
});
