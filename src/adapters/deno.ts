/**
 * `serve()` on `Deno.serve`. Its connections cost about 58 kB each, most of it
 * native; the Node adapter, which Deno runs as well, a sixth of that.
 *
 * @example A server on Deno
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Broker, createHandler } from "@freshet/sse";
 * import { serve } from "@freshet/sse/deno";
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
import type { ServeHandler, ServeOptions, Server } from "../server/serve_options.ts";
import { Serving, urlOf } from "../server/serving.ts";

export type { ServeHandler, ServeInfo, ServeOptions, Server } from "../server/serve_options.ts";

/**
 * Serves a handler on `Deno.serve`, over HTTP/1.1, and over HTTP/2 with `tls`.
 *
 * @param handler Answers each request.
 * @param options Where to listen, and how.
 * @returns The server, once it listens.
 * @throws {Error} (as a rejection) If it cannot listen: Deno's own error, such as `AddrInUse`.
 */
// deno-lint-ignore require-await
export async function serve(handler: ServeHandler, options: ServeOptions = {}): Promise<Server> {
  const { port = 8000, hostname = "127.0.0.1", tls, backlog = 4_096, reusePort = false } = options;
  const serving = new Serving(handler, options);
  const cutting = new AbortController();
  const underWay = new Set<Promise<void>>();
  let stopping = false;
  const server = Deno.serve(
    {
      port,
      hostname,
      tcpBacklog: backlog,
      ...(reusePort && { reusePort }),
      ...tls,
      signal: cutting.signal,
      onListen() {},
      onError: (error) => serving.failed(error),
    },
    (request, { remoteAddr, completed }) => {
      const done = (): void => void underWay.delete(completed);
      underWay.add(completed);
      completed.then(done, done); // a client that has left is no error
      return serving.respond(request, { remoteAddress: remoteAddr.hostname }, completed);
    },
  );
  // A server that shuts down cannot be aborted any more: so first wait, and then shut down what is idle
  const stop = async (): Promise<void> => {
    while (underWay.size > 0 && !cutting.signal.aborted) await Promise.allSettled(underWay);
    stopping = true;
    if (!cutting.signal.aborted) await server.shutdown();
    await server.finished;
  };
  return serving.server(urlOf(hostname, server.addr.port, tls), stop, () => stopping || cutting.abort());
}
