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
import { isAuthority } from "../server/authority.ts";
import { subscriberOf } from "../server/carried.ts";
import type { ServeHandler, ServeOptions, Server } from "../server/serve_options.ts";
import { Serving, urlOf } from "../server/serving.ts";
import { HeldBytes, PIECE_BYTES } from "./held_bytes.ts";

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
  close(error: unknown): unknown;
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

/** What Bun prints, outside production, of a connection that `writeTimeout` closes. */
const ABORTED = "The client took nothing for too long, and its connection was closed";

/** That of a connection whose event stream has ended, until its next request. */
const ENDED_IDLE_SECONDS = 10;
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
 * @throws {TypeError | RangeError} (as a rejection) If an option is unknown, or not what it must be.
 * @throws {Error} (as a rejection) If it cannot listen: Bun's own error, such as `EADDRINUSE`.
 */
// deno-lint-ignore require-await
export async function serve(handler: ServeHandler, options: ServeOptions = {}): Promise<Server> {
  const serving = new Serving(handler, options);
  const { port = 8000, hostname = "127.0.0.1", tls, reusePort = false } = options;
  const server = Bun.serve({
    port,
    hostname,
    idleTimeout: MAX_IDLE_SECONDS,
    reusePort,
    ...(tls && { tls }),
    async fetch(request, server) {
      // Bun joins several hosts by a comma
      const isAddressed = URL.canParse(request.url) && isAuthority(request.headers.get("host") ?? "");
      if (request.method === "CONNECT" || !isAddressed) {
        return new Response(null, { status: request.method === "CONNECT" ? 405 : 400 });
      }
      const remoteAddress = server.requestIP(request)?.address ?? "";
      const response = await serving.respond(request, { remoteAddress });
      const subscriber = subscriberOf(response);
      if (subscriber === undefined) return response;
      if (request.method === "HEAD" || request.signal.aborted) {
        await response.body?.cancel(); // it will not be read
        return new Response(null, response);
      }
      server.timeout(request, 0);
      const { status, statusText, headers } = response;
      const body = new ReadableStream(
        new DirectBody(subscriber, server, request) as UnderlyingDefaultSource<Uint8Array>,
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
  readonly gathers = true;
  readonly #server: BunServer;
  readonly #request: Request;
  /** `"ending"`: as soon as the socket has taken what waits. */
  #phase: "open" | "ending" | "over" = "open";
  #subscriber: Subscriber | undefined;
  #controller: DirectController | undefined;
  #leave: LeaveHandler | undefined;
  #end: (() => void) | undefined;
  /** Bytes that Bun was handed and the socket has not taken. */
  #handed = 0;
  /** What waits until it has. */
  #held: HeldBytes | undefined;
  #drained: (() => void) | undefined;

  constructor(subscriber: Subscriber, server: BunServer, request: Request) {
    this.#subscriber = subscriber;
    this.#server = server;
    this.#request = request;
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
    this.#over();
    if (this.#subscriber !== undefined) void this.#subscriber.close("left"); // never read
    this.#leave?.();
  }

  get bufferedBytes(): number {
    return this.#held === undefined ? this.#handed : this.#handed + this.#held.length;
  }

  write({ bytes }: Chunk): void {
    if (this.#handed === 0 && bytes.length <= PIECE_BYTES) return this.#hand(bytes);
    this.#held ??= new HeldBytes();
    this.#held.push(bytes);
    if (this.#handed === 0) this.#feed();
  }

  onceDrained(callback: () => void): void {
    if (this.#handed === 0) queueMicrotask(callback);
    else this.#drained = callback;
  }

  end(): void {
    this.#phase = "ending";
    if (this.#handed === 0) this.#finish();
  }

  abort(): void {
    this.#over();
    // Ended with an error, a direct stream takes its connection with it. `end` would first send what Bun holds
    this.#controller!.close(ABORTED);
  }

  #hand(bytes: Uint8Array): void {
    const written = this.#controller!.write(bytes);
    this.#controller!.flush();
    if (typeof written === "number") return;
    this.#handed += bytes.length;
    written.then(() => this.#feed(), () => this.cancel()); // a write that fails has no client
  }

  #feed(): void {
    if (this.#phase === "over") return; // what Bun still held was dropped, not taken
    this.#handed = 0;
    for (let piece = this.#held?.shift(); piece !== undefined; piece = this.#held?.shift()) {
      this.#hand(piece);
      if (this.#handed > 0) return;
    }
    this.#held = undefined;
    const callback = this.#drained;
    this.#drained = undefined;
    callback?.();
    if (this.#phase === "ending") this.#finish();
  }

  /** All is taken: `controller.end()` before that would settle the promise of a write that still waits. */
  #finish(): void {
    this.#server.timeout(this.#request, ENDED_IDLE_SECONDS); // its client may be gone without a word
    this.#over();
    this.#controller!.end();
  }

  #over(): void {
    this.#phase = "over";
    this.#held = undefined;
    this.#end?.();
  }
}
