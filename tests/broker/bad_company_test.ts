import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, type BrokerOptions, MemoryReplayStore, type ReplayStore, SseError } from "../../mod.ts";
import { numbers, publishAll } from "../support/numbered_events.ts";
import { TestSink, turns } from "../support/test_sink.ts";
import { wrapStore } from "../support/wrap_store.ts";

/** A rejection that nobody hears of ends the process, or the test. */
const rejects = (): Promise<never> => Promise.reject(new Error("asynchronous"));

describe("Broker: what an application hands over", () => {
  for (const hook of ["onSubscribe", "onUnsubscribe", "onPublish", "onGap"] as const) {
    it(`may be a ${hook} that is asynchronous and rejects: onError hears of it`, async () => {
      const errors: unknown[] = [];
      const options: BrokerOptions = { [hook]: rejects, onError: (error: unknown) => errors.push(error) };
      await using broker = new Broker({ ...options, heartbeat: 0 });
      const sink = new TestSink(broker.subscribe("a", { lastEventId: "unknown" }));
      await broker.publish("a", { data: "x" });
      await turns();
      sink.leave();
      await turns();
      assertEquals(errors.map(String), ["Error: asynchronous"]);
    });
  }

  it("may be an onError that is asynchronous and rejects: it is counted", async () => {
    await using broker = new Broker({ onError: rejects, onPublish: rejects });
    await broker.publish("a", { data: "x" });
    await turns();
    assertEquals(broker.stats().errors, 2);
  });

  it("may be a callback of onceClosed that is asynchronous and rejects", async () => {
    const errors: unknown[] = [];
    await using broker = new Broker({ onError: (error) => errors.push(error) });
    const subscriber = broker.subscribe("a");
    subscriber.onceClosed(rejects as () => never);
    await subscriber.close();
    await turns();
    assertEquals(errors.map(String), ["Error: asynchronous"]);
  });

  it("may be a key that is asynchronous: it ends its subscriber", async () => {
    await using broker = new Broker({ heartbeat: 0 });
    const subscriber = broker.subscribe("a", {
      overflow: "conflate",
      key: rejects as () => never,
      maxBufferedBytes: 100,
    });
    const sink = new TestSink(subscriber);
    await turns();
    sink.pause();
    await publishAll(broker, "a", 9);
    await turns();
    sink.drain();
    assertEquals(await subscriber.closed, "error");
  });

  it("is checked before anything is kept", async () => {
    await using broker = new Broker();
    const wrong: ReadonlyArray<readonly [option: string, value: unknown]> = [
      ["signal", new AbortController()],
      ["signal", {}],
      ["filter", "x"],
      ["map", 1],
      ["key", {}],
      ["snapshot", 5],
      ["gapEvent", 5],
      ["closeEvent", null],
      ["checkpoints", "no"],
    ];
    for (const [option, value] of wrong) {
      const options = { overflow: "conflate" as const, [option]: value };
      const { message } = assertThrows(() => broker.subscribe("a", options as never), TypeError);
      assertEquals(message.includes(option), true, message);
    }
    assertEquals([await broker.count("a"), broker.stats().subscribers], [0, 0]);
    assertEquals(broker.stats({ topics: true }).topics!.size, 0);
  });

  it("is read once: options that change later change nothing", async () => {
    await using broker = new Broker({ heartbeat: 0 });
    let reads = 0;
    const sink = new TestSink(broker.subscribe("a", {
      get filter() {
        if (reads++ > 0) throw new Error("read again");
        return () => true;
      },
    }));
    await publishAll(broker, "a", 2);
    await turns();
    assertEquals([sink.data, reads], [numbers(2), 1]);
  });

  it("refuses data that no client takes", async () => {
    await using broker = new Broker();
    const data = "x".repeat(16 * 1_048_576 + 1);
    const { message } = await assertRejects(() => broker.publish("a", { data }), RangeError);
    assertEquals(message, "Cannot publish as data must be at most 16777216 code units: got 16777217");
    await assertRejects(() => broker.publish("a", { data: "", comment: data }), RangeError);
  });
});

