import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { Broker } from "../../mod.ts";
import { gapOf, numbers, publishAll } from "../support/numbered_events.ts";
import { TestSink, turns } from "../support/test_sink.ts";

describe("Broker.subscribe()", () => {
  it("refuses what is not valid", async () => {
    await using broker = new Broker();
    for (const topics of ["", [], "a*", undefined, 7, [7]]) {
      assertThrows(() => broker.subscribe(topics as string), TypeError);
    }
    for (
      const options of [
        { overflow: "x" },
        { start: "x" },
        { start: { last: 0 } },
        { start: { last: 1.5 } },
        { start: { since: "x" } },
        { key: () => "" },
        { lastEventId: 7 },
        { gapEvent: "a\nb" },
      ]
    ) {
      assertThrows(() => broker.subscribe("a", options as never), TypeError);
    }
    for (
      const options of [{ maxBufferedBytes: 0 }, { maxBufferedBytes: NaN }, { maxBufferedBytes: "1" }, { retry: -1 }]
    ) {
      assertThrows(() => broker.subscribe("a", options as never), RangeError);
    }
    assertEquals(broker.stats().subscribers, 0);
  });

  it("can be read in one way only", async () => {
    await using broker = new Broker();
    const subscriber = broker.subscribe("a");
    subscriber[Symbol.asyncIterator]();
    assertThrows(() => subscriber[Symbol.asyncIterator](), TypeError);
    const reader = subscriber.readable.getReader();
    await assertRejects(() => reader.read(), TypeError);
  });

  it("starts where it is told to", async () => {
    await using broker = new Broker({ windowBytes: 0 });
    await publishAll(broker, "b", 5);
    await publishAll(broker, "a", 5);
    await publishAll(broker, "b", 5);
    const read = async (start: NonNullable<Parameters<Broker["subscribe"]>[1]>["start"], count: number) => {
      const sink = new TestSink(broker.subscribe("a", { start }));
      await sink.until(({ events }) => events.length === count);
      await turns();
      assertEquals(gapOf(sink), []);
      return sink.data;
    };
    assertEquals(await read("all", 5), numbers(5));
    assertEquals(await read({ last: 2 }, 2), numbers(2, 3));
    assertEquals(await read({ last: 99 }, 5), numbers(5));
    assertEquals(await read({ since: new Date(Date.now() - 60_000) }, 5), numbers(5));
    assertEquals(await read({ since: Date.now() + 60_000 }, 0), []);
    assertEquals(await read("tail", 0), []);
  });
});
