import { assert, assertEquals, assertLess } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, MemoryReplayStore } from "../../mod.ts";
import { publishAll } from "../support/numbered_events.ts";
import { TestSink, turns } from "../support/test_sink.ts";

describe("Broker: snapshot and filter", () => {
  it("sends the state after its place is fixed and before what follows", async () => {
    await using broker = new Broker();
    let state = 0;
    const add = async (): Promise<void> => void await broker.publish("a", { event: "add", data: String(++state) });
    await add();
    const sink = new TestSink(broker.subscribe("a", {
      async *snapshot(why) {
        yield { event: "state", data: `${why} ${state}` };
        await add(); // while the snapshot is under way
        yield { event: "rest", data: "" };
      },
    }));
    await sink.until(({ events }) => events.length === 3);
    await add();
    await sink.until(({ events }) => events.length === 4);
    assertEquals(sink.events.map(({ type, data }) => `${type} ${data}`), ["state start 1", "rest ", "add 2", "add 3"]);
  });

  it("gives the place with the last of it, so that who is cut off gets it again", async () => {
    await using broker = new Broker();
    await broker.publish("a", { data: "0" });
    for (const checkpoints of [true, false]) {
      const gate = Promise.withResolvers<void>();
      const sink = new TestSink(broker.subscribe("a", {
        checkpoints,
        async *snapshot() {
          yield { data: "s1" };
          yield { data: "s2" };
          await gate.promise;
        },
      }));
      await sink.until(({ events }) => events.length === 1);
      assertEquals(sink.lastEventId, "");
      gate.resolve();
      await sink.until(({ events }) => events.length === 2);
      await turns(1);
      assert(sink.lastEventId !== "");
    }
  });

  it("sends it after a gap, which then resumes at the newest event", async () => {
    await using broker = new Broker({ store: new MemoryReplayStore({ maxEvents: 2 }), windowBytes: 0 });
    const ids = await publishAll(broker, "a", 9);
    for (const lastEventId of ["unknown", ids[1]!]) {
      const sink = new TestSink(
        broker.subscribe("a", { lastEventId, snapshot: (why) => [{ event: "state", data: why }] }),
      );
      await sink.until(({ events }) => events.length === 2);
      await broker.publish("a", { data: "next" });
      await sink.until(({ events }) => events.length === 3);
      assertEquals(sink.events.map(({ type }) => type), ["gap", "state", "message"]);
      assertEquals(sink.data[1], "gap");
    }
  });

  it("does not send it to who resumes", async () => {
    await using broker = new Broker();
    const [id] = await publishAll(broker, "a", 2);
    const sink = new TestSink(broker.subscribe("a", { lastEventId: id!, snapshot: () => [{ data: "state" }] }));
    await sink.until(({ events }) => events.length === 1);
    assertEquals(sink.data, ["1"]);
  });

  it("keeps to the budget", async () => {
    await using broker = new Broker();
    const sink = new TestSink(
      broker.subscribe("a", {
        maxBufferedBytes: 1_000,
        *snapshot() {
          for (let i = 0; i < 100; i++) yield { data: "x".repeat(100) };
        },
      }),
      { paused: true },
    );
    for (let i = 0; i < 60 && sink.events.length < 100; i++) {
      await turns(1);
      assertLess(sink.bufferedBytes, 1_001);
      sink.drain({ pause: true });
    }
    assertEquals(sink.events.length, 100);
    sink.leave();
  });

  for (
    const [says, options] of [
      ["a snapshot that throws", {
        snapshot: () => {
          throw new Error("no");
        },
      }],
      ["a snapshot with an ID", { snapshot: () => [{ id: 1, data: "" }, { data: "" }] }],
      ["a filter that throws", {
        filter: () => {
          throw new Error("no");
        },
      }],
    ] as const
  ) {
    it(`ends the subscriber with "error" for ${says}`, async () => {
      const errors: unknown[] = [];
      await using broker = new Broker({ onError: (error) => errors.push(error) });
      const subscriber = broker.subscribe("a", options as never);
      new TestSink(subscriber);
      const other = new TestSink(broker.subscribe("a"));
      await publishAll(broker, "a", 1);
      assertEquals(await subscriber.closed, "error");
      assertEquals([errors.length, other.data], [1, ["0"]]);
    });
  }

  it("leaves out what the filter does not want, live and from the log", async () => {
    await using broker = new Broker({ windowBytes: 0 });
    const ids = await publishAll(broker, "a", 10);
    const sink = new TestSink(
      broker.subscribe("a", { lastEventId: ids[1]!, filter: ({ data }) => Number(data) % 2 === 0 }),
    );
    await sink.until(({ events }) => events.length === 4);
    await publishAll(broker, "a", 10, 10);
    assertEquals(sink.data, ["2", "4", "6", "8", "10", "12", "14", "16", "18"]);
  });
});
