import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { EventSource } from "../../src/client/mod.ts";
import { type ObservedEventSource, observeEventSource } from "../support/observe_event_source.ts";
import { playEventSource } from "../support/play_event_source.ts";
import { observeApart } from "../support/observe_apart.ts";
import { runtime } from "../support/runtime.ts";
import { eventSourceCases } from "../vectors/event_source.ts";

describe("EventSource", () => {
  for (const one of eventSourceCases) {
    it(one.says, { timeout: 20_000 }, async () => {
      const { types = [], closesAt, throwsAt, sees } = one;
      let thrown: string[] | undefined;
      const { seen, asked, expected } = await playEventSource(one, async (url) => {
        const observation = { url, types, closesAt, throwsAt, count: sees.length };
        if (throwsAt === undefined) return observeEventSource(EventSource, observation);
        const { seen, uncaught } = await observeApart(observation);
        thrown = uncaught;
        return seen;
      });
      assertEquals([seen, asked], [[...sees], [...expected]]);
      if (throwsAt !== undefined) assertEquals(thrown, ["thrown by a listener"]);
    });
  }
});

const native = (globalThis as { EventSource?: new (url: string) => ObservedEventSource }).EventSource;
if (runtime === "deno" && native !== undefined) {
  /** Where Deno's own does otherwise; its origin is never that of the stream. */
  const deviates: Readonly<Record<string, readonly string[]>> = {
    "waits for a reconnection time that is longer than a timer can": ["open 1", "message a", "error 0", "open 1"],
    "ignores a reconnection time that is not digits only": ["open 1", "message a", "error 0"],
    "dispatches nothing after close() in a listener": ["open 1", "message a", "message b", "message c", "error 0"],
    "fails for good on text/event-streamx": ["open 1"],
    "fails for good on an x before the type": ["open 1"],
  };

  describe("Deno's own EventSource", () => {
    for (const one of eventSourceCases) {
      if (one.throwsAt !== undefined) continue;
      const deviation = deviates[one.says];
      it(`${deviation === undefined ? "" : "deviates: not "}${one.says}`, { timeout: 20_000 }, async () => {
        const { types = [], closesAt, throwsAt, sees } = one;
        const { seen } = await playEventSource(one, (url) => {
          const { length: count } = deviation ?? sees;
          return observeEventSource(native, { url, types, closesAt, throwsAt, count });
        });
        const withoutOrigin = (sights: readonly string[]) => sights.map((sight) => sight.replace(" origin=other", ""));
        assertEquals(withoutOrigin(seen), withoutOrigin(deviation ?? sees));
      });
    }
  });
}
