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

  it("does not count those whom only messages between nodes reach", async () => {
    await using broker = new Broker();
    const [own, others, both] = [broker.subscribe("$own"), broker.subscribe("a"), broker.subscribe(["$own", "a"])];
    assertEquals(broker.stats().subscribers, 2);
    await own.close();
    assertEquals(broker.stats().subscribers, 2);
    await others.close();
    assertEquals(broker.stats().subscribers, 1);
    await both.close();
    assertEquals(broker.stats().subscribers, 0);
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

  it("ends a subscriber whose filter is asynchronous, and says why", async () => {
    const errors: unknown[] = [];
    await using broker = new Broker({ onError: (error) => errors.push(error) });
    const filter = (() => Promise.resolve(false)) as unknown as () => boolean;
    const filtered = broker.subscribe("a", { filter });
    const others = [new TestSink(filtered), new TestSink(broker.subscribe("a"))];
    await turns();
    await broker.publish("a", { data: "x" });
    assertEquals(await filtered.closed, "error");
    await others[1]!.until(({ events }) => events.length === 1);
    assertEquals(others[0]!.events.map(({ type }) => type), ["close"]);
    assertEquals(errors.map(String), [
      "TypeError: Cannot filter events as filter must return a boolean: got a promise",
    ]);
  });

  it("asks for an event's key once, and ends a subscriber whose key is no string", async () => {
    const errors: unknown[] = [];
    await using broker = new Broker({ heartbeat: 0, onError: (error) => errors.push(error) });
    const asked: string[] = [];
    const key = ({ data }: { data: string }): string => (asked.push(data), data === "bad" ? 1 as never : data);
    const subscriber = broker.subscribe("a", { overflow: "conflate", key, maxBufferedBytes: 200 });
    const sink = new TestSink(subscriber);
    await turns();
    sink.pause();
    for (const data of ["1", "2", "3", "4", "5", "6", "7", "8"]) await broker.publish("a", { data });
    await turns();
    sink.drain();
    await turns();
    assertEquals(asked.length, new Set(asked).size);
    sink.pause();
    for (const data of ["9", "10", "11", "12", "bad"]) await broker.publish("a", { data });
    await turns();
    assertEquals(String(errors[0]), "TypeError: Cannot conflate events as key must return a string: got number");
    sink.drain();
    assertEquals(await subscriber.closed, "error");
  });
});
