/**
 * `serve()` on `node:http`, and `toNodeListener()` for servers that you have
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
import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { ServeHandler, ServeOptions, Server } from "../server/serve_options.ts";
import { Serving } from "../server/serving.ts";
import { Connections } from "./node_connections.ts";
import { type NodeInfo, type NodeListener, nodeListener } from "./node_listener.ts";
import { serveOverNode } from "./node_server.ts";

export type { ServeHandler, ServeInfo, ServeOptions, Server } from "../server/serve_options.ts";
export type { NodeInfo, NodeListener } from "./node_listener.ts";

/**
 * Turns a handler into a listener of `node:http`, `node:https`, `node:http2`,
 * or a route of Express.
 *
 * A body that Express or another middleware has read cannot be read again.
 * Register the listener before such middleware, or use what it parsed.
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
 * @example What a middleware of Express has found out
 * ```ts
 * import { Broker, createHandler } from "@freshet/sse";
 * import { type NodeInfo, toNodeListener } from "@freshet/sse/node";
 * import type { IncomingMessage } from "node:http";
 *
 * type Authenticated = IncomingMessage & { readonly user: { readonly id: string } }; // or Express's own `Request`
 *
 * const handler = createHandler<NodeInfo<Authenticated>>(new Broker(), {
 *   topics: (_request, { incoming }) => `users/${incoming.user.id}`,
 * });
 * const listener = toNodeListener(handler); // app.get("/events", listener)
 * ```
 *
 * @param handler Answers each request. It is also given Node's own request, of the type that it names.
 * @param options What to do with errors.
 */
export function toNodeListener<FromHost = IncomingMessage | Http2ServerRequest>(
  handler: (request: Request, info: NodeInfo<FromHost>) => Response | Promise<Response>,
  options: Pick<ServeOptions, "onError"> = {},
): NodeListener {
  // What the host calls it with is of the type that the caller has named
  return nodeListener(new Serving(handler as ServeHandler, options), new Connections());
}

/**
 * Serves a handler on `node:http`; with `tls` on `node:http2`, which speaks
 * HTTP/1.1 as well.
 *
 * @param handler Answers each request.
 * @param options Where to listen, and how.
 * @returns The server, once it listens.
 * @throws {TypeError | RangeError} (as a rejection) If an option is unknown, or not what it must be.
 * @throws {Error} (as a rejection) If it cannot listen: Node's own error, such as `EADDRINUSE`.
 */
export async function serve(handler: ServeHandler, options: ServeOptions = {}): Promise<Server> {
  return await serveOverNode(handler, options);
}
