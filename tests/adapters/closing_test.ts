import { assert, assertEquals, assertRejects } from "@std/assert";
import { createConnection, type Socket } from "node:net";
import { describe, it } from "node:test";
import { Broker, createHandler, eventStream } from "../../mod.ts";
import { RawClient } from "../support/raw_client.ts";
import { runtime, serve } from "../support/runtime.ts";

/** A time that no test waits for: what ends before has not waited. */
const NEVER = 3_600_000;

/** Whether somebody who is new is accepted. */
async function accepts(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  const socket: Socket = createConnection({ host: hostname, port: Number(port) });
  const accepted = await new Promise<boolean>((resolve) => {
    socket.once("connect", () => socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n"));
    socket.once("data", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("close", () => resolve(false));
  });
  socket.destroy();
  return accepted;
}

describe(`close() on ${runtime}`, () => {
  it("does not wait for connections that are idle", { timeout: 30_000 }, async () => {
    const server = await serve(() => new Response("x"), { port: 0, closeTimeout: NEVER });
    const unused = await RawClient.open(server.url, "GET / HTTP/1.1\r\nx-never: ended");
    const used = await RawClient.open(server.url);
    await used.until(({ body }) => body.includes("x"));
    unused.socket.write("half of a head"); // it has no request under way either
    await server.close();
    await Promise.all([used, unused].map((client) => client.until(({ closed }) => closed)));
  });

  it("accepts nobody new while responses are under way", { timeout: 30_000 }, async () => {
    const ended = Promise.withResolvers<void>();
    const server = await serve(() =>
      eventStream(async ({ send }) => {
        await send({ data: "first" });
        await ended.promise;
        await send({ data: "last" });
      }), { port: 0, closeTimeout: NEVER });
    const client = await RawClient.open(server.url);
    await client.until(({ events }) => events.length === 1);
    const closed = server.close();
    assertEquals(await accepts(server.url), false);
    ended.resolve();
    await client.until(({ body }) => body.endsWith("\r\n0\r\n\r\n"));
    assertEquals(client.events.map(({ data }) => data), ["first", "last"]);
    await client.until(({ closed }) => closed);
    await closed;
  });

  it("ends a connection with its response, and says so where it still can", { timeout: 30_000 }, async () => {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    const server = await serve(async () => {
      asked.resolve();
      await answer.promise;
      return new Response("answered", { headers: { connection: "keep-alive" } });
    }, { port: 0, closeTimeout: NEVER });
    const client = await RawClient.open(server.url);
    await asked.promise;
    const closed = server.close();
    answer.resolve();
    await client.until(({ closed }) => closed);
    assert(client.body.includes("answered"));
    if (runtime !== "bun") assertEquals(client.header("connection"), "close"); // Bun closes without a word
    await closed;
  });

  it("tells a client that asks again and again once, not hundreds of times", { timeout: 30_000 }, async () => {
    const broker = new Broker();
    let asked = 0;
    const handler = createHandler(broker, { topics: "a" });
    const gone = Promise.withResolvers<void>();
    const server = await serve((request) => (asked++, handler(request)), {
      port: 0,
      closeTimeout: NEVER,
      onClosing: () => gone.promise,
    });
    // On one connection, as soon as the stream before has ended
    const client = await RawClient.open(server.url);
    await client.until(({ body }) => body.includes("\n"));
    const closed = server.close();
    const answers = (): number => client.text.split("HTTP/1.1 200").length - 1;
    gone.resolve();
    for (let seen = 1; !client.closed;) {
      await client.until(({ text, closed }) => closed || text.endsWith("\r\n0\r\n\r\n"));
      client.socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
      await client.until(({ closed }) => closed || answers() > seen);
      seen = answers();
    }
    assertEquals([asked, answers()], [1, 1]);
    await closed;
    await broker.close();
  });

  it(
    "tells an event stream whose request came with the end of a body that nobody read",
    { timeout: 30_000 },
    async () => {
      await using broker = new Broker({ heartbeat: 0 });
      const handler = createHandler(broker, { topics: "a" });
      const server = await serve((request) => request.method === "POST" ? new Response("answered") : handler(request), {
        port: 0,
        closeTimeout: NEVER,
      });
      const client = await RawClient.open(server.url, "POST / HTTP/1.1", { "content-length": "10" });
      client.socket.write("12345");
      await client.until(({ text }) => text.includes("answered"));
      await new Promise((resolve) => setTimeout(resolve, 20)); // the response has ended, and the rest is waited for
      client.socket.write("67890GET / HTTP/1.1\r\nhost: a\r\n\r\n");
      await client.until(({ text, closed }) => closed || text.includes("text/event-stream"));
      const opened = client.text.includes("text/event-stream");
      if (opened) {
        await broker.publish("a", { data: "first" });
        await client.until(({ text }) => text.includes("data: first"));
        await broker.publish("a", { data: "last" });
      }
      await server.close();
      await client.until(({ closed }) => closed);
      // Bun does not go on with a connection whose body it has not read
      const ended = client.text.includes("data: last") && client.text.endsWith("\r\n0\r\n\r\n");
      assertEquals([opened, ended], runtime === "bun" ? [opened, opened] : [true, true]);
    },
  );

  it("cuts what has not ended after closeTimeout", { timeout: 30_000 }, async () => {
    const server = await serve(() => eventStream(() => new Promise(() => {})), { port: 0, closeTimeout: 50 });
    const client = await RawClient.open(server.url);
    await client.until(({ body }) => body.includes("\n"));
    await server.close();
    await client.until(({ closed }) => closed);
  });

  it("cuts a client that stalls", { timeout: 30_000 }, async () => {
    const server = await serve(() =>
      eventStream(async ({ send, signal }) => {
        while (!signal.aborted) await send({ data: "x".repeat(65_536) });
      }), { port: 0, closeTimeout: 50 });
    const client = await RawClient.open(server.url);
    await client.until(({ body }) => body.includes("\n"));
    client.socket.pause();
    await server.close();
    client.leave();
  });

  it("closes all the same when onClosing throws", { timeout: 30_000 }, async () => {
    const errors: unknown[] = [];
    const server = await serve(() => new Response("x"), {
      port: 0,
      onError: (error) => void errors.push((error as Error).message),
      onClosing: () => {
        throw new Error("mine");
      },
    });
    await server.close();
    assertEquals(errors, ["mine"]);
    assertEquals(await accepts(server.url), false);
  });

  it("may be called again and at once, and twice", { timeout: 30_000 }, async () => {
    const server = await serve(() => new Response("x"), { port: 0 });
    await Promise.all([server.close(), server.close(), server[Symbol.asyncDispose]()]);
    await server.close();
  });

  it("refuses a closeTimeout that is none", async () => {
    for (const closeTimeout of [-1, NaN]) {
      const error = await assertRejects(() => serve(() => new Response(), { port: 0, closeTimeout }));
      assert(error instanceof RangeError);
    }
  });
});
