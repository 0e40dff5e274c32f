import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, type CloseReason, MemoryReplayStore, type SubscribeOptions, type Subscriber } from "../../mod.ts";
import { publishAll } from "../support/numbered_events.ts";
import { settle } from "../support/settle.ts";
import { TestSink, turns } from "../support/test_sink.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { wrapStore } from "../support/wrap_store.ts";

/** What is written to a subscriber, as text. */
function textOf(subscriber: Subscriber): { text: string } {
  const written = { text: "" };
  subscriber.attach(() => ({
    bufferedBytes: 0,
    write: ({ bytes }) => void (written.text += new TextDecoder().decode(bytes)),
    onceDrained: (callback) => queueMicrotask(callback),
    end() {},
    abort() {},
  }));
  return written;
}

describe("Broker: the first bytes of a stream", () => {
  const cases: ReadonlyArray<readonly [options: SubscribeOptions, atOnce: string, placed: string]> = [
    [{}, ":\n", ":\nevent: checkpoint\nid: ID\n\n"],
    [{ checkpoints: false }, ":\n", ":\n"],
    [{ retry: 5 }, "retry: 5\n", "retry: 5\nevent: checkpoint\nid: ID\n\n"],
    [{ retry: 5, checkpoints: false }, "retry: 5\n", "retry: 5\n"],
  ];
  for (const [options, atOnce, placed] of cases) {
    it(`leave at once, wherever the store is: ${JSON.stringify(options)}`, async () => {
      const store = new MemoryReplayStore();
      const begin = Promise.withResolvers<void>();
      await using broker = new Broker({
        heartbeat: 0,
        store: wrapStore(store, { tail: (handlers) => begin.promise.then(() => store.tail(handlers)) }),
      });
      const written = textOf(broker.subscribe("a", options));
      assertEquals(written.text, atOnce);
      begin.resolve();
      await turns();
      assertEquals(written.text, placed.replace("ID", store.idAt(0)));
    });

    it(`are not doubled where its place is known: ${JSON.stringify(options)}`, async () => {
      const store = new MemoryReplayStore();
      await using broker = new Broker({ heartbeat: 0, store });
      broker.subscribe("other"); // from now on the broker follows its store
      await turns();
      const written = textOf(broker.subscribe("a", options));
      const first = placed.replace("ID", store.idAt(0));
      assertEquals(written.text, first.startsWith(":\nevent") ? first.slice(2) : first);
    });
  }

  it("of who is told of a gap are a comment, or the reconnection time", async () => {
    await using broker = new Broker({ heartbeat: 0 });
    await publishAll(broker, "a", 1);
    for (const [retry, first] of [[undefined, ":\n"], [7, "retry: 7\n"]] as const) {
      const subscriber = broker.subscribe("a", { lastEventId: "unknown", retry });
      await turns();
      const written = textOf(subscriber);
      await turns();
      assertEquals(written.text.slice(0, written.text.indexOf("event: gap")), first);
    }
  });
});

describe("Broker: a subscriber that ends before it has begun", () => {
  it("is ended when its sink cannot be made, which is told", async () => {
    const reasons: CloseReason[] = [];
    await using broker = new Broker({ onUnsubscribe: (_, reason) => reasons.push(reason) });
    const subscriber = broker.subscribe("a");
    const failing = (): never => {
      throw new Error("no socket");
    };
    assertThrows(() => subscriber.attach(failing), Error, "no socket");
    assertEquals([await subscriber.closed, reasons, broker.stats().subscribers], ["left", ["left"], 0]);
  });

  it("has its place looked for no longer", async () => {
    using clock = new VirtualClock();
    let asked = 0;
    const broker = new Broker({
      heartbeat: 0,
      store: wrapStore(new MemoryReplayStore(), {
        seek: () => {
          asked++;
          return Promise.reject(new Error("not now"));
        },
      }),
    });
    const subscriber = broker.subscribe("a", { start: "all" });
    for (let i = 0; i < 3; i++) {
      await settle();
      clock.advance(5_000);
    }
    await settle();
    assertEquals(asked > 1, true);
    const before = asked;
    const closed = subscriber.close();
    for (let i = 0; i < 3; i++) {
      await settle();
      clock.advance(5_000);
    }
    assertEquals([await closed, asked], [undefined, before]);
    await settle();
    void broker.close();
    await settle();
  });

  it("gets no place that is found too late", async () => {
    const store = new MemoryReplayStore();
    const found = Promise.withResolvers<number>();
    await using broker = new Broker({ heartbeat: 0, store: wrapStore(store, { seek: () => found.promise }) });
    const subscriber = broker.subscribe("a", { start: "all" });
    const sink = new TestSink(subscriber);
    await turns();
    await subscriber.close("kicked");
    const { length } = sink.writes;
    found.resolve(0);
    await turns();
    assertEquals([sink.writes.length, sink.data], [length, ['{"reason":"kicked"}']]);
  });

  it("is told of by its signal no more", async () => {
    const controller = new AbortController();
    let listening = 0;
    const { signal } = controller;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = function (this: AbortSignal, ...args: unknown[]) {
      listening++;
      Reflect.apply(addEventListener, this, args);
    };
    signal.removeEventListener = function (this: AbortSignal, ...args: unknown[]) {
      listening--;
      Reflect.apply(removeEventListener, this, args);
    };
    await using broker = new Broker();
    const subscriber = broker.subscribe("a", { signal });
    assertEquals(listening, 1);
    await subscriber.close();
    assertEquals(listening, 0);
  });
});