describe("Broker: a store that breaks its contract", () => {
  function badStore(
    own: (memory: MemoryReplayStore) => Partial<ReplayStore>,
  ): { store: ReplayStore; errors: unknown[] } {
    const memory = new MemoryReplayStore();
    return { store: wrapStore(memory, own(memory)), errors: [] };
  }

  for (const call of ["read", "removed", "locate", "seek", "append", "tail"] as const) {
    for (
      const [how, wrong] of [["throws", () => {
        throw new Error("at once");
      }], ["gives a plain value", () => ({})]] as const
    ) {
      it(`${how} from ${call}: the process and other subscribers live`, async () => {
        let isBad = call === "tail";
        const { store, errors } = badStore((memory) => ({
          [call]: (...given: unknown[]) => {
            if (isBad) return (wrong as () => unknown)();
            return (memory[call] as (...given: unknown[]) => unknown).apply(memory, given);
          },
        }));
        const broker = new Broker({ store, windowBytes: 0, heartbeat: 0, onError: (error) => errors.push(error) });
        const publishing = broker.publish("a", { data: "0" }).catch((error) => error);
        if (call !== "tail") await publishing;
        isBad = true;
        const one = new TestSink(broker.subscribe("a", { start: { last: 1 } }));
        const two = new TestSink(broker.subscribe("a", { lastEventId: "own" }));
        await turns();
        const again = broker.publish("b", { data: "1" }).catch((error) => error);
        await turns();
        isBad = false;
        for (const sink of [one, two]) sink.leave();
        await broker.close({ timeout: 500 });
        const results = [await publishing, await again];
        for (const result of results) {
          if (typeof result !== "string") assertEquals(result instanceof SseError, true, String(result));
        }
      });
    }
  }

  it("cannot tell an ID: that subscriber ends, the others do not", async () => {
    let isBad = false;
    const { store, errors } = badStore((memory) => ({
      idAt: (position) => {
        if (isBad) throw new Error("no ID");
        return memory.idAt(position);
      },
    }));
    await using broker = new Broker({ store, heartbeat: 0, onError: (error) => errors.push(error) });
    const live = new TestSink(broker.subscribe("a"));
    await turns();
    isBad = true;
    const late = broker.subscribe("a", { lastEventId: "unknown" });
    const sink = new TestSink(late);
    assertEquals(await late.closed, "error");
    isBad = false;
    await broker.publish("a", { data: "x" });
    await turns();
    assertEquals([live.data, sink.ended], [["x"], true]);
  });

  it("cannot read one place: others read theirs", async () => {
    const { store, errors } = badStore((memory) => ({
      read: (after, options) => after === 5 ? Promise.reject(new Error("unreadable")) : memory.read(after, options),
    }));
    await using broker = new Broker({ store, windowBytes: 0, heartbeat: 0, onError: (error) => errors.push(error) });
    const ids = await publishAll(broker, "a", 600);
    const stuck = new TestSink(broker.subscribe("a", { lastEventId: ids[4]! }));
    while (errors.length === 0) await turns(1);
    const others = [7, 50, 400].map((at) => new TestSink(broker.subscribe("a", { lastEventId: ids[at]! })));
    for (const [i, at] of [7, 50, 400].entries()) {
      await others[i]!.until(({ events }) => events.length === 599 - at);
      assertEquals(others[i]!.data, numbers(599 - at, at + 1));
    }
    assertEquals(stuck.data, []);
  });

  it("never answers where somebody's ID stands: who has one of the window does not ask", async () => {
    const { store } = badStore(() => ({ locate: () => new Promise(() => {}) }));
    const broker = new Broker({ store, heartbeat: 0 });
    const ids = await publishAll(broker, "a", 5);
    const sink = new TestSink(broker.subscribe("a", { lastEventId: ids[1]! }));
    await sink.until(({ events }) => events.length === 3);
    assertEquals(sink.data, ["2", "3", "4"]);
    await broker.close();
  });
});
