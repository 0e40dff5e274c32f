import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { connect, type ConnectOptions, EventSource, type ResponseError } from "../../src/client/mod.ts";
import { answers, data, failureOf, open, stream } from "../support/answers.ts";
import { runtime } from "../support/runtime.ts";

/** What `fetch` is given by a connection with some options. */
async function initOf(options: ConnectOptions = {}): Promise<RequestInit> {
  const given = Promise.withResolvers<RequestInit>();
  const fetch: ConnectOptions["fetch"] = (_url, init) => {
    given.resolve(init);
    return Promise.resolve(open("data: a\n\n")());
  };
  await data(connect("http://localhost", { ...options, fetch }), 1);
  return await given.promise;
}

/** Puts a property into the global scope, as a page has it. */
function inScope(name: string, value: unknown): Disposable {
  const original = Object.getOwnPropertyDescriptor(globalThis, name);
  Object.defineProperty(globalThis, name, { configurable: true, value });
  return {
    [Symbol.dispose]() {
      if (original === undefined) Reflect.deleteProperty(globalThis, name);
      else Object.defineProperty(globalThis, name, original);
    },
  };
}

describe("connect() asks", () => {
  it("with GET, for an event stream, and tells fetch nothing that was not asked for", async () => {
    const init = await initOf();
    assertEquals(Object.keys(init).sort(), ["cache", "headers", "method", "signal"]);
    assertEquals([init.method, init.cache], ["GET", "no-store"]);
    assertEquals(Object.fromEntries(init.headers as Headers), {
      "accept": "text/event-stream",
      "cache-control": "no-cache",
    });
  });

  it("with its credentials and its body; a stream is sent while it comes", async () => {
    const { credentials, ...init } = await initOf({ credentials: "include", method: "POST", body: "x" });
    assertEquals([credentials, init.body, "duplex" in init], ["include", "x", false]);
    const streamed = await initOf({ method: "POST", body: () => new Blob(["x"]).stream() });
    assertEquals(Reflect.get(streamed, "duplex"), "half");
  });

  // Bun's Request makes GET of a method that it does not know
  if (runtime !== "bun") {
    it("with any method that takes a body, whatever it is called", async () => {
      for (const method of ["BUDGET", "GETALL"]) assertEquals((await initOf({ method, body: "x" })).body, "x");
    });
  }

  it("without a header of its own for caches in a browser, where that needs a preflight", async () => {
    using _ = inScope("isSecureContext", true);
    assertEquals((await initOf()).headers instanceof Headers, true);
    assertEquals(new Headers((await initOf()).headers).get("cache-control"), null);
  });

  it("relative to the page, or to the worker's script", () => {
    {
      using _page = inScope("document", { baseURI: "http://page.example/a/", visibilityState: "visible" });
      using _script = inScope("location", { href: "http://script.example/b/" });
      assertEquals(connect("x").url, "http://page.example/a/x");
    }
    using _script = inScope("location", { href: "http://script.example/b/" });
    assertEquals(connect("x").url, "http://script.example/b/x");
  });

  it("with options that are undefined as if they were not given", async () => {
    const backoff = { initial: undefined, factor: undefined, jitter: undefined };
    assertEquals(await data(connect("http://localhost", { backoff, fetch: answers(open("data: a\n\n")) }), 1), ["a"]);
  });
});

describe("EventSource asks", () => {
  for (const withCredentials of [true, false]) {
    it(`${withCredentials ? "with" : "without"} credentials`, async () => {
      const given = Promise.withResolvers<RequestInit>();
      const source = new EventSource("http://localhost", {
        withCredentials,
        fetch: (_url, init) => {
          given.resolve(init);
          return new Promise(() => {});
        },
      });
      const { credentials, method } = await given.promise;
      assertEquals([credentials, method], [withCredentials ? "include" : undefined, "GET"]);
      assertEquals(source.withCredentials, withCredentials);
      source.close();
    });
  }
});

describe("connect() tells of a refusal", () => {
  it("whose body comes in pieces, within a character", async () => {
    const bytes = new TextEncoder().encode("nö");
    const body = ReadableStream.from([bytes.slice(0, 2), bytes.slice(2)]);
    const error = await failureOf(connect("http://localhost", {
      fetch: answers(() => new Response(body, { status: 404 })),
    })) as ResponseError;
    assertEquals(error.body, "nö");
  });

  it("that has no body", async () => {
    const error = await failureOf(connect("http://localhost", {
      fetch: answers(() => new Response(null, { status: 404 })),
    })) as ResponseError;
    assertEquals([error.body, error.retryAfter], ["", 0]);
  });

  it("with the time of an old kind of date, which ends in a year", async () => {
    const error = await failureOf(connect("http://localhost", {
      fetch: answers(stream("", { status: 404, headers: { "retry-after": "Sun Nov  6 08:49:37 2094" } })),
    })) as ResponseError;
    assertEquals(error.retryAfter > 0, true);
  });
});
