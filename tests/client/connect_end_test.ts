import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { connect, type ConnectOptions, ResponseError, SseError } from "../../src/client/mod.ts";
import { answers, data, failureOf, open, SOON, stream } from "../support/answers.ts";
import { ScriptedServer } from "../support/scripted_server.ts";
import { settle } from "../support/settle.ts";

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

  it("on an event stream without a body, which only a fetch of the application's can bring", async () => {
    for (const validate of [undefined, () => true as const]) {
      const fetch = answers(() => new Response(null, { headers: { "content-type": "text/event-stream" } }));
      const error = await failureOf(connect("http://localhost", { fetch, validate }));
      assert(error instanceof ResponseError && error.message.endsWith("no body"));
    }
  });

  it("on a URL that fetch never takes", async () => {
    for (const url of ["ftp://127.0.0.1/", "ftp://127.0.0.1/http://localhost"]) {
      const connection = connect(url, { onRetry: () => void connection.close() });
      assert(await failureOf(connection) instanceof TypeError);
    }
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
      const reached = Promise.withResolvers<void>();
      const connection = connect("http://localhost", {
        signal: controller.signal,
        fetch: when === "connecting"
          ? () => {
            reached.resolve();
            return new Promise(() => {});
          }
          : answers(when === "reading" ? open("") : stream("")),
        onOpen: () => when === "reading" && reached.resolve(),
        onRetry: () => reached.resolve(),
        backoff: { initial: 1e9, jitter: 0 },
      });
      const reading = data(connection).catch((error) => error);
      await reached.promise;
      await settle();
      controller.abort("enough");
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
