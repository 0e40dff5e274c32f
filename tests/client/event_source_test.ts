import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { EventSource, type EventSourceErrorEvent } from "../../src/client/mod.ts";
import { answers, open, stream } from "../support/answers.ts";
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

describe("EventSource as Web IDL has it", () => {
  it("refuses to be made without a URL, and one that cannot be parsed", () => {
    const make = EventSource as unknown as new (...args: unknown[]) => EventSource;
    assertThrows(() => new make(), TypeError);
    assertEquals(assertThrows(() => new make("http://["), DOMException).name, "SyntaxError");
  });

  it("has its members on the prototype, all of them enumerable, and its constants in both places", () => {
    const source = new EventSource("http://localhost/a", { withCredentials: true, fetch: () => new Promise(() => {}) });
    assertEquals([source.url, source.readyState, source.withCredentials], ["http://localhost/a", 0, true]);
    source.close();
    assertEquals(source.readyState, EventSource.CLOSED);
    assertEquals(Object.keys(source), []);
    const attributes = ["onerror", "onmessage", "onopen", "readyState", "url", "withCredentials"];
    const constants = ["CLOSED", "CONNECTING", "OPEN"];
    assertEquals(Object.keys(EventSource.prototype).sort(), [...constants, "close", ...attributes]);
    for (const name of attributes) {
      const { get, set } = Object.getOwnPropertyDescriptor(EventSource.prototype, name)!;
      assertEquals([typeof get, typeof set], ["function", name.startsWith("on") ? "function" : "undefined"], name);
    }
    for (const owner of [EventSource, EventSource.prototype]) {
      for (const [value, name] of ["CONNECTING", "OPEN", "CLOSED"].entries()) {
        const constant = { value, writable: false, enumerable: true, configurable: false };
        assertEquals(Object.getOwnPropertyDescriptor(owner, name), constant);
      }
    }
  });

  it("calls a handler in the place where it was first set, and none that is no function", async () => {
    const seen: string[] = [];
    const source = new EventSource("http://localhost/", { fetch: () => Promise.resolve(open("data: a\n\n")()) });
    source.onmessage = () => seen.push("replaced");
    const done = new Promise((resolve) => source.addEventListener("message", () => resolve(seen.push("listener"))));
    source.onmessage = () => seen.push("handler");
    source.onopen = () => seen.push("removed");
    Reflect.set(source, "onopen", 7);
    await done;
    assertEquals(seen, ["handler", "listener"]);
    assertEquals(Reflect.get(source, "onopen"), null);
    source.close();
  });
});

describe("EventSource's error events", () => {
  it("say which status and type were refused", async () => {
    const source = new EventSource("http://localhost/", {
      fetch: () => Promise.resolve(new Response("", { status: 503, headers: { "content-type": "text/html" } })),
    });
    const { status, message } = await new Promise<EventSourceErrorEvent>((resolve) => source.onerror = resolve);
    assertEquals([status, source.readyState], [503, EventSource.CLOSED]);
    assert(message?.includes("got status 503, type text/html"));
  });

  it("say what has broken the connection off", async () => {
    const source = new EventSource("http://localhost/", {
      fetch: answers(
        stream("retry: 1\n\n"),
        () => Promise.reject(new TypeError("down")),
        () => new Response(null, { status: 204 }),
      ),
    });
    const said: unknown[] = [];
    await new Promise<void>((resolve) => {
      source.onerror = ({ message, status }) => {
        said.push([source.readyState, message?.slice(0, 16), status]);
        if (source.readyState === EventSource.CLOSED) resolve();
      };
    });
    assertEquals(said, [[0, "The server ended", undefined], [0, "down", undefined], [2, "Cannot read even", 204]]);
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
