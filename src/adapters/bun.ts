/**
 * `serve()` on `Bun.serve`. Event streams of a broker are written through Bun's
 * direct streams, and are not ended by its idle timeout.
 *
 * @example A server on Bun
 * ```ts ignore
 * import { Broker, createHandler } from "@freshet/sse";
 * import { serve } from "@freshet/sse/bun";
 *
 * const broker = new Broker();
 * const server = await serve(createHandler(broker, { topics: "news" }), { port: 8000 });
 * console.log(server.url);
 * ```
 *
 * @module
 */
import type { Chunk } from "../broker/chunk.ts";
import type { LeaveHandler, Sink } from "../broker/sink.ts";
import type { Subscriber } from "../broker/subscriber.ts";
import { subscriberOf } from "../server/carried.ts";
import type { ServeHandler, ServeOptions, Server } from "../server/serve_options.ts";
import { Serving, urlOf } from "../server/serving.ts";

export type { ServeHandler, ServeInfo, ServeOptions, Server } from "../server/serve_options.ts";

/** What we use of Bun's server. */
interface BunServer {
  readonly port: number;
  timeout(request: Request, seconds: number): void;
  requestIP(request: Request): { readonly address: string } | null;
  stop(closeActiveConnections?: boolean): Promise<void>;
}

/** What we use of the controller of a direct stream. A write that the socket does not take at once is a promise. */
interface DirectController {
  write(bytes: Uint8Array): number | Promise<number>;
  flush(): unknown;
  end(): unknown;
}

declare const Bun: {
  serve(options: {
    port: number;
    hostname: string;
    idleTimeout: number;
    reusePort: boolean;
    tls?: { cert: string; key: string };
    fetch(request: Request, server: BunServer): Promise<Response>;
    error(error: unknown): Response;
  }): BunServer;
};

/** The longest idle timeout that Bun takes, in seconds. */
const MAX_IDLE_SECONDS = 255;

/**
 * Serves a handler on `Bun.serve`.
 *
 * Bun has no option for the listen backlog: `backlog` is not used. Its idle
 * timeout is off for event streams of a broker, and 255 s for other responses.
 *
 * @param handler Answers each request.
 * @param options Where to listen, and how.
 * @returns The server, once it listens.
 * @throws {Error} (as a rejection) If it cannot listen: Bun's own error, such as `EADDRINUSE`.
 */
// deno-lint-ignore require-await
export async function serve(handler: ServeHandler, options: ServeOptions = {}): Promise<Server> {
  const { port = 8000, hostname = "127.0.0.1", tls, reusePort = false } = options;
  const serving = new Serving(handler, options);
  const server = Bun.serve({
    port,
    hostname,
    idleTimeout: MAX_IDLE_SECONDS,
    reusePort,
    ...(tls && { tls }),
    async fetch(request, server) {
      const remoteAddress = server.requestIP(request)?.address ?? "";
      const response = await serving.respond(request, { remoteAddress });
      const subscriber = subscriberOf(response);
      if (subscriber === undefined) return response;
      server.timeout(request, 0);
      const { status, statusText, headers } = response;
      const body = new ReadableStream(
        new DirectBody(subscriber, request, server) as UnderlyingDefaultSource<Uint8Array>,
      );
      return new Response(body, { status, statusText, headers });
    },
    error: (error) => serving.failed(error),
  });
  return serving.server(urlOf(hostname, server.port, tls), () => server.stop(), () => server.stop(true));
}

/**
 * A body that Bun lets us write to the socket, not by way of a queue of chunks: the source of a direct stream, and our
 * sink. One object, as there may be ten thousand.
 */
class DirectBody implements Sink {
  readonly type = "direct" as never; // Bun's own
  readonly #request: Request;
  readonly #server: BunServer;
  #subscriber: Subscriber | undefined;
  #controller: DirectController | undefined;
  #leave: LeaveHandler | undefined;
  #end: (() => void) | undefined;
  #buffered = 0;
  #drained: (() => void) | undefined;

  constructor(subscriber: Subscriber, request: Request, server: BunServer) {
    this.#subscriber = subscriber;
    this.#request = request;
    this.#server = server;
  }

  /** Bun asks once; the stream is open until the promise resolves. */
  pull(controller: unknown): Promise<void> {
    this.#controller = controller as DirectController;
    const ended = new Promise<void>((resolve) => this.#end = resolve);
    this.#subscriber!.attach((leave) => {
      this.#leave = leave;
      return this;
    });
    this.#subscriber = undefined;
    return ended;
  }

  cancel(): void {
    if (this.#subscriber !== undefined) void this.#subscriber.close("left"); // never read
    this.#leave?.();
    this.#end?.();
  }

  get bufferedBytes(): number {
    return this.#buffered;
  }

  write({ bytes }: Chunk): void {
    const written = this.#controller!.write(bytes);
    this.#controller!.flush();
    if (this.#buffered > 0) this.#buffered += bytes.length;
    if (typeof written === "number") return;
    if (this.#buffered === 0) this.#buffered = bytes.length;
    const drained = (): void => this.#onDrained();
    written.then(drained, drained); // a client that has left: `cancel` follows
  }

  onceDrained(callback: () => void): void {
    if (this.#buffered === 0) queueMicrotask(callback);
    else this.#drained = callback;
  }

  end(): void {
    this.#controller!.end();
    this.#end?.();
  }

  abort(): void {
    this.#server.timeout(this.#request, 1); // the shortest that Bun has
    this.end();
  }

  schedule(callback: () => void): void {
    setImmediate(callback);
  }

  #onDrained(): void {
    this.#buffered = 0;
    const callback = this.#drained;
    this.#drained = undefined;
    callback?.();
  }
}

declare function setImmediate(callback: () => void): unknown;
