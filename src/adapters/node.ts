/**
 * `serve()` on `node:http`, and `toNodeListener()` for servers that are there
 * already: `node:http`, `node:https`, `node:http2`, Express, Fastify.
 *
 * @example A server on Node
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Broker, createHandler } from "@freshet/sse";
 * import { serve } from "@freshet/sse/node";
 *
 * await using broker = new Broker();
 * await using server = await serve(createHandler(broker, { topics: "news" }), { port: 0 });
 * const response = await fetch(server.url);
 * assertEquals(response.headers.get("content-type"), "text/event-stream");
 * await response.body?.cancel();
 * ```
 *
 * @module
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { AddressInfo } from "node:net";
import type { ServeHandler, ServeOptions, Server } from "../server/serve_options.ts";
import { Serving, urlOf } from "../server/serving.ts";
import { toRequest } from "./node_request.ts";
import { Responder } from "./node_response.ts";

export type { ServeHandler, ServeInfo, ServeOptions, Server } from "../server/serve_options.ts";

/** What a server of `node:http` or `node:http2` calls for each request. */
export type NodeListener = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
) => void;

/**
 * Turns a handler into a listener of `node:http`, `node:https`, `node:http2`,
 * or a route of Express.
 *
 * A body that Express or another middleware has read is not there to be read
 * again: register the listener before it, or use what it parsed.
 *
 * @example On a server of one's own
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createServer } from "node:http";
 * import { once } from "node:events";
 * import { eventStream } from "@freshet/sse";
 * import { toNodeListener } from "@freshet/sse/node";
 *
 * const server = createServer(toNodeListener(() => eventStream(async ({ send }) => await send({ data: "hello" }))));
 * await once(server.listen(0, "127.0.0.1"), "listening");
 * const { port } = server.address() as { port: number };
 * const response = await fetch(`http://127.0.0.1:${port}/`);
 * assertEquals(await response.text(), ":\ndata: hello\n\n");
 * server.close();
 * server.closeAllConnections();
 * ```
 *
 * @param handler Answers each request.
 * @param options What becomes of errors.
 */
export function toNodeListener(handler: ServeHandler, options: Pick<ServeOptions, "onError"> = {}): NodeListener {
  return listener(new Serving(handler, options));
}

/**
 * Serves a handler on `node:http`; with `tls` on `node:http2`, which speaks
 * HTTP/1.1 as well.
 *
 * @param handler Answers each request.
 * @param options Where to listen, and how.
 * @returns The server, once it listens.
 * @throws {Error} (as a rejection) If it cannot listen: Node's own error, such as `EADDRINUSE`.
 */
export async function serve(handler: ServeHandler, options: ServeOptions = {}): Promise<Server> {
  const { port = 8000, hostname = "127.0.0.1", tls, backlog = 4_096, reusePort = false } = options;
  const serving = new Serving(handler, options);
  const listen = listener(serving);
  const server = tls === undefined ? createServer(listen) : createSecureServer({ ...tls, allowHTTP1: true }, listen);
  const sockets = new Set<{ destroy(): void }>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host: hostname, backlog, ...(reusePort && { reusePort }) }, resolve);
  });
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      if ("closeIdleConnections" in server) server.closeIdleConnections();
    });
  return serving.server(urlOf(hostname, (server.address() as AddressInfo).port, tls), stop, () => {
    for (const socket of sockets) socket.destroy();
  });
}

function listener(serving: Serving): NodeListener {
  const responder = new Responder();
  return (incoming, outgoing) => {
    void (async () => {
      try {
        const request = toRequest(incoming, outgoing);
        const response = await serving.respond(request, { remoteAddress: incoming.socket.remoteAddress ?? "" });
        await responder.send(response, incoming, outgoing);
      } catch (error) {
        serving.failed(error);
        outgoing.destroy();
      }
    })();
  };
}
