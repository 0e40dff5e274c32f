import { assert, assertEquals, assertGreaterOrEqual, assertLess, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, createHandler } from "../../mod.ts";
import {
  connect,
  type ConnectOptions,
  type EventStreamConnection,
  type Gap,
  type ParsedEvent,
  ResponseError,
  SseError,
} from "../../src/client/mod.ts";
import { observeApart } from "../support/observe_apart.ts";
import { ScriptedServer } from "../support/scripted_server.ts";

/** Tries again at once. */
const SOON = { initial: 1, max: 1 };

/** A `fetch` of these answers, one after another; the last is given again. */
function answers(...responses: (() => Response | Promise<Response>)[]): ConnectOptions["fetch"] {
  return async () => await (responses.length > 1 ? responses.shift()! : responses[0]!)();
}

function stream(text: string, init: ResponseInit = {}): () => Response {
  return () => new Response(text, { headers: { "content-type": "text/event-stream" }, ...init });
}

/** A stream that goes on for ever after a text. */
function open(text: string): () => Response {
  return () =>
    new Response(
      new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode(text)) }),
      { headers: { "content-type": "text/event-stream" } },
    );
}

async function data(connection: EventStreamConnection, count = Infinity): Promise<string[]> {
  const seen: string[] = [];
  for await (const event of connection) if (seen.push(event.data) === count) break;
  return seen;
}

async function failureOf(connection: EventStreamConnection): Promise<unknown> {
  const failure = await data(connection).then(() => undefined, (error) => error);
  const end = await connection.closed;
  assertEquals([end.reason, end.error], ["failed", failure]);
  return failure;
}

describe("connect() refuses at once", () => {
  const refused: ReadonlyArray<readonly [what: string, kind: typeof TypeError, url: string, options: unknown]> = [
    ["a bad URL", TypeError, "not a url", {}],
    ["a bad header", TypeError, "http://localhost", { headers: { "a b": "c" } }],
    ["a body without a method that takes one", TypeError, "http://localhost", { body: "x" }],
    ["a negative inactivityTimeout", RangeError, "http://localhost", { inactivityTimeout: -1 }],
    ["a maxEventSize of 0", RangeError, "http://localhost", { maxEventSize: 0 }],
    ["a jitter of 2", RangeError, "http://localhost", { backoff: { jitter: 2 } }],
    ["an initial wait that is text", RangeError, "http://localhost", { backoff: { initial: "1" } }],
    ["negative maxRetries", RangeError, "http://localhost", { backoff: { maxRetries: -1 } }],
  ];
  for (const [what, kind, url, options] of refused) {
    it(what, () => void assertThrows(() => connect(url, options as ConnectOptions), kind));
  }
});

