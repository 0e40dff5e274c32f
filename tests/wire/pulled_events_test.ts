import { assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "node:test";
import type { ParsedEvent } from "../../mod.ts";
import { type EventPuller, PulledEvents } from "../../src/wire/pulled_events.ts";

const event = (data: string): ParsedEvent => ({ type: "message", data, lastEventId: "" });

/** Events that are pulled by a script: each step is what one `read` does. */
function pulled(steps: ((events: PulledEvents) => unknown)[], puller: Partial<EventPuller> = {}) {
  const left: boolean[] = [];
  const events: PulledEvents = new PulledEvents({
    async read() {
      await steps.shift()?.(events);
    },
    leave: (busy) => void left.push(busy),
    ...puller,
  });
  return { events, left };
}

describe("PulledEvents", () => {
  it("takes steps until there is something to give, and no more", async () => {
    const steps = [
      () => {},
      (events: PulledEvents) => ["a", "b"].forEach((data) => events.push(event(data))),
      () => {},
    ];
    const { events } = pulled(steps);
    assertEquals(events.isEmpty, true);
    assertEquals((await events.next()).value?.data, "a");
    assertEquals([events.isEmpty, steps.length], [false, 1]);
    assertEquals((await events.next()).value?.data, "b");
    assertEquals([events.isEmpty, steps.length], [true, 1]);
  });

  it("gives out what waits, then the failure once, then the end", async () => {
    const { events } = pulled([(events) => {
      events.push(event("a"));
      events.end({ error: new Error("first") });
      events.end();
      events.end({ error: new Error("second") });
    }]);
    assertEquals(events.hasEnded, false);
    assertEquals((await events.next()).value?.data, "a");
    assertEquals(events.hasEnded, true);
    await assertRejects(() => events.next(), Error, "first");
    assertEquals([await events.next(), await events.next()], [
      { done: true, value: undefined },
      { done: true, value: undefined },
    ]);
  });

  it("gives out nothing of what was dropped", async () => {
    const { events } = pulled([
      (events) => ["a", "b", "c"].forEach((data) => events.push(event(data))),
      (events) => events.push(event("d")),
    ]);
    await events.next();
    events.drop();
    assertEquals([events.isEmpty, (await events.next()).value?.data], [true, "d"]);
  });

  it("gives out only what is accepted when its turn comes", async () => {
    const { events } = pulled([
      (events) => ["a", "b"].forEach((data) => events.push(event(data))),
      (events) => events.push(event("c")),
    ], { accept: ({ data }) => data !== "b" });
    assertEquals([(await events.next()).value?.data, (await events.next()).value?.data], ["a", "c"]);
  });

  it("lets calls that overlap wait for each other, failed ones too", async () => {
    let reads = 0;
    const { events } = pulled([
      async (events) => {
        reads++;
        await Promise.resolve();
        events.push(event("a"));
      },
      (events) => events.end({ error: new Error("gone") }),
    ]);
    const calls = [events.next(), events.next(), events.next()];
    assertEquals(reads, 1);
    const results = await Promise.allSettled(calls);
    assertEquals(results.map((result) => result.status === "fulfilled" ? result.value.value?.data : "failed"), [
      "a",
      "failed",
      undefined,
    ]);
  });

  it("lets go of what is read once, when it is left, and says whether a step is under way", async () => {
    const step = Promise.withResolvers<void>();
    const { events, left } = pulled([(events) => events.push(event("a")), () => step.promise]);
    await events.next();
    const next = events.next();
    assertEquals(await events.return(), { done: true, value: undefined });
    assertEquals([left, events.hasEnded], [[true], true]);
    step.resolve();
    assertEquals((await next).done, true);
    await events.return();
    assertEquals([left, (await events.next()).done], [[true], true]);

    const idle = pulled([(events) => ["a", "b"].forEach((data) => events.push(event(data)))]);
    await idle.events.next();
    await idle.events.return();
    assertEquals([idle.left, (await idle.events.next()).value], [[false], undefined]);
  });

  it("keeps a failure from who has left", async () => {
    const { events, left } = pulled([(events) => {
      events.push(event("a"));
      events.end({ error: new Error("gone") });
    }]);
    await events.next();
    assertEquals([await events.return(), await events.next()].map(({ done }) => done), [true, true]);
    assertEquals(left, []);
  });
});
