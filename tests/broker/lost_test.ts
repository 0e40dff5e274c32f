import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, MemoryReplayStore, type TailHandlers } from "../../mod.ts";
import { gapOf, publishAll } from "../support/numbered_events.ts";
import { TestSink, turns } from "../support/test_sink.ts";
import { wrapStore } from "../support/wrap_store.ts";

/** A broker whose store can be made to say that its engine has lost all after a position. */
function losing(): { broker: Broker; ids: (position: number) => string; loseAfter: (position: number) => void } {
  const memory = new MemoryReplayStore();
  let handlers: TailHandlers | undefined;
  const store = wrapStore(memory, {
    tail: (given) => {
      handlers = given;
      return memory.tail(given);
    },
  });
  return {
    broker: new Broker({ store, heartbeat: 0 }),
    ids: (position) => memory.idAt(position),
    loseAfter: (position) => handlers!.onLost(position),
  };
}

describe("Broker: a log that has lost events", () => {
  it("tells who is live, with what it is still owed before that", async () => {
    const { broker, loseAfter, ids } = losing();
    const sink = new TestSink(broker.subscribe("a"));
    await turns();
    await publishAll(broker, "a", 3);
    loseAfter(2);
    await turns();
    assertEquals(sink.events.map(({ type }) => type), ["message", "message", "message", "gap"]);
    assertEquals(gapOf(sink), [{ reason: "lost", requested: null, resumed: ids(2) }]);
    assertEquals(sink.lastEventId, ids(2));
    await broker.close();
  });

  it("tells who nobody reads yet, once somebody does", async () => {
    const { broker, loseAfter, ids } = losing();
    await publishAll(broker, "a", 3);
    const subscriber = broker.subscribe("a", { lastEventId: ids(3) });
    await turns();
    loseAfter(2);
    const sink = new TestSink(subscriber);
    await turns();
    assertEquals(gapOf(sink), [{ reason: "lost", requested: ids(3), resumed: ids(2) }]);
    await broker.close();
  });

  it("tells who is sent a snapshot, after it, with another", async () => {
    const { broker, loseAfter, ids } = losing();
    await publishAll(broker, "a", 3);
    const go = Promise.withResolvers<void>();
    const snapshot = async (why: string) => {
      if (why === "start") await go.promise;
      return [{ data: why }];
    };
    const sink = new TestSink(broker.subscribe("a", { snapshot }));
    await turns();
    loseAfter(2);
    go.resolve();
    await turns();
    assertEquals(sink.events.map(({ type, data }) => type === "gap" ? "gap" : data), ["start", "gap", "gap"]);
    assertEquals(gapOf(sink)[0]!.reason, "lost");
    assertEquals(sink.data[2], "gap");
    assertEquals(sink.lastEventId, ids(2));
    await broker.close();
  });

  it("leaves who is behind to read on from where it is", async () => {
    const { broker, loseAfter, ids } = losing();
    await publishAll(broker, "a", 5);
    const sink = new TestSink(broker.subscribe("a", { lastEventId: ids(1) }));
    loseAfter(4);
    await turns();
    assertEquals(gapOf(sink), []);
    await broker.close();
  });
});
