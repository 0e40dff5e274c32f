import { assert, assertEquals, assertGreater } from "@std/assert";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { connect } from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { createGzip } from "node:zlib";
import { Broker, createHandler } from "../../mod.ts";
import { toNodeListener } from "../../src/adapters/node.ts";
import type { ServeHandler } from "../../src/server/serve_options.ts";
import { RawClient } from "../support/raw_client.ts";
import { runtime, serve } from "../support/runtime.ts";
import { tls } from "../support/tls.ts";

/** Of who takes nothing. */
const TIMEOUT_MS = 300;
/** Of who takes something several times in that, on a busy machine as well. */
const LONG_TIMEOUT_MS = 1_200;

interface Fixture {
  readonly broker: Broker;
  readonly handler: ServeHandler;
  readonly ended: Promise<string>;
}

/** With a write time-out that is short, of a broker that looks often. */
function test(
  says: string,
  run: (fixture: Fixture) => Promise<void>,
  writeTimeout = TIMEOUT_MS,
): void {
  it(says, { timeout: 60_000 }, async () => {
    const ended = Promise.withResolvers<string>();
    await using broker = new Broker({
      heartbeat: 50,
      writeTimeout,
      onUnsubscribe: (_, reason) => ended.resolve(reason),
    });
    const handler = createHandler(broker, { topics: "a", maxBufferedBytes: 262_144 });
    await run({ broker, handler, ended: ended.promise });
  });
}

/** Publishes until somebody who reads nothing is ended. */
async function publishUntil(broker: Broker, ended: Promise<string>, data: string): Promise<string> {
  let reason: string | undefined;
  void ended.then((why) => reason = why);
  while (reason === undefined) {
    await broker.publish("a", { data });
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return reason;
}

/** Stalls, is ended by the time-out, and finds its connection closed. */
async function stall({ broker, ended }: Fixture, client: RawClient, data = "x".repeat(65_536)): Promise<void> {
  await client.until(({ body }) => body.length > 0);
  client.socket.pause();
  assertEquals(await publishUntil(broker, ended, data), "timeout");
  client.socket.resume();
  await client.until(({ closed }) => closed);
  assertEquals(client.body.endsWith("\r\n0\r\n\r\n"), false);
}

describe(`writeTimeout on ${runtime}`, () => {
  for (
    const [says, head, headers] of [
      ["HTTP/1.1", "GET / HTTP/1.1", {}],
      ["HTTP/1.0", "GET / HTTP/1.0", {}],
      ["HTTP/1.0 with keep-alive", "GET / HTTP/1.0", { connection: "keep-alive" }],
    ] as const
  ) {
    test(`closes the connection of a client that takes nothing, over ${says}`, async (fixture) => {
      await using server = await serve(fixture.handler, { port: 0 });
      await stall(fixture, await RawClient.open(server.url, head, headers));
    });
  }

  test("closes it for one event that is larger than all buffers", async (fixture) => {
    await using server = await serve(fixture.handler, { port: 0 });
    await stall(fixture, await RawClient.open(server.url), "x".repeat(16 << 20));
  });

  for (
    const [says, wrap] of [
      ["piped through middleware", (body: ReadableStream<Uint8Array>) => body.pipeThrough(new TransformStream())],
      ["put into another response", (body: ReadableStream<Uint8Array>) => body],
    ] as const
  ) {
    test(`closes it where the response was ${says}`, async (fixture) => {
      const { handler } = fixture;
      await using server = await serve(async (request, info) => {
        const response = await handler(request, info);
        return new Response(wrap(response.body!), response);
      }, { port: 0, onError: () => undefined });
      await stall(fixture, await RawClient.open(server.url));
    });
  }

  for (const head of ["GET / HTTP/1.1", "GET / HTTP/1.0"]) {
    test(
      `cuts nobody who reads slowly, however large the event: ${head}`,
      async ({ broker, handler, ended }) => {
        await using server = await serve(handler, { port: 0 });
        const client = await RawClient.open(server.url, head);
        await client.until(({ body }) => body.length > 0);
        let reason: string | undefined;
        void ended.then((why) => reason = why);
        // Larger than what the system holds for a connection: it is under way for several time-outs
        let read = 0;
        client.socket.removeAllListeners("data");
        const size = 15 << 20;
        await broker.publish("a", { data: "x".repeat(size) });
        let pauses = 0;
        client.socket.on("data", (bytes: Uint8Array) => {
          read += bytes.length;
          client.socket.pause();
          pauses++;
          setTimeout(() => client.socket.resume(), runtime === "bun" ? 80 : 20); // Bun reads more at once
        });
        while (read < size && reason === undefined) await new Promise((resolve) => setTimeout(resolve, 10));
        assertEquals(reason, undefined);
        assertGreater(pauses, 30); // it was not read at once
        assert(!client.closed);
        client.leave();
      },
      LONG_TIMEOUT_MS,
    );
  }
});

// Bun.serve is not built on node:http, and speaks no HTTP/2 by default
if (runtime !== "bun") {
  describe(`writeTimeout on ${runtime}, through node:http and node:http2`, () => {
    test("closes it behind middleware that compresses", async (fixture) => {
      const listener = toNodeListener(fixture.handler);
      const server: Server = createServer((request, response) => {
        const gzip = createGzip({ level: 0 });
        const { write, on } = response;
        gzip.on("data", (bytes: Uint8Array) => write.call(response, bytes, "utf8") || gzip.pause());
        on.call(response, "drain", () => gzip.resume());
        response.write = ((bytes: Uint8Array) => gzip.write(bytes)) as typeof response.write;
        response.on = ((event: string, run: () => void) =>
          event === "drain" ? gzip.on(event, run) : on.call(response, event, run)) as typeof response.on;
        (response as { flush?: () => void }).flush = () =>
          gzip.flush();
        listener(request, response);
      });
      await once(server.listen(0, "127.0.0.1"), "listening");
      await stall(fixture, await RawClient.open(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`));
      await new Promise((resolve) => server.close(resolve));
    });

    test("closes the session of HTTP/2 that has no other stream", async (fixture) => {
      await using server = await serve(fixture.handler, { port: 0, tls });
      const session = connect(server.url, { rejectUnauthorized: false });
      session.on("error", () => {});
      const closed = once(session, "close");
      const stream = session.request({ ":path": "/" });
      stream.on("error", () => {});
      await once(stream, "response");
      stream.pause(); // the stream's window fills; the session itself goes on
      assertEquals(await publishUntil(fixture.broker, fixture.ended, "x".repeat(65_536)), "timeout");
      await closed;
    });

    test("resets a stream of HTTP/2 beside others, which go on", async (fixture) => {
      const { broker, handler } = fixture;
      await using server = await serve((request, info) => {
        return request.url.endsWith("/other")
          ? createHandler(broker, { topics: "b" })(request)
          : handler(request, info);
      }, { port: 0, tls });
      const session = connect(server.url, { rejectUnauthorized: false });
      session.on("error", () => {});
      const other = session.request({ ":path": "/other" });
      let text = "";
      other.on("data", (bytes: Uint8Array) => text += new TextDecoder().decode(bytes));
      const stream = session.request({ ":path": "/" });
      stream.on("error", () => {});
      await Promise.all([once(stream, "response"), once(other, "response")]);
      stream.pause();
      assertEquals(await publishUntil(broker, fixture.ended, "x".repeat(65_536)), "timeout");
      stream.resume();
      await broker.publish("b", { data: "still here" });
      while (!text.includes("still here")) await once(other, "data");
      session.destroy();
    });
  });
}