describe("connect() ends for good", () => {
  for (const [status, body] of [[400, "bad"], [401, "no token"], [404, ""], [410, "gone"], [300, ""]] as const) {
    it(`on status ${status}, with status, headers and body`, async () => {
      await using server = await ScriptedServer.start([{
        status,
        headers: { "content-type": "text/plain", "www-authenticate": "Bearer" },
        chunks: body === "" ? [] : [body],
        then: "end",
      }]);
      const error = await failureOf(connect(server.url));
      assert(error instanceof ResponseError && error instanceof SseError);
      assertEquals([error.code, error.name, error.status, error.body], [
        "not-an-event-stream",
        "ResponseError",
        status,
        body,
      ]);
      assertEquals(error.headers.get("www-authenticate"), "Bearer");
      assertEquals(server.requests.length, 1);
    });
  }

  it("on another type, with the beginning of an endless body", async () => {
    await using server = await ScriptedServer.start([{
      headers: { "content-type": "text/html" },
      chunks: ["<html>".padEnd(6_000, "x")],
    }]);
    const error = await failureOf(connect(server.url));
    assert(error instanceof ResponseError);
    assertEquals([error.status, error.body], [200, "<html>".padEnd(4_096, "x")]);
  });

  it("on another type whose body never comes", async () => {
    await using server = await ScriptedServer.start([{ headers: { "content-type": "text/html" } }]);
    const error = await failureOf(connect(server.url));
    assert(error instanceof ResponseError);
    assertEquals(error.body, "");
  });

  it("on 204, without an error", async () => {
    await using server = await ScriptedServer.start([{ status: 204 }]);
    const connection = connect(server.url);
    assertEquals(await data(connection), []);
    assertEquals(await connection.closed, { reason: "ended" });
    assertEquals(connection.readyState, "closed");
  });

  it("on an event that is too large, after those before it", async () => {
    const connection = connect("http://localhost", {
      fetch: answers(stream(`data: a\n\ndata: ${"x".repeat(200)}\n\n`)),
      maxEventSize: 100,
    });
    const seen: string[] = [];
    const error = await (async () => {
      for await (const event of connection) seen.push(event.data);
    })().catch((error) => error);
    assertEquals([seen, error.code], [["a"], "event-too-large"]);
    assertEquals((await connection.closed).reason, "failed");
  });

  it("when validate() throws", async () => {
    const refusal = new Error("not this one");
    const connection = connect("http://localhost", {
      fetch: answers(stream("data: a\n\n")),
      validate: () => Promise.reject(refusal),
    });
    assertEquals(await failureOf(connection), refusal);
  });

  it("when no header can hold the last event ID", async () => {
    const error = await failureOf(connect("http://localhost", { lastEventId: "a\x01b", fetch: answers(stream("")) }));
    assert(error instanceof TypeError);
  });

  it("when a stream was its body and must be sent again", async () => {
    await using server = await ScriptedServer.start([{ chunks: ["data: a\n\n"], then: "reset" }]);
    const connection = connect(server.url, {
      method: "POST",
      body: new Blob(["once"]).stream(),
      backoff: SOON,
    });
    const seen: string[] = [];
    const error = await (async () => {
      for await (const event of connection) seen.push(event.data);
    })().catch((error) => error);
    assertEquals([seen, error.code, error.cause.code], [["a"], "body-used", "source-failed"]);
    assertEquals(server.requests.map(({ body }) => body), ["once"]);
  });
});

