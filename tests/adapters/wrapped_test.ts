import { assertEquals } from "@std/assert";
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { Broker, createHandler } from "../../mod.ts";
import { toNodeListener } from "../../src/adapters/node.ts";
import type { ServeHandler } from "../../src/server/serve_options.ts";
import { RawClient } from "../support/raw_client.ts";
import { runtime, serve } from "../support/runtime.ts";

type Middleware = (response: Response) => Response | Promise<Response>;

/** What middleware does to responses. All of them are streams of the same events to the client. */
const middlewares: Readonly<Record<string, Middleware>> = {
  "returned as it is": (response) => response,
  "given more headers": (response) => {
    response.headers.set("x-middleware", "1");
    return response;
  },
  "made anew with its body": (response) => new Response(response.body, response),
  "made anew twice": (response) =>
    new Response(new Response(response.body, response).body, { headers: response.headers }),
  "cloned, the clone sent and the original cancelled": async (response) => {
    const clone = response.clone();
    // Nobody waits for it: a branch of a tee ends its source only with the other
    void response.body!.cancel();
    await Promise.resolve();
    return clone;
  },
  "cloned, the original sent and the clone read beside it": (response) => {
    void response.clone().text().catch(() => {}); // it fails when the client leaves
    return response;
  },
  "teed, one branch sent and one read": (response) => {
    const [one, two] = response.body!.tee();
    void new Response(two).text().catch(() => {});
    return new Response(one, response);
  },
  "piped through": (response) => new Response(response.body!.pipeThrough(new TransformStream()), response),
  "read for its first chunk, and put together again": async (response) => {
    const reader = response.body!.getReader();
    const first = await reader.read();
    return new Response(
      new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(first.value!),
        async pull(controller) {
          const { done, value } = await reader.read();
          if (done) controller.close();
          else controller.enqueue(value);
        },
        cancel: (reason) => reader.cancel(reason),
      }),
      response,
    );
  },
};

interface Wrapped {
  readonly url: string;
  close(): Promise<void>;
}

/** Where a handler is served: by `serve`, and on a server of one's own where the runtime has that. */
const hosts: Readonly<Record<string, (handler: ServeHandler) => Promise<Wrapped>>> = {
  "serve()": async (handler) => await serve(handler, { port: 0 }),
  ...(runtime !== "bun" && {
    "toNodeListener()": async (handler: ServeHandler) => {
      const server: Server = createServer(toNodeListener(handler));
      await once(server.listen(0, "127.0.0.1"), "listening");
      const close = (): Promise<void> =>
        new Promise((resolve) => {
          server.close(() => resolve());
          server.closeAllConnections();
        });
      return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, close };
    },
  }),
};

for (const [host, open] of Object.entries(hosts)) {
  describe(`${host} on ${runtime}, of a response that was`, () => {
    for (const [how, middleware] of Object.entries(middlewares)) {
      it(
        `${how}: streams, and ends its subscriber with its client`,
        { timeout: 30_000 },
        async () => {
          const left = Promise.withResolvers<string>();
          await using broker = new Broker({ heartbeat: 1_000, onUnsubscribe: (_, reason) => left.resolve(reason) });
          const handler = createHandler(broker, { topics: "a" });
          const server = await open(async (request) => await middleware(await handler(request)));
          const client = await RawClient.open(server.url);
          await client.until(({ body }) => body.includes("\n"));
          for (let i = 0; i < 5; i++) {
            await broker.publish("a", { data: `${i} ${"x".repeat(i * 20_000)}` });
            await client.until(({ events }) => events.length === i + 1);
          }
          assertEquals(client.events.map(({ data }) => data[0]), ["0", "1", "2", "3", "4"]);
          client.leave();
          if (!how.includes("read")) assertEquals(await left.promise, "left"); // else somebody else reads on
          await broker.close();
          await server.close();
        },
      );

      it(`${how}: ends well with its broker`, { timeout: 30_000 }, async () => {
        const broker = new Broker();
        const handler = createHandler(broker, { topics: "a" });
        const server = await open(async (request) => await middleware(await handler(request)));
        const client = await RawClient.open(server.url);
        await client.until(({ body }) => body.includes("\n"));
        await broker.publish("a", { data: "last" });
        await broker.close();
        await client.until(({ body }) => body.endsWith("\r\n0\r\n\r\n"));
        assertEquals(client.events.map(({ type, data }) => type === "message" ? data : type), ["last", "close"]);
        client.leave();
        await server.close();
      });
    }

    it("sent for HEAD: has no body, and ends its subscriber", { timeout: 30_000 }, async () => {
      const left = Promise.withResolvers<string>();
      await using broker = new Broker({ onUnsubscribe: (_, reason) => left.resolve(reason) });
      const handler = createHandler(broker, { topics: "a" });
      const server = await open(({ url }) => handler(new Request(url)));
      const client = await RawClient.open(server.url, "HEAD / HTTP/1.1");
      await client.until(({ text }) => text.includes("\r\n\r\n"));
      assertEquals([client.status, client.body, await left.promise], [200, "", "left"]);
      client.leave();
      await server.close();
    });

    it("made after its client had left: ends its subscriber", { timeout: 30_000 }, async () => {
      const left = Promise.withResolvers<string>();
      const asked = Promise.withResolvers<void>();
      await using broker = new Broker({ onUnsubscribe: (_, reason) => left.resolve(reason) });
      const handler = createHandler(broker, { topics: "a" });
      const server = await open(async (request) => {
        const aborted = new Promise((resolve) => request.signal.addEventListener("abort", resolve));
        asked.resolve();
        await aborted;
        return await handler(new Request(request.url));
      });
      const client = await RawClient.open(server.url);
      await asked.promise;
      client.leave();
      assertEquals(await left.promise, "left");
      await server.close();
    });

    it("thrown away for another: ends its subscriber once it is cancelled", { timeout: 30_000 }, async () => {
      const left = Promise.withResolvers<string>();
      await using broker = new Broker({ onUnsubscribe: (_, reason) => left.resolve(reason) });
      const handler = createHandler(broker, { topics: "a" });
      const server = await open(async (request) => {
        await (await handler(request)).body!.cancel();
        return new Response("too late", { status: 503 });
      });
      const response = await fetch(server.url);
      assertEquals([response.status, await response.text(), await left.promise], [503, "too late", "left"]);
      await server.close();
    });
  });
}
