import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, createHandler } from "../../mod.ts";
import type { ServeHandler, ServeOptions } from "../../src/server/serve_options.ts";
import { RawClient } from "../support/raw_client.ts";
import { runtime, serve } from "../support/runtime.ts";

/** Serves a handler while a test runs; what `onError` hears fails the test. */
function test(says: string, handler: ServeHandler, run: (url: string) => Promise<void>, options: ServeOptions = {}) {
  it(says, { timeout: 30_000 }, async () => {
    const errors: unknown[] = [];
    const server = await serve(handler, { port: 0, onError: (error) => void errors.push(error), ...options });
    try {
      await run(server.url);
      assertEquals(errors, []);
    } finally {
      await server.close();
    }
  });
}

const hello: ServeHandler = ({ method, url }) => new Response(`${method} ${new URL(url).pathname}`);

describe(`serve() on ${runtime}, of requests`, () => {
  for (const length of [100, 100_000, 200_000]) {
    test(
      `answers one whose body of ${length} bytes nobody reads, and the next on its connection`,
      hello,
      async (url) => {
        const client = await RawClient.open(url, "POST /unread HTTP/1.1", { "content-length": String(length) });
        client.socket.write("x".repeat(length));
        await client.until(({ text }) => text.includes("POST /unread"));
        client.socket.write("GET /next HTTP/1.1\r\nhost: a\r\n\r\n");
        await client.until(({ text }) => text.includes("GET /next"));
        client.leave();
      },
    );
  }

  test("answers one whose large body nobody reads, and ends its connection", hello, async (url) => {
    const client = await RawClient.open(url, "POST /unread HTTP/1.1", { "content-length": String(1 << 30) });
    // A client that sends on, whatever is answered
    const sending = setInterval(() => client.socket.write("x".repeat(65_536)), 1);
    // Bun refuses what is longer than 128 MiB by itself
    await client.until(({ text, closed }) => text.includes("POST /unread") || (runtime === "bun" && closed));
    await client.until(({ closed }) => closed);
    clearInterval(sending);
  });

  test(
    "answers one whose body was read in part, and the next on its connection",
    async (request) => {
      if (request.body === null) return new Response("next");
      const reader = request.body.getReader();
      const { value } = await reader.read();
      await reader.cancel();
      return new Response(`first byte ${value![0]}`);
    },
    async (url) => {
      const client = await RawClient.open(url, "POST / HTTP/1.1", { "content-length": "200000" });
      client.socket.write("x".repeat(200_000));
      await client.until(({ text }) => text.includes("first byte 120"));
      client.socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
      await client.until(({ text }) => text.includes("next"));
      client.leave();
    },
  );

  test(
    "hands over a large body as it is asked for, whole",
    async (request) => new Response(String((await request.arrayBuffer()).byteLength)),
    async (url) => {
      for (const size of [0, 1, 65_536, 5_000_000]) {
        const response = await fetch(url, { method: "POST", body: new Uint8Array(size) });
        assertEquals(await response.text(), String(size));
      }
    },
  );

  it("fails the body of a client that leaves in the middle, and aborts its signal", { timeout: 30_000 }, async () => {
    const failed = Promise.withResolvers<unknown>();
    const aborted = Promise.withResolvers<void>();
    const server = await serve(async (request) => {
      request.signal.addEventListener("abort", () => aborted.resolve());
      return new Response(await request.text().catch((error) => (failed.resolve(error), "failed")));
    }, { port: 0 });
    const client = await RawClient.open(server.url, "POST / HTTP/1.1", { "content-length": "1000" });
    client.socket.write("only a part", () => setTimeout(() => client.leave(), 20));
    assert(await failed.promise instanceof Error);
    await aborted.promise;
    await server.close();
  });

  test("asks a client that expects 100-continue for its body", async (request) => {
    return new Response(await request.text());
  }, async (url) => {
    const client = await RawClient.open(url, "POST / HTTP/1.1", { expect: "100-continue", "content-length": "4" });
    await client.until(({ text }) => text.startsWith("HTTP/1.1 100 Continue\r\n\r\n"));
    client.socket.write("body");
    await client.until(({ text }) => text.endsWith("body") || text.includes("\r\nbody\r\n"));
    client.leave();
  });

  it("answers TRACE and CONNECT with 405, as other methods", { timeout: 30_000 }, async () => {
    await using broker = new Broker();
    await using server = await serve(createHandler(broker, { topics: "a" }), { port: 0 });
    for (const target of ["TRACE /", "CONNECT example.com:443"]) {
      const client = await RawClient.open(server.url, `${target} HTTP/1.1`);
      await client.until(({ text }) => text.includes("\r\n\r\n"));
      assertEquals([client.status, target], [405, target]);
      if (target === "TRACE /") assertEquals(client.header("allow"), "GET, HEAD, OPTIONS");
      client.leave();
    }
    assertEquals(broker.stats().subscribers, 0);
  });

  test("promises no tunnel, whatever the handler answers", () => new Response("yes"), async (url) => {
    const client = await RawClient.open(url, "CONNECT example.com:443 HTTP/1.1");
    await client.until(({ text }) => text.includes("\r\n\r\n"));
    assertEquals(client.status, 405);
    client.leave();
  });

  test("answers a request to upgrade as any other", hello, async (url) => {
    const client = await RawClient.open(url, "GET /chat HTTP/1.1", { connection: "Upgrade", upgrade: "websocket" });
    await client.until(({ text }) => text.includes("GET /chat"));
    client.leave();
  });

  test("keeps what `Host` says out of the path", ({ url }) => new Response(new URL(url).pathname), async (url) => {
    for (const host of ["evil/admin?", "evil#", "a b", "user:pass@evil", "[::1", ""]) {
      const client = await RawClient.open(url, "GET /public HTTP/1.1\r\nconnection: close", { host });
      await client.until(({ closed }) => closed);
      if (client.status === 400) continue;
      assertMatch(client.body, /^(?:\/public|[0-9a-f]+\r\n\/public\r\n0\r\n\r\n)$/, host);
    }
  });

  test("takes odd targets as paths, and refuses what is no URL", hello, async (url) => {
    const targets: [string, number, string?][] = [
      ["//two/slashes", 200, "GET //two/slashes"],
      ["/%zz", 200, "GET /%zz"],
      ["/a/../b", 200, "GET /b"],
      ["http://other.example/absolute", 200, "GET /absolute"],
    ];
    for (const [target, status, body] of targets) {
      const client = await RawClient.open(url, `GET ${target} HTTP/1.1\r\nconnection: close`);
      await client.until(({ closed }) => closed);
      assertEquals([client.status, client.body.includes(body!)], [status, true], client.text);
    }
    const client = await RawClient.open(url, "GET http://user:password@other.example/ HTTP/1.1");
    await client.until(({ text }) => text.includes("\r\n\r\n"));
    assert(client.status === 400 || runtime === "bun", client.text); // Bun leaves the password out
    client.leave();
  });

  test("refuses headers that are too long, and serves on", hello, async (url) => {
    const client = await RawClient.open(url, "GET / HTTP/1.1", { "x-long": "x".repeat(1 << 20) });
    await client.until(({ text, closed }) => closed || text.includes("\r\n\r\n"));
    assert(Number.isNaN(client.status) || client.status === 431, client.text);
    client.leave();
    assertEquals(await (await fetch(url)).text(), "GET /");
  });

  it("ends the subscriber of a client that has sent its FIN", { timeout: 30_000 }, async () => {
    const left = Promise.withResolvers<string>();
    await using broker = new Broker({ onUnsubscribe: (_, reason) => left.resolve(reason) });
    await using server = await serve(createHandler(broker, { topics: "a" }), { port: 0 });
    const client = await RawClient.open(server.url);
    await client.until(({ body }) => body.includes("\n"));
    client.socket.end();
    assertEquals(await left.promise, "left");
  });

  it("opens no stream for a request that waits behind one", { timeout: 30_000 }, async () => {
    const left = Promise.withResolvers<void>();
    await using broker = new Broker({ onUnsubscribe: () => left.resolve() });
    let asked = 0;
    const handler = createHandler(broker, { topics: "a" });
    await using server = await serve((request) => (asked++, handler(request)), { port: 0 });
    const client = await RawClient.open(server.url);
    for (let i = 0; i < 50; i++) client.socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    if (runtime === "bun") {
      await client.until(({ closed }) => closed); // Bun takes nothing behind a stream
    } else {
      await client.until(({ body }) => body.includes("\n"));
      await broker.publish("a", { data: "1" });
      await client.until(({ events }) => events.length === 1);
      assertEquals([asked, broker.stats().subscribers], [1, 1]);
    }
    client.leave();
    await left.promise;
    await (await fetch(server.url, { method: "POST" })).body?.cancel(); // what came before was looked at
    assertEquals([asked, broker.stats().subscribers], [2, 0]);
  });

  it("breaks off a connection that sends requests without end behind a stream", { timeout: 30_000 }, async () => {
    await using broker = new Broker();
    await using server = await serve(createHandler(broker, { topics: "a" }), { port: 0 });
    const client = await RawClient.open(server.url);
    await client.until(({ body, closed }) => closed || body.includes("\n"));
    for (let i = 0; i < 1_000; i++) client.socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    await client.until(({ closed }) => closed);
  });
});