describe("connect() comes back", () => {
  it("after the end and after a reset, with the last event ID", async () => {
    await using server = await ScriptedServer.start([
      { chunks: ["id: 1\ndata: a\n\n"], then: "end" },
      { chunks: ["id: ü\ndata: b\n\ndata: lost"], then: "reset" },
      { chunks: ["data: c\n\n"] },
    ]);
    const retries: unknown[] = [];
    const connection = connect(server.url, {
      lastEventId: "0",
      backoff: SOON,
      onRetry: (error, delay, attempt) => retries.push([(error as SseError).code, delay <= 1, attempt]),
    });
    assertEquals(await data(connection, 3), ["a", "b", "c"]);
    assertEquals(server.requests.map(({ headers }) => headers["last-event-id"]), ["0", "1", "ü"]);
    assertEquals(retries, [["stream-ended", true, 1], ["source-failed", true, 1]]);
    assertEquals([connection.lastEventId, connection.readyState], ["ü", "closed"]);
  });

  for (const status of [408, 425, 429, 500, 502, 503, 504]) {
    it(`after status ${status}`, async () => {
      const connection = connect("http://localhost", {
        fetch: answers(stream("busy", { status, headers: {} }), stream("data: a\n\n")),
        backoff: SOON,
        onRetry: (error) => assertEquals((error as ResponseError).status, status),
      });
      assertEquals(await data(connection, 1), ["a"]);
    });
  }

  it("after the time that Retry-After asks for, in seconds or as a date", async () => {
    for (
      const [value, least, most] of [
        ["7", 7_000, 7_001],
        [new Date(Date.now() + 60_000).toUTCString(), 58_000, 60_001],
        ["x", 0, 1],
      ] as const
    ) {
      const delays: number[] = [];
      const connection = connect("http://localhost", {
        fetch: answers(stream("", { status: 503, headers: { "retry-after": value } })),
        backoff: SOON,
        onRetry: (_error, delay) => {
          delays.push(delay);
          void connection.close();
        },
      });
      assertEquals(await data(connection), []);
      assertGreaterOrEqual(delays[0]!, least);
      assertLess(delays[0]!, most + 1);
    }
  });

  it("after the reconnection time that the server has set, and the backoff's", async () => {
    const delays: number[] = [];
    const connection = connect("http://localhost", {
      fetch: answers(stream("retry: 5000\n\n")),
      backoff: { initial: 100, jitter: 0 },
      onRetry: (_error, delay) => {
        delays.push(delay);
        void connection.close();
      },
    });
    assertEquals(await data(connection), []);
    assertEquals(delays, [5_100]);
  });

  it("after waits that grow, up to a limit, and counts anew after a success", async () => {
    const down = () => Promise.reject(new TypeError("down"));
    const retries: [number, number][] = [];
    const connection = connect("http://localhost", {
      fetch: answers(down, down, down, down, down, stream("data: a\n\n"), down, open("data: b\n\n")),
      backoff: { initial: 1, factor: 2, max: 5, jitter: 0 },
      onRetry: (_error, delay, attempt) => retries.push([attempt, delay]),
    });
    assertEquals(await data(connection, 2), ["a", "b"]);
    assertEquals(retries, [[1, 1], [2, 2], [3, 4], [4, 5], [5, 5], [1, 1], [2, 2]]);
  });

  it("after waits of full jitter, from 0 to 500 ms at first", async () => {
    const delays: number[] = [];
    for (let i = 0; i < 200; i++) {
      const connection = connect("http://localhost", {
        fetch: answers(() => Promise.reject(new TypeError("down"))),
        onRetry: (_error, delay) => {
          delays.push(delay);
          void connection.close();
        },
      });
      await data(connection);
    }
    assertLess(Math.min(...delays), 100);
    assertGreaterOrEqual(Math.max(...delays), 400);
    assertLess(Math.max(...delays), 500);
  });

  it("until maxRetries have failed", async () => {
    let calls = 0;
    const error = await failureOf(connect("http://localhost", {
      fetch: () => Promise.reject(new TypeError(`down ${++calls}`)),
      backoff: { ...SOON, maxRetries: 3 },
    })) as SseError;
    assertEquals([error.code, calls, ((error.cause as SseError).cause as Error).message], [
      "retries-exhausted",
      4,
      "down 4",
    ]);
  });

  it("until maxElapsed would pass", async () => {
    const error = await failureOf(connect("http://localhost", {
      fetch: () => Promise.reject(new TypeError("down")),
      backoff: { initial: 50, jitter: 0, maxElapsed: 120 },
    })) as SseError;
    assertEquals(error.code, "retries-exhausted");
  });

  it("as a function of the caller's says, until it gives up", async () => {
    const asked: unknown[] = [];
    const error = await failureOf(connect("http://localhost", {
      fetch: () => Promise.reject(new TypeError("down")),
      backoff: (attempt, error) => {
        asked.push([attempt, (error as SseError).code]);
        return attempt < 3 ? 0 : undefined;
      },
    })) as SseError;
    assertEquals(error.code, "retries-exhausted");
    assertEquals(asked, [[1, "source-failed"], [2, "source-failed"], [3, "source-failed"]]);
    const wrong = await failureOf(connect("http://localhost", {
      fetch: () => Promise.reject(new TypeError("down")),
      backoff: () => NaN,
    }));
    assert(wrong instanceof RangeError);
  });

  it("with fresh headers and a fresh body, in any method", async () => {
    await using server = await ScriptedServer.start([
      { chunks: ["data: a\n\n"], then: "end" },
      { status: 503, then: "end" },
      { chunks: ["data: b\n\n"] },
    ]);
    let tokens = 0;
    let bodies = 0;
    const connection = connect(server.url, {
      method: "POST",
      headers: async () => ({ authorization: `Bearer ${await Promise.resolve(++tokens)}`, accept: "text/x" }),
      body: () => Promise.resolve(new Blob([`body ${++bodies}`]).stream()),
      backoff: SOON,
    });
    assertEquals(await data(connection, 2), ["a", "b"]);
    assertEquals(
      server.requests.map(({ method, headers, body }) => [method, headers["authorization"], headers["accept"], body]),
      [1, 2, 3].map((n) => ["POST", `Bearer ${n}`, "text/x", `body ${n}`]),
    );
  });

  it("when the function that makes the headers fails", async () => {
    let calls = 0;
    const connection = connect("http://localhost", {
      headers: () => {
        if (++calls === 1) throw new Error("no token now");
        return {};
      },
      fetch: answers(open("data: a\n\n")),
      backoff: SOON,
    });
    assertEquals([await data(connection, 1), calls], [["a"], 2]);
  });

  it("when nothing comes for the inactivity timeout; what heartbeats keep alive goes on", async () => {
    await using server = await ScriptedServer.start([
      { chunks: ["id: 1\ndata: a\n\n", ...Array(20).fill(":\n\n"), "data: still\n\n"] }, // 15 ms apart
      {}, // a head and nothing else
      { chunks: ["data: b\n\n"] },
    ]);
    const errors: unknown[] = [];
    const connection = connect(server.url, {
      inactivityTimeout: 200,
      backoff: SOON,
      onRetry: (error) => errors.push((error as SseError).code),
    });
    assertEquals(await data(connection, 3), ["a", "still", "b"]);
    assertEquals(errors, ["inactive", "inactive"]);
    assertEquals(server.requests.map(({ headers }) => headers["last-event-id"]), [undefined, "1", "1"]);
  });

  it("when a fetch that does not look at its signal never answers", async () => {
    let calls = 0;
    const connection = connect("http://localhost", {
      fetch: () => ++calls === 1 ? new Promise<Response>(() => {}) : Promise.resolve(open("data: a\n\n")()),
      inactivityTimeout: 30,
      backoff: SOON,
    });
    assertEquals(await data(connection, 1), ["a"]);
  });

  it("takes another type when validate() says true", async () => {
    const connection = connect("http://localhost", {
      fetch: answers(stream("data: a\n\n", { status: 201, headers: { "content-type": "text/plain" } })),
      validate: ({ status }) => status === 201 ? true : undefined,
    });
    assertEquals(await data(connection, 1), ["a"]);
  });
});

