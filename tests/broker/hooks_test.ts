import { assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "node:test";
import { Broker } from "../../mod.ts";
import { numbers, publishAll } from "../support/numbered_events.ts";
import { TestSink, turns } from "../support/test_sink.ts";

describe("Broker: hooks and stats", () => {
  it("calls hooks, of which one that throws harms nobody", async () => {
    const calls: unknown[] = [];
    const hook = (name: string) => (...args: unknown[]): void => {
      calls.push([name, ...args.filter((arg) => typeof arg === "string")]);
      throw new Error(name);
    };
    const errors: string[] = [];
    const broker = new Broker({
      onSubscribe: hook("subscribe"),
      onUnsubscribe: hook("unsubscribe"),
      onPublish: hook("publish"),
      onGap: hook("gap"),
      onError: (error) => {
        errors.push((error as Error).message);
        throw error;
      },
    });
    const sink = new TestSink(broker.subscribe("a", { lastEventId: "x" }));
    await broker.publish("a", { data: "1" });
    await sink.until(({ events }) => events.length === 2);
    sink.leave();
    await broker.close();
    assertEquals(calls, [["subscribe"], ["publish"], ["gap"], ["unsubscribe", "left"]]);
    assertEquals(errors, ["subscribe", "publish", "gap", "unsubscribe"]);
    assertEquals(broker.stats().errors, 8);
  });

  it("counts", async () => {
    await using broker = new Broker();
    const sinks = [broker.subscribe("a"), broker.subscribe(["a", "b/*"]), broker.subscribe("**")].map((s) =>
      new TestSink(s)
    );
    await publishAll(broker, "a", 2);
    await broker.publish(["a", "b/c"], { data: "x" });
    await broker.publish("c", { data: "x" });
    assertEquals([await broker.count("a"), await broker.count("b/c"), await broker.count("d")], [3, 2, 1]);
    await assertRejects(() => broker.count("a/.."), TypeError);
    const { topics, ...stats } = broker.stats({ topics: true });
    assertEquals({ ...stats, bytes: 0 }, {
      subscribers: 3,
      nodes: 1,
      published: 4,
      delivered: 10,
      dropped: 0,
      bytes: 0,
      gaps: 0,
      errors: 0,
    });
    assertEquals(stats.bytes, sinks.flatMap(({ writes }) => writes).reduce((sum, size) => sum + size, 0));
    assertEquals(topics!.get("a"), { subscribers: 2, published: 3 });
    assertEquals(topics!.get("**"), { subscribers: 1, published: 4 });
    sinks[0]!.leave();
    assertEquals(broker.stats().subscribers, 2);
  });

  it("writes the events of one turn at once", async () => {
    await using broker = new Broker();
    const sink = new TestSink(broker.subscribe("a"));
    await turns(1);
    const { length } = sink.writes;
    await publishAll(broker, "a", 16);
    assertEquals(sink.writes.length, length + 1);
    assertEquals(sink.data, numbers(16));
  });
});
