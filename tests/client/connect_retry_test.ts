import { assert, assertEquals, assertGreaterOrEqual, assertLess } from "@std/assert";
import { describe, it } from "node:test";
import { connect, type ResponseError, type SseError } from "../../src/client/mod.ts";
import { answers, data, failureOf, open, SOON, stream } from "../support/answers.ts";
import { ScriptedServer } from "../support/scripted_server.ts";

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
        [new Date(Date.now() + 600_000).toUTCString(), 580_000, 600_001], // a date is in seconds
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

  it("asking caches for nothing, unless the application says otherwise", async () => {
    await using server = await ScriptedServer.start([{ chunks: ["data: a\n\n"] }, { chunks: ["data: b\n\n"] }]);
    await data(connect(server.url), 1);
    await data(connect(server.url, { headers: { "Cache-Control": "max-age=5" } }), 1);
    assertEquals(server.requests.map(({ headers }) => headers["cache-control"]), ["no-cache", "max-age=5"]);
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