describe("connect() with reconnect: false", () => {
  it("ends with the stream", async () => {
    const connection = connect("http://localhost", {
      fetch: answers(stream("data: a\n\ndata: b\n\n")),
      reconnect: false,
    });
    assertEquals(await data(connection), ["a", "b"]);
    assertEquals(await connection.closed, { reason: "ended" });
  });

  it("fails when the stream breaks off, after what had come", async () => {
    await using server = await ScriptedServer.start([{ chunks: ["data: a\n\n"], then: "reset" }]);
    const connection = connect(server.url, { reconnect: false });
    const seen: string[] = [];
    const error = await (async () => {
      for await (const event of connection) seen.push(event.data);
    })().catch((error) => error);
    assertEquals([seen, error.code], [["a"], "source-failed"]);
  });

  it("fails with what the server said", async () => {
    const error = await failureOf(
      connect("http://localhost", { fetch: answers(stream("", { status: 503 })), reconnect: false }),
    );
    assertEquals((error as ResponseError).status, 503);
  });
});

describe("connect() read in a loop", () => {
  it("asks for nothing before the first next()", async () => {
    let calls = 0;
    const connection = connect("http://localhost", {
      fetch: () => {
        calls++;
        return Promise.resolve(open("")());
      },
    });
    const events = connection[Symbol.asyncIterator]();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assertEquals([calls, connection.readyState], [0, "connecting"]);
    const next = events.next();
    await connection.close();
    assertEquals(await next, { done: true, value: undefined });
  });

  it("gives overlapping next() their events in order", async () => {
    const events = connect("http://localhost", { fetch: answers(open("data: a\n\ndata: b\n\n")) })
      [Symbol.asyncIterator]();
    const [a, b] = await Promise.all([events.next(), events.next()]);
    assertEquals([a.value?.data, b.value?.data], ["a", "b"]);
    await events.return!();
    assertEquals(await events.next(), { done: true, value: undefined });
  });

  it("has the ID of the event that was given out, not of those that wait", async () => {
    const connection = connect("http://localhost", {
      fetch: answers(open("id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\n\n")),
    });
    const ids: string[] = [];
    for await (const { data } of connection) {
      ids.push(connection.lastEventId);
      if (data === "b") break;
    }
    assertEquals([ids, connection.lastEventId], [["1", "3"], "3"]);
  });

  it("keeps that ID when it is left in the middle", async () => {
    const connection = connect("http://localhost", {
      fetch: answers(open("id: 1\ndata: a\n\nid: 2\ndata: b\n\n")),
    });
    await data(connection, 1);
    assertEquals(connection.lastEventId, "1");
    assertEquals(await connection.closed, { reason: "closed" });
  });

  it("cannot be read twice, or in two ways", async () => {
    const connection = connect("http://localhost", { fetch: answers(open("data: a\n\n")) });
    connection[Symbol.asyncIterator]();
    assertThrows(() => connection[Symbol.asyncIterator](), TypeError);
    assertThrows(() => connection.on("message", () => {}), TypeError);
    await connection.close();
    const other = connect("http://localhost", { fetch: answers(open("data: a\n\n")) });
    other.on("message", () => {});
    assertThrows(() => other[Symbol.asyncIterator](), TypeError);
    await other.close();
  });

  it("lets go of the socket when it is left", async () => {
    await using server = await ScriptedServer.start([{ chunks: ["data: a\n\n"] }]);
    assertEquals(await data(connect(server.url), 1), ["a"]);
    await server.abandoned(1);
  });

  it("slows the socket when it is slow, and loses nothing", async () => {
    const chunk = new TextEncoder().encode(`data: ${"x".repeat(65_000)}\n\n`);
    let pulled = 0;
    await using server = await ScriptedServer.start();
    const total = 1_000;
    server.onRequest = () => ({
      chunks: (function* () {
        for (; pulled < total; pulled++) yield chunk;
      })(),
      paced: true,
      then: "end",
    });
    const connection = connect(server.url, { reconnect: false });
    const events = connection[Symbol.asyncIterator]();
    await events.next();
    for (let before = -1; before !== pulled;) { // until the server is held up
      before = pulled;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    assertLess(pulled, 400); // 26 MB: buffers of the kernel and the runtime
    let count = 1;
    while (!(await events.next()).done) count++;
    assertEquals(count, total);
  });
});

describe("connect() read by listeners", () => {
  it("calls those of the type, then those of any, in order, until they are removed", async () => {
    const seen: string[] = [];
    const connection = connect("http://localhost", {
      fetch: answers(open("data: a\n\nevent: add\nid: 1\ndata: b\n\ndata: c\n\ndata: d\n\n")),
    });
    const note = (who: string) => ({ type, data, lastEventId }: ParsedEvent): void =>
      void seen.push(`${who} ${type} ${data} ${lastEventId}`);
    connection.onAny(note("any"));
    connection.on("message", note("first"));
    const remove = connection.on("message", note("second"));
    connection.on("add", note("add"));
    const done = Promise.withResolvers<void>();
    connection.on("message", ({ data }) => {
      if (data === "c") remove();
      if (data === "d") done.resolve();
    });
    await done.promise;
    await connection.close();
    assertEquals(seen, [
      "first message a ",
      "second message a ",
      "any message a ",
      "add add b 1",
      "any add b 1",
      "first message c 1",
      "second message c 1",
      "any message c 1",
      "first message d 1",
      "any message d 1",
    ]);
  });

  it("dispatches nothing after close(), and tells what was last", async () => {
    const seen: string[] = [];
    const connection = connect("http://localhost", {
      fetch: answers(open("id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: c\n\n")),
    });
    connection.on("message", ({ data }) => {
      seen.push(data);
      if (data === "b") void connection.close();
    });
    connection.onAny(({ data }) => seen.push(`any ${data}`));
    assertEquals(await connection.closed, { reason: "closed" });
    await new Promise((resolve) => setTimeout(resolve, 10));
    assertEquals([seen, connection.lastEventId], [["a", "any a", "b"], "2"]);
  });

  it("tells by `closed` why it has failed", async () => {
    const connection = connect("http://localhost", { fetch: answers(stream("", { status: 404 })) });
    connection.on("message", () => {});
    const { reason, error } = await connection.closed;
    assertEquals([reason, (error as ResponseError).status], ["failed", 404]);
  });
});

describe("A program that has closed its connection", () => {
  it("ends by itself; a listener that throws harms nobody and is not swallowed", { timeout: 20_000 }, async () => {
    await using server = await ScriptedServer.start([{ chunks: ["data: a\n\ndata: b\n\n", "data: end\n\n"] }]);
    const { seen, uncaught } = await observeApart({ url: server.url });
    assertEquals(seen, ["a", "b", "end"]);
    assertEquals(uncaught, ["thrown for a", "thrown for b", "thrown for end"]);
  });
});

describe("connect() with a signal", () => {
  it("is closed at once if it is aborted already", async () => {
    const connection = connect("http://localhost", { signal: AbortSignal.abort("why"), fetch: answers(open("")) });
    assertEquals(connection.readyState, "closed");
    assertEquals(await data(connection).catch((error) => error), "why");
    assertEquals(await connection.closed, { reason: "aborted", error: "why" });
  });

  for (const when of ["connecting", "reading", "waiting"] as const) {
    it(`throws the signal's reason when it is aborted while ${when}`, async () => {
      const controller = new AbortController();
      const connection = connect("http://localhost", {
        signal: controller.signal,
        fetch: when === "connecting"
          ? () => new Promise(() => {})
          : answers(when === "reading" ? open("") : stream("")),
        backoff: { initial: 1e9, jitter: 0 },
      });
      const reading = data(connection).catch((error) => error);
      setTimeout(() => controller.abort("enough"), 20);
      assertEquals(await reading, "enough");
      assertEquals(await connection.closed, { reason: "aborted", error: "enough" });
    });
  }

  it("drops what waits when it is aborted", async () => {
    const controller = new AbortController();
    const events = connect("http://localhost", {
      signal: controller.signal,
      fetch: answers(open("data: a\n\ndata: b\n\n")),
    })[Symbol.asyncIterator]();
    assertEquals((await events.next()).value?.data, "a");
    controller.abort("enough");
    assertEquals(await events.next().catch((error) => error), "enough");
  });
});

describe("connect() tells", () => {
  it("of Freshet's gap and close events, in their place", async () => {
    const broker = new Broker();
    await broker.publish("pets", { data: "a" });
    const handler = createHandler(broker, { topics: "pets" });
    const told: unknown[] = [];
    const connection = connect("http://localhost", {
      lastEventId: "of another time",
      fetch: (url, init) => handler(new Request(url, init)),
      onGap: (gap: Gap) => told.push([gap.reason, gap.requested]),
      onClose: (reason) => {
        told.push(reason);
        void connection.close();
      },
    });
    for await (const { data } of connection) {
      told.push(data);
      void broker.close();
    }
    assertEquals(told, [["unknown", "of another time"], "a", "drain"]);
  });

  it("dispatches what only looks like them, and all of them when nobody asked", async () => {
    const text = 'event: gap\ndata: 7\n\nevent: close\ndata: bye\n\nevent: gap\ndata: {"reason":"x"}\n\n';
    const options = { fetch: answers(stream(text)), reconnect: false };
    assertEquals((await data(connect("http://localhost", options))).length, 3);
    const told: unknown[] = [];
    const hooks = { onGap: (gap: Gap) => told.push(gap.reason), onClose: (reason: string) => told.push(reason) };
    assertEquals(await data(connect("http://localhost", { ...options, ...hooks })), ["7", "bye"]);
    assertEquals(told, ["x"]);
  });

  it("of comments, of responses, and of its state", async () => {
    const told: unknown[] = [];
    const connection = connect("http://localhost", {
      fetch: answers(stream(": beat\n\ndata: a\n\n"), open("data: b\n\n")),
      backoff: SOON,
      onComment: (comment) => told.push(comment),
      onOpen: ({ status }) => told.push([status, connection.readyState]),
      onRetry: () => told.push(connection.readyState),
    });
    told.push(connection.readyState);
    await data(connection, 2);
    assertEquals(told, ["connecting", [200, "open"], "beat", "connecting", [200, "open"]]);
  });

  it("is closed by `await using`", async () => {
    let kept: EventStreamConnection;
    {
      await using connection = connect("http://localhost", { fetch: answers(open("data: a\n\n")) });
      connection.on("message", () => {});
      kept = connection;
    }
    assertEquals(await kept.closed, { reason: "closed" });
  });
});
