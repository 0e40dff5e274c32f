import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { EventSource } from "../../src/client/mod.ts";
import { open, stream } from "../support/answers.ts";
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

describe("EventSource", () => {
  const futile = ["ftp://127.0.0.1/", "about:blank", "mailto:a@example.com", "javascript:1", "foo:bar"];
  // Deno and Bun send what Node and browsers refuse
  if (runtime === "node") futile.push("http://user:password@127.0.0.1:1/");
  for (const url of futile) {
    it(`fails for good, with an error event, on ${url}`, async () => {
      const source = new EventSource(url);
      const states: number[] = [];
      await new Promise<void>((resolve) =>
        source.onerror = () => {
          states.push(source.readyState);
          resolve();
        }
      );
      assertEquals(states, [EventSource.CLOSED]);
    });
  }

  it("fails for good on an event stream without a body", async () => {
    const source = new EventSource("http://localhost/", {
      fetch: () => Promise.resolve(new Response(null, { headers: { "content-type": "text/event-stream" } })),
    });
    await new Promise((resolve) => source.onerror = resolve);
    assertEquals(source.readyState, EventSource.CLOSED);
  });

  it("goes on trying what a fetch of the application's may reach", async () => {
    let calls = 0;
    const source = new EventSource("unix:/run/events", {
      fetch: () => {
        if (++calls === 1) return Promise.resolve(stream("retry: 1\n\n")());
        return calls === 2 ? Promise.reject(new TypeError("down")) : Promise.resolve(open("data: a\n\n")());
      },
    });
    const { data } = await new Promise<MessageEvent>((resolve) => source.onmessage = resolve);
    assertEquals([data, calls], ["a", 3]);
    source.close();
  });
});

const native = (globalThis as { EventSource?: new (url: string) => ObservedEventSource }).EventSource;
if (runtime === "deno" && native !== undefined) {
  /** Where Deno's own does otherwise; its origin is never that of the stream. */
  const deviates: Readonly<Record<string, readonly string[]>> = {
    "waits for a reconnection time that is longer than a timer can": ["open 1", "message a", "error 0", "open 1"],
    "ignores a reconnection time that is not digits only": ["open 1", "message a", "error 0"],
    "dispatches nothing after close() in a listener": ["open 1", "message a", "message b", "message c", "error 0"],
    "fails for good on another type after text/event-stream": ["open 1"],
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
