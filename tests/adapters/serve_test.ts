import { assert, assertEquals, assertLess, assertRejects, assertStringIncludes } from "@std/assert";
import { spawn, spawnSync } from "node:child_process";
import { get } from "node:https";
import { connect as connectHttp2 } from "node:http2";
import process from "node:process";
import readline from "node:readline";
import { describe, it } from "node:test";
import { Broker, type CloseReason, createHandler, eventStream, type HandlerOptions } from "../../mod.ts";
import type { Server } from "../../src/server/serve_options.ts";
import { RawClient } from "../support/raw_client.ts";
import { runtime, serve } from "../support/runtime.ts";
import { tls } from "../support/tls.ts";

interface Fixture {
  readonly broker: Broker;
  readonly server: Server;
  readonly url: string;
  /** Why each subscriber ended, as they do. */
  readonly left: CloseReason[];
  leaving(): Promise<void>;
}

function test(
  says: string,
  run: (fixture: Fixture) => Promise<void>,
  options: Partial<HandlerOptions> = {},
  timeout = 60_000,
) {
  it(says, { timeout }, async () => {
    const left: CloseReason[] = [];
    let wake = (): void => {};
    const broker = new Broker({
      heartbeat: 1_000,
      onUnsubscribe(_, reason) {
        left.push(reason);
        wake();
      },
    });
    const server = await serve(createHandler(broker, { topics: "a", ...options }), { port: 0 });
    const leaving = (): Promise<void> => new Promise((resolve) => left.length > 0 ? resolve() : wake = resolve);
    try {
      await run({ broker, server, url: server.url, left, leaving });
    } finally {
      await server.close();
      await broker.close();
    }
  });
}

const spawnTest = (script: string, ...args: string[]): string[] => {
  const flags = runtime === "deno"
    ? ["run", "-A", "--quiet"]
    : runtime === "node"
    ? ["--import", "./tests/support/resolve.mjs"]
    : [];
  return [...flags, script, ...args];
};

