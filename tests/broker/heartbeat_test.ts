import { assert, assertEquals } from "@std/assert";
import { describe, it, mock } from "node:test";
import { Broker } from "../../mod.ts";
import { publishAll } from "../support/numbered_events.ts";
import { TestSink, turns } from "../support/test_sink.ts";

describe("Broker: heartbeats and checkpoints", () => {
  it("beats once an interval with the newest position, so that a quiet client stays at the tail", async () => {
    mock.timers.enable({ apis: ["setInterval", "Date"], now: 1_000_000 });
    try {
      const broker = new Broker({ heartbeat: 8_000 });
      const quiet = new TestSink(broker.subscribe("quiet"));
      const plain = new TestSink(broker.subscribe("quiet", { checkpoints: false }));
      const first = quiet.lastEventId;
      const ids = await publishAll(broker, "busy", 10);
      mock.timers.tick(8_000);
      assert(quiet.lastEventId !== first);
      assertEquals(quiet.lastEventId, ids[9]!);
      assertEquals([quiet.events, plain.events, plain.lastEventId], [[], [], ""]);
      assertEquals(plain.comments.length, 2); // one to open, one heartbeat
      const { length } = quiet.writes;
      mock.timers.tick(80_000);
      assertEquals(quiet.writes.length, length + 10);
      await broker.close();
    } finally {
      mock.timers.reset();
    }
  });

  it("never gives a place before what stands for it was written", async () => {
    mock.timers.enable({ apis: ["setInterval", "Date"], now: 1_000_000 });
    try {
      const broker = new Broker({ heartbeat: 1_000 });
      const sink = new TestSink(broker.subscribe("a"));
      await turns(1);
      for (let i = 0; i < 20; i++) {
        void broker.publish("a", { data: String(i) });
        await Promise.resolve();
        mock.timers.tick(1_000);
        const position = Number(sink.lastEventId.split(".")[1]);
        assertEquals(position, sink.events.length);
      }
      await broker.close();
    } finally {
      mock.timers.reset();
    }
  });

  it("writes nothing over what is under way, and goes on when that has left", async () => {
    mock.timers.enable({ apis: ["setInterval", "Date"], now: 1_000_000 });
    try {
      const broker = new Broker({ heartbeat: 1_000, writeTimeout: 0 });
      const sink = new TestSink(broker.subscribe("a"));
      await turns(1);
      sink.pause();
      await broker.publish("a", { data: "under way" });
      await turns(1);
      const { length } = sink.writes;
      mock.timers.tick(10_000);
      assertEquals(sink.writes.length, length);
      sink.drain();
      mock.timers.tick(1_000);
      assertEquals(sink.writes.length, length + 1);
      await broker.close();
    } finally {
      mock.timers.reset();
    }
  });

  it("gives no place to who has events that wait, or is behind", async () => {
    mock.timers.enable({ apis: ["setInterval", "Date"], now: 1_000_000 });
    try {
      const broker = new Broker({ heartbeat: 1_000, writeTimeout: 0 });
      for (const overflow of ["drop-oldest", "replay"] as const) {
        const sink = new TestSink(broker.subscribe("a", { overflow, maxBufferedBytes: 200 }));
        await turns(1);
        sink.pause();
        await publishAll(broker, "a", 10);
        await turns(1);
        // All has left, and the sink has not said so yet
        const buffered = mock.getter(sink, "bufferedBytes", () => 0);
        const [{ lastEventId }, comments] = [sink, sink.comments.length];
        const { length } = sink.writes;
        mock.timers.tick(1_000);
        assertEquals(sink.writes.slice(length), [2]); // a comment, and nothing that gives a place
        buffered.mock.restore();
        sink.drain();
        await turns();
        assert(sink.lastEventId !== lastEventId && sink.comments.length > comments);
        sink.leave();
      }
      await broker.close();
    } finally {
      mock.timers.reset();
    }
  });

  it("sends no heartbeats when told so, and keeps intervals that timers cannot", async () => {
    for (const heartbeat of [0, Infinity, 2 ** 40]) {
      mock.timers.enable({ apis: ["setInterval", "Date"], now: 1_000_000 });
      try {
        const broker = new Broker({ heartbeat, writeTimeout: 0 });
        const sink = new TestSink(broker.subscribe("a"));
        await turns(1);
        const { length } = sink.writes;
        mock.timers.tick(100_000);
        assertEquals(sink.writes.length, length);
        await broker.close();
      } finally {
        mock.timers.reset();
      }
    }
  });

  it("tells the reconnection time first", async () => {
    await using broker = new Broker();
    const reader = broker.subscribe("a", { retry: 1234 }).readable.getReader();
    assertEquals(new TextDecoder().decode((await reader.read()).value), "retry: 1234\n");
    await reader.cancel();
  });
});
