import { assert, assertEquals } from "@std/assert";
import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from "node:http2";
import { describe, it } from "node:test";
import { Broker, createHandler, eventStream } from "../../mod.ts";
import type { ServeHandler, ServeOptions } from "../../src/server/serve_options.ts";
import { runtime, serve } from "../support/runtime.ts";
import { tls } from "../support/tls.ts";

/** An answer over HTTP/2: its head, and its body as it comes. */
class Exchange {
  readonly stream: ClientHttp2Stream;
  readonly head: Promise<IncomingHttpHeaders & { ":status"?: number }>;
  text = "";
  #wake = (): void => {};

  constructor(stream: ClientHttp2Stream) {
    this.stream = stream;
    this.head = new Promise((resolve) => stream.once("response", resolve));
    stream.on("error", () => {}); // `close` follows
    stream.on("data", (bytes: Uint8Array) => {
      this.text += new TextDecoder().decode(bytes);
      this.#wake();
    });
    stream.on("close", () => this.#wake());
  }

  async until(condition: (exchange: this) => boolean): Promise<void> {
    while (!condition(this)) await new Promise<void>((resolve) => this.#wake = resolve);
  }
}

function test(
  says: string,
  handler: ServeHandler,
  run: (session: ClientHttp2Session, url: string) => Promise<void>,
  options: ServeOptions = {},
): void {
  it(says, { timeout: 30_000 }, async () => {
    const server = await serve(handler, { port: 0, tls, ...options });
    const session = connect(server.url, { rejectUnauthorized: false });
    session.on("error", () => {});
    try {
      await run(session, server.url);
    } finally {
      session.destroy();
      await server.close();
    }
  });
}

// Bun.serve speaks no HTTP/2 by default
if (runtime !== "bun") {
  describe(`serve() on ${runtime}, over HTTP/2`, () => {
    test("leaves out headers of a connection", () =>
      new Response("x", {
        headers: {
          connection: "keep-alive, x-hop",
          "keep-alive": "timeout=5",
          "proxy-connection": "keep-alive",
          "transfer-encoding": "chunked",
          te: "gzip",
          upgrade: "h2c",
          "http2-settings": "x",
          "x-hop": "1",
          "x-end": "2",
        },
      }), async (session) => {
      const exchange = new Exchange(session.request({ ":path": "/" }));
      const head = await exchange.head;
      assertEquals([head[":status"], head["x-end"], head["x-hop"], head.connection], [200, "2", undefined, undefined]);
      await exchange.until(({ stream }) => stream.closed);
      assertEquals(exchange.text, "x");
    });

    test(
      "sends cookies apart",
      () => new Response(null, { headers: [["set-cookie", "a=1"], ["set-cookie", "b=2; Path=/"]] }),
      async (session) => {
        const { head } = new Exchange(session.request({ ":path": "/" }));
        assertEquals((await head)["set-cookie"], ["a=1", "b=2; Path=/"]);
      },
    );

    test("answers CONNECT and TRACE with 405", () => new Response("x"), async (session) => {
      const connecting = new Exchange(session.request({ ":method": "CONNECT", ":authority": "example.com:443" }));
      assertEquals((await connecting.head)[":status"], 405);
    });

    test("takes a body, and needs not read it", async (request) => {
      return new Response(request.url.endsWith("/read") ? String((await request.text()).length) : "unread");
    }, async (session) => {
      const read = new Exchange(session.request({ ":path": "/read", ":method": "POST" }));
      read.stream.end("x".repeat(300_000));
      await read.until(({ text }) => text === "300000");
      const unread = new Exchange(session.request({ ":path": "/unread", ":method": "POST" }));
      for (let i = 0; i < 10; i++) unread.stream.write("x".repeat(100_000)); // more than a window, and no end
      await unread.until(({ text }) => text === "unread");
      const next = new Exchange(session.request({ ":path": "/next" }));
      await next.until(({ text }) => text === "unread");
    });

    test("resets a stream whose body fails, and keeps its session", (request) => {
      if (request.url.endsWith("/next")) return new Response("next");
      return eventStream(async ({ send }) => {
        await send({ data: "first" });
        throw new Error("mine");
      });
    }, async (session) => {
      const failing = new Exchange(session.request({ ":path": "/" }));
      await failing.until(({ stream }) => stream.closed);
      assertEquals(failing.text, ":\ndata: first\n\n");
      assert(failing.stream.rstCode !== 0);
      const next = new Exchange(session.request({ ":path": "/next" }));
      await next.until(({ text }) => text === "next");
    }, { onError: () => undefined });

    it("ends the subscriber of a stream that was reset before its headers", { timeout: 30_000 }, async () => {
      const left = Promise.withResolvers<string>();
      const asked = Promise.withResolvers<void>();
      const answer = Promise.withResolvers<void>();
      await using broker = new Broker({ onUnsubscribe: (_, reason) => left.resolve(reason) });
      const handler = createHandler(broker, { topics: "a" });
      const server = await serve(async (request) => {
        asked.resolve();
        await answer.promise;
        return await handler(request);
      }, { port: 0, tls });
      const session = connect(server.url, { rejectUnauthorized: false });
      const { stream } = new Exchange(session.request({ ":path": "/" }));
      await asked.promise;
      const closed = once(stream, "close");
      stream.close(8);
      await closed;
      // The server has seen the reset when it answers what was asked after it
      await new Promise((resolve) => session.ping(resolve));
      answer.resolve();
      assertEquals(await left.promise, "left");
      session.destroy();
      await server.close();
    });

    it("ends the subscriber of a stream that is reset, and of a session that goes", { timeout: 30_000 }, async () => {
      let leaving = Promise.withResolvers<string>();
      await using broker = new Broker({ onUnsubscribe: (_, reason) => leaving.resolve(reason) });
      await using server = await serve(createHandler(broker, { topics: "a" }), { port: 0, tls });
      const session = connect(server.url, { rejectUnauthorized: false });
      session.on("error", () => {});
      for (const leave of [(stream: ClientHttp2Stream) => stream.close(8), () => session.destroy()]) {
        leaving = Promise.withResolvers();
        const exchange = new Exchange(session.request({ ":path": "/" }));
        await exchange.until(({ text }) => text.includes("\n"));
        leave(exchange.stream);
        assertEquals(await leaving.promise, "left");
      }
    });

    it("ends its sessions when it closes, after their streams", { timeout: 30_000 }, async () => {
      const ended = Promise.withResolvers<void>();
      const server = await serve((request) =>
        request.url.endsWith("/stream")
          ? eventStream(async ({ send }) => {
            await send({ data: "first" });
            await ended.promise;
            await send({ data: "last" });
          })
          : new Response("x"), { port: 0, tls, closeTimeout: 3_600_000 });
      const idle = connect(server.url, { rejectUnauthorized: false });
      await new Exchange(idle.request({ ":path": "/" })).until(({ text }) => text === "x");
      const busy = connect(server.url, { rejectUnauthorized: false });
      const exchange = new Exchange(busy.request({ ":path": "/stream" }));
      await exchange.until(({ text }) => text.includes("first"));
      const idleEnds = once(idle, "close");
      const closed = server.close();
      await idleEnds;
      ended.resolve();
      await exchange.until(({ text }) => text.includes("last"));
      await closed;
      busy.destroy();
    });
  });
}