describe(`serve() on ${runtime}`, () => {
  test("sends the first byte at once, with the headers of an event stream", async ({ url }) => {
    const client = await RawClient.open(url);
    await client.until(({ body }) => body.includes("\n\n"));
    assertEquals(client.status, 200);
    assertEquals(client.header("content-type"), "text/event-stream");
    assertEquals(client.header("cache-control"), "no-cache, no-transform");
    assertEquals(client.header("x-accel-buffering"), "no");
    client.leave();
  });

  test("sends events as they are published", async ({ broker, url }) => {
    const client = await RawClient.open(url);
    await client.until(({ body }) => body.includes("\n\n"));
    for (let i = 0; i < 20; i++) {
      await broker.publish("a", { data: `${i} ü🌍` });
      await client.until(({ events }) => events.length === i + 1);
      assertEquals(client.events[i]!.data, `${i} ü🌍`);
    }
    client.leave();
  });

  test("forgets a client that leaves, when its connection closes", async ({ broker, url, left, leaving }) => {
    const client = await RawClient.open(url);
    await client.until(({ body }) => body.includes("\n\n"));
    assertEquals(broker.stats().subscribers, 1);
    client.leave();
    await leaving();
    assertEquals([left, broker.stats().subscribers], [["left"], 0]);
  });

  test("forgets a client whose connection is reset, within a heartbeat", async ({ url, left, leaving }) => {
    const client = await RawClient.open(url);
    await client.until(({ body }) => body.includes("\n\n"));
    client.socket.resetAndDestroy();
    await leaving();
    assertEquals(left, ["left"]);
  });

  test("resumes by Last-Event-ID", async ({ broker, url }) => {
    const ids = await Promise.all([1, 2, 3].map((data) => broker.publish("a", { data })));
    for (
      const [head, headers] of [
        ["GET / HTTP/1.1", { "last-event-id": ids[0]! }],
        [`GET /?lastEventId=${encodeURIComponent(ids[0]!)} HTTP/1.1`, {}],
      ] as [string, Record<string, string>][]
    ) {
      const client = await RawClient.open(url, head, headers);
      await client.until(({ events }) => events.length === 2);
      assertEquals(client.events.map(({ data }) => data), ["2", "3"]);
      client.leave();
    }
  });

  test("understands a non-ASCII Last-Event-ID", async ({ broker, url }) => {
    await broker.publish("a", { data: "1", id: "ü🌍" });
    await broker.publish("a", { data: "2" });
    const client = await RawClient.open(url, "GET / HTTP/1.1", {});
    client.leave();
    const raw = await RawClient.open(url, "GET / HTTP/1.1\r\nlast-event-id: ü🌍");
    await raw.until(({ events }) => events.length === 1);
    assertEquals(raw.events[0]!.data, "2");
    raw.leave();
  });

  test("holds no more for a stalled client than its budget", async ({ broker, url }) => {
    const client = await RawClient.open(url);
    await client.until(({ body }) => body.includes("\n\n"));
    client.socket.pause();
    const data = "x".repeat(64 * 1024);
    let last = -1;
    // The kernel takes a few MiB, the budget a quarter; after that nothing more is handed over
    for (let i = 0; i < 1_000; i++) {
      await broker.publish("a", { data });
      if (i % 100 === 99) {
        await new Promise((resolve) => setTimeout(resolve, 0));
        last = broker.stats().bytes;
      }
    }
    assertLess(last, 16 * 1024 * 1024);
    const other = await RawClient.open(url);
    await other.until(({ body }) => body.includes("\n\n"));
    await broker.publish("a", { data: "to the other" });
    await other.until(({ events }) => events.length === 1);
    other.leave();
    client.leave();
  }, { maxBufferedBytes: 256 * 1024 });

  test("goes on with a stalled client when it reads again, and loses nothing", async ({ broker, url }) => {
    const client = await RawClient.open(url);
    await client.until(({ body }) => body.includes("\n\n"));
    client.socket.pause();
    const pad = "x".repeat(32 * 1024);
    for (let i = 0; i < 600; i++) await broker.publish("a", { data: `${i} ${pad}` });
    client.socket.resume();
    await client.until(({ events }) => events.length === 600);
    assertEquals(client.events.map(({ data }) => parseInt(data)), Array.from({ length: 600 }, (_, i) => i));
    client.leave();
  }, { maxBufferedBytes: 64 * 1024 });

  test("never opens a stream for HEAD", async ({ broker, url }) => {
    const client = await RawClient.open(url, "HEAD / HTTP/1.1", { connection: "close" });
    await client.until(({ closed }) => closed);
    assertEquals([client.status, client.header("content-type"), client.body], [200, "text/event-stream", ""]);
    assertEquals(broker.stats().subscribers, 0);
  });

  test("answers wrong methods with 405 and what it allows", async ({ url }) => {
    for (const method of ["POST", "PUT", "DELETE"]) {
      const response = await fetch(url, { method });
      assertEquals([response.status, response.headers.get("allow")], [405, "GET, HEAD, OPTIONS"]);
      assertStringIncludes((await response.json()).detail, method);
    }
  });

  test("answers 406 when Accept excludes event streams", async ({ url }) => {
    for (const accept of ["application/json", "text/html, */*;q=0", "text/event-stream;q=0, */*"]) {
      const response = await fetch(url, { headers: { accept } });
      assertEquals(response.status, 406, accept);
      await response.body?.cancel();
    }
  });

  test("answers POST when told to, with the body for whoever decides", async ({ broker, url }) => {
    const response = await fetch(url, { method: "POST", body: "b" });
    await broker.publish("b", { data: "1" });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes("data: 1")) text += (await reader.read()).value;
    await reader.cancel();
  }, { methods: ["POST"], topics: async (request) => await request.text() });

  test("answers 500 for a handler that throws, and tells onError", async () => {
    const errors: unknown[] = [];
    const server = await serve(() => {
      throw new Error("mine");
    }, { port: 0, onError: (error) => void errors.push((error as Error).message) });
    const response = await fetch(server.url);
    assertEquals([response.status, errors], [500, ["mine"]]);
    await response.body?.cancel();
    await server.close();
  });

  test("rejects when it cannot listen", async ({ url }) => {
    const error = await assertRejects(() => serve(() => new Response(), { port: Number(new URL(url).port) }));
    assert(error instanceof Error);
  });

  test("tells the handler the connection's address", async () => {
    const server = await serve((_, { remoteAddress }) => new Response(remoteAddress), { port: 0 });
    assertEquals(await (await fetch(server.url)).text(), "127.0.0.1");
    await server.close();
  });

  test("streams what eventStream makes, and stops its source when the client leaves", async () => {
    const stopped = Promise.withResolvers<void>();
    const server = await serve(() =>
      eventStream(async ({ send, signal }) => {
        signal.addEventListener("abort", () => stopped.resolve());
        for (let i = 0; !signal.aborted; i++) await send({ data: String(i) });
      }), { port: 0 });
    const client = await RawClient.open(server.url);
    await client.until(({ events }) => events.length > 5);
    client.leave();
    await stopped.promise;
    await server.close();
  });

  test("serves HTTP/1.0, which knows no chunks", async ({ broker, url }) => {
    const client = await RawClient.open(url, "GET / HTTP/1.0");
    await client.until(({ body }) => body.includes("\n\n"));
    await broker.publish("a", { data: "1" });
    await client.until(({ body }) => body.includes("data: 1\n\n"));
    assertEquals(client.header("transfer-encoding"), undefined);
    client.leave();
  });

  test("sends a body that middleware has wrapped as the middleware made it", async () => {
    const broker = new Broker();
    const handler = createHandler(broker, { topics: "a" });
    const server = await serve(async (request) => {
      const response = await handler(request);
      const shout = new TransformStream<Uint8Array, Uint8Array>({
        transform: (bytes, controller) =>
          controller.enqueue(new TextEncoder().encode(new TextDecoder().decode(bytes).replace("quiet", "LOUD"))),
      });
      return new Response(response.body!.pipeThrough(shout), response);
    }, { port: 0 });
    const client = await RawClient.open(server.url);
    await client.until(({ body }) => body.includes("\n\n"));
    await broker.publish("a", { data: "quiet" });
    await client.until(({ events }) => events.length === 1);
    assertEquals(client.events[0]!.data, "LOUD");
    client.leave();
    await broker.close();
    await server.close();
  });

  test(
    "keeps a quiet stream open for longer than a runtime keeps a quiet connection",
    async ({ broker, url }) => {
      const quiet = new Broker(); // the default heartbeat is at 15 s: nothing is written until then
      const handler = createHandler(quiet, { topics: "a" });
      const ours = await serve(handler, { port: 0 });
      const clients = [await RawClient.open(ours.url), await RawClient.open(url)];
      // Given to the runtime's own server as it is, without our adapter
      let stop = (): unknown => undefined;
      if (runtime === "bun") {
        // deno-lint-ignore no-explicit-any
        const { Bun } = globalThis as any;
        for (const fetch of [handler, (request: Request) => handler(request)]) {
          const plain = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch });
          const before = stop;
          stop = () => (before(), plain.stop(true));
          clients.push(await RawClient.open(`http://127.0.0.1:${plain.port}/`));
        }
      } else if (runtime === "deno") {
        const plain = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, handler);
        stop = () => plain.shutdown();
        clients.push(await RawClient.open(`http://127.0.0.1:${plain.addr.port}/`));
      }
      await Promise.all(clients.map((client) => client.until(({ body }) => body.includes("\n\n"))));
      await new Promise((resolve) => setTimeout(resolve, 12_000)); // Bun ends it after 10 s
      await Promise.all([quiet, broker].map((broker) => broker.publish("a", { data: "still here" })));
      for (const client of clients) {
        await client.until(({ events, closed }) => events.length === 1 || closed);
        assertEquals(client.events.length, 1);
        client.leave();
      }
      await quiet.close();
      await ours.close();
      await stop();
    },
    {},
    90_000,
  );

  test(
    "takes 10,000 connections at once",
    async ({ broker, url }) => {
      const [port, count] = [new URL(url).port, 10_000];
      const child = spawn(process.execPath, spawnTest("tests/support/many_clients.ts", port, String(count)), {
        stdio: ["pipe", "pipe", "inherit"],
      });
      const [line] = await new Promise<string[]>((resolve) =>
        readline.createInterface({ input: child.stdout }).once("line", (line) => resolve([line]))
      );
      assertEquals(JSON.parse(line!), { begun: count, failed: 0 });
      assertEquals(broker.stats().subscribers, count);
      await broker.publish("a", { data: "to all" });
      while (broker.stats().delivered < count) await new Promise((resolve) => setTimeout(resolve, 10));
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.stdin.write("\n");
      await ended;
      while (broker.stats().subscribers > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    },
    {},
    90_000,
  );

  it("closes cleanly: the process ends by itself", { timeout: 60_000 }, () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, spawnTest("tests/support/shutdown_server.ts"), {
      encoding: "utf8",
      timeout: 30_000,
    });
    assertEquals([status, stdout.trim()], [0, "told 20"], stderr);
  });

  it("closes by its signal", { timeout: 30_000 }, async () => {
    const leaving = new AbortController();
    const server = await serve(() => new Response("x"), { port: 0, signal: leaving.signal });
    await (await fetch(server.url)).text();
    leaving.abort();
    await server.close();
    await assertRejects(() => fetch(server.url));
  });

  it("serves HTTPS, and HTTP/2 where the runtime has it", { timeout: 30_000 }, async () => {
    const broker = new Broker();
    const server = await serve(createHandler(broker, { topics: "a" }), { port: 0, tls });
    assertStringIncludes(server.url, "https://");
    const first = await new Promise<string>((resolve, reject) => {
      const request = get(server.url, { rejectUnauthorized: false }, (response) => {
        response.once("data", (bytes: Uint8Array) => {
          resolve(`${response.statusCode} ${new TextDecoder().decode(bytes)}`);
          request.destroy();
        });
      });
      request.on("error", reject);
    });
    assertStringIncludes(first, "200 ");
    if (runtime === "node") {
      const session = connectHttp2(server.url, { rejectUnauthorized: false });
      const stream = session.request({ ":path": "/" });
      const events = new Promise<string>((resolve) => {
        let text = "";
        stream.on("data", (bytes: Uint8Array) => {
          text += new TextDecoder().decode(bytes);
          if (text.includes("data: over h2")) resolve(text);
        });
      });
      await new Promise((resolve) => stream.once("response", resolve));
      await broker.publish("a", { data: "over h2" });
      await events;
      session.destroy();
    }
    await broker.close();
    await server.close();
  });
});
