import { assert, assertEquals, assertLess } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, createHandler } from "../../mod.ts";
import type { ServeHandler } from "../../src/server/serve_options.ts";
import { RawClient } from "../support/raw_client.ts";
import { runtime, serve } from "../support/runtime.ts";

/** Of a body that is larger than what the system holds for a connection: 64 MiB. */
const CHUNKS = 1_000;

/** Serves a handler while a test runs; it is told what `onError` heard. */
function test(says: string, handler: ServeHandler, run: (url: string, errors: string[]) => Promise<void>): void {
  it(says, { timeout: 30_000 }, async () => {
    const errors: string[] = [];
    const server = await serve(handler, { port: 0, onError: (error) => void errors.push((error as Error).message) });
    try {
      await run(server.url, errors);
    } finally {
      await server.close();
    }
  });
}

describe(`serve() on ${runtime}, of responses`, () => {
  test("sends two on one connection, whatever headers of a connection they have", () =>
    new Response("body", {
      headers: { "transfer-encoding": "gzip", "keep-alive": "timeout=1", "proxy-connection": "close" },
    }), async (url) => {
    const client = await RawClient.open(url);
    await client.until(({ body }) => body.includes("body"));
    assertEquals(client.header("transfer-encoding")?.includes("gzip") ?? false, false);
    client.socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    await client.until(({ text }) => text.split("HTTP/1.1 200").length === 3 && text.split("body").length === 3);
    client.leave();
  });

  test("sends all chunks of a body that has ended in the same turn, before its end", () => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const text of ["one", "two", "three"]) controller.enqueue(new TextEncoder().encode(text));
        controller.close();
      },
    });
    return new Response(body);
  }, async (url) => {
    for (let i = 0; i < 3; i++) assertEquals(await (await fetch(url)).text(), "onetwothree");
  });

  test(
    "ends the connection of one that says so",
    () => new Response("x", { headers: { connection: "close" } }),
    async (url) => {
      const client = await RawClient.open(url);
      await client.until(({ closed }) => closed);
      assertEquals(client.header("connection"), "close");
    },
  );

  test(
    "sends cookies apart",
    () =>
      new Response("x", {
        headers: [["set-cookie", "a=1"], ["set-cookie", "b=2; Expires=Wed, 01 Jan 2031 00:00:00 GMT"]],
      }),
    async (url) => {
      const response = await fetch(url);
      assertEquals(response.headers.getSetCookie(), ["a=1", "b=2; Expires=Wed, 01 Jan 2031 00:00:00 GMT"]);
      await response.text();
    },
  );

  for (const status of [204, 205, 304]) {
    test(
      `sends ${status} without a body, and the next on its connection`,
      (request) => request.url.endsWith("/next") ? new Response("next") : new Response(null, { status }),
      async (url) => {
        const client = await RawClient.open(url);
        await client.until(({ text }) => text.includes("\r\n\r\n"));
        assertEquals(client.status, status);
        client.socket.write("GET /next HTTP/1.1\r\nhost: a\r\n\r\n");
        await client.until(({ text }) => text.includes("next"));
        client.leave();
      },
    );
  }

  test("breaks off one whose body fails after the headers, with what came before", () => {
    let pulls = 0;
    return new Response(
      new ReadableStream<Uint8Array>({
        pull(controller) {
          if (pulls++ > 0) throw new Error("mine");
          controller.enqueue(new TextEncoder().encode("before"));
        },
      }, { highWaterMark: 0 }),
    );
  }, async (url, errors) => {
    const client = await RawClient.open(url);
    await client.until(({ closed }) => closed);
    assertEquals(client.body.includes("\r\n0\r\n\r\n"), false);
    if (runtime === "bun") return; // it drops what came before, prints the error, and tells nobody
    assertEquals([client.body.includes("before"), errors], [true, ["mine"]]);
  });

  test(
    "answers 500 for Response.error() and for what is no response",
    (request) => request.url.endsWith("/error") ? Response.error() : "text" as never,
    async (url, errors) => {
      for (const path of ["error", "none"]) {
        const response = await fetch(url + path);
        assertEquals([response.status, await response.text()], [500, "Internal Server Error"]);
      }
      assertEquals(errors.length, 2);
    },
  );

  test("answers 500 for a body that is in use", async () => {
    const response = new Response("x");
    await response.text();
    return response;
  }, async (url, errors) => {
    const client = await RawClient.open(url, "GET / HTTP/1.1", { connection: "close" });
    await client.until(({ closed }) => closed);
    assert(client.status === 500 || runtime === "bun", client.text); // Bun sends nothing, with 200
    if (runtime !== "bun") assertEquals(errors.length, 1);
  });

  it("answers 500 although onError throws as well", { timeout: 30_000 }, async (t) => {
    t.mock.method(console, "error", () => {});
    await using server = await serve(() => {
      throw new Error("mine");
    }, {
      port: 0,
      onError: () => {
        throw new Error("also mine");
      },
    });
    const response = await fetch(server.url);
    assertEquals([response.status, await response.text()], [500, "Internal Server Error"]);
  });

  if (runtime !== "bun") {
    test("answers 500 for headers that cannot be sent, and ends the subscriber", () => new Response("x"), async () => {
      const left = Promise.withResolvers<string>();
      const errors: unknown[] = [];
      await using broker = new Broker({ onUnsubscribe: (_, reason) => left.resolve(reason) });
      const handler = createHandler(broker, { topics: "a", headers: { "x-control": "a\x01b" } });
      await using server = await serve(handler, { port: 0, onError: (error) => void errors.push(error) });
      const response = await fetch(server.url);
      assertEquals([response.status, await response.text()], [500, "Internal Server Error"]);
      assertEquals([await left.promise, errors.length], ["left", 1]);
    });

    for (const [says, body] of [["longer", "more than five"], ["shorter", "four"]]) {
      test(
        `breaks off one that is ${says} than its content-length`,
        () => new Response(body, { headers: { "content-length": "5" } }),
        async (url, errors) => {
          const client = await RawClient.open(url);
          client.socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n"); // what follows must not be taken for its rest
          await client.until(({ closed }) => closed);
          assertEquals([client.text.split("HTTP/1.1").length <= 2, errors.length], [true, 1]);
        },
      );
    }
  }

  let begun = 0;
  test("gives way to others while a source never waits", (request) => {
    if (request.url.endsWith("/other")) return new Response(String(begun));
    return new Response(
      new ReadableStream<Uint8Array>({
        pull(controller) {
          begun++;
          controller.enqueue(new Uint8Array(10));
        },
      }),
    );
  }, async (url) => {
    const client = await RawClient.open(url);
    await client.until(({ body }) => body.length > 0);
    const before = begun;
    const other = await fetch(`${url}other`);
    // Its connection and its answer take some turns, in each of which the source makes a counted number
    assertLess(Number(await other.text()) - before, 50_000);
    client.leave();
  });

  let made = 0;
  test("waits for a client that reads slowly, and holds little", () =>
    new Response(
      new ReadableStream<Uint8Array>({
        pull(controller) {
          controller.enqueue(new Uint8Array(65_536));
          if (++made === CHUNKS) controller.close();
        },
      }),
    ), async (url) => {
    const client = await RawClient.open(url, "GET / HTTP/1.1", { connection: "close" });
    await client.until(({ body }) => body.length > 0);
    client.socket.removeAllListeners("data"); // it keeps all as text
    let read = client.text.length;
    client.socket.pause();
    let before = -1;
    while (before < made) { // until the server makes no more of it
      before = made;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assertLess(made, CHUNKS);
    client.socket.on("data", (bytes: Uint8Array) => read += bytes.length).resume();
    await client.until(({ closed }) => closed);
    assertEquals([made, read > CHUNKS * 65_536], [CHUNKS, true]);
  });
});
