import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, createHandler } from "../../mod.ts";
import type { ServeHandler } from "../../src/server/serve_options.ts";
import { RawClient } from "../support/raw_client.ts";
import { runtime, serve } from "../support/runtime.ts";
import { random, SEED } from "../support/seed.ts";
import { until } from "../support/until.ts";

const CONNECT = "CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n";

/** What a client sends before it resets its connection. */
const sent: readonly [says: string, text: string][] = [
  ["nothing", ""],
  ["a part of a head", "GET / HTTP/1.1\r\nx-half: "],
  ["what is no HTTP", "\0\x01 nonsense\r\n\r\n"],
  ["CONNECT", CONNECT],
  ["CONNECT and what is for a tunnel", `${CONNECT}${"x".repeat(1_000)}`],
  ["a request to upgrade", "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"],
  ["a request that expects 100", "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n"],
  ["a part of a body", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n12345"],
  ["a request, and one behind it", "GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(2)],
  ["a request, and CONNECT behind it", `GET / HTTP/1.1\r\nhost: a\r\n\r\n${CONNECT}`],
];

/** Of event streams, and of an answer that comes late: the errors of each are another path. */
const handlers: readonly [says: string, make: (broker: Broker) => ServeHandler][] = [
  ["event streams", (broker) => createHandler(broker, { topics: "a", methods: ["GET", "POST"] })],
  ["a late answer", () => async () => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return new Response("x".repeat(1_000));
  }],
];

describe(`serve() on ${runtime}, when a connection is reset`, () => {
  for (const [serves, make] of handlers) {
    for (const [says, text] of sent) {
      it(`goes on serving ${serves} after ${says}`, { timeout: 60_000 }, async () => {
        const broker = new Broker();
        const handler = make(broker);
        const server = await serve((request, info) => {
          return request.url.endsWith("/alive") ? new Response("alive") : handler(request, info);
        }, { port: 0, onError: () => undefined });
        const next = random(SEED);
        for (let i = 0; i < 40; i++) {
          const client = await RawClient.raw(server.url, text);
          if (next() < 0.7) await new Promise((resolve) => setTimeout(resolve, next() * 10));
          else if (next() < 0.5) await new Promise((resolve) => setImmediate(resolve));
          client.socket.resetAndDestroy();
        }
        await broker.publish("a", { data: "who writes to a connection that is gone fails alone" });
        assertEquals(await (await fetch(`${server.url}alive`)).text(), "alive");
        await until(() => broker.stats().subscribers === 0);
        await server.close();
        await broker.close();
      });
    }
  }
});

describe(`serve() on ${runtime}, asked for a tunnel behind another request`, () => {
  const behind = `GET / HTTP/1.1\r\nhost: a\r\n\r\n${CONNECT}`;

  it("ends the event stream with its connection", { timeout: 60_000 }, async () => {
    const left = Promise.withResolvers<string>();
    await using broker = new Broker({ heartbeat: 50, onUnsubscribe: (_, reason) => left.resolve(reason) });
    await using server = await serve(createHandler(broker, { topics: "a" }), { port: 0 });
    const client = await RawClient.raw(server.url, behind);
    if (runtime === "bun") client.leave(); // Bun takes nothing behind a stream
    await client.until(({ closed }) => closed);
    assertEquals(await left.promise, "left");
    await broker.publish("a", { data: "to nobody" });
    assertEquals(broker.stats().subscribers, 0);
  });

  it("breaks the connection off while an answer is under way", { timeout: 60_000 }, async () => {
    await using server = await serve(async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return new Response("late");
    }, { port: 0 });
    const client = await RawClient.raw(server.url, behind);
    if (runtime !== "bun") await client.until(({ closed }) => closed); // Bun takes nothing behind it
    client.leave();
    assertEquals(await (await fetch(server.url)).text(), "late");
  });

  it("refuses it once the answer has been sent, and closes", { timeout: 60_000 }, async () => {
    await using server = await serve(() => new Response("first"), { port: 0 });
    const client = await RawClient.open(server.url);
    await client.until(({ text }) => text.includes("first"));
    client.socket.write(CONNECT);
    await client.until(({ text }) => text.includes("HTTP/1.1 405"));
    if (runtime !== "bun") await client.until(({ closed }) => closed);
    client.leave();
  });
});
