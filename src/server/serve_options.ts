/** A plain Web handler, with what our adapters tell about the connection. */
export type ServeHandler = (request: Request, info: ServeInfo) => Response | Promise<Response>;

/** What the adapters pass beside the request. */
export interface ServeInfo {
  /** The address of the connection's other end: of a proxy, if one stands between. */
  readonly remoteAddress: string;
}

/** Options for `serve`, the same on every runtime. */
export interface ServeOptions {
  /**
   * The port; `0` for any that is free.
   *
   * @default {8000}
   */
  readonly port?: number | undefined;
  /**
   * The address to listen on. `"0.0.0.0"` for all of them.
   *
   * @default {"127.0.0.1"}
   */
  readonly hostname?: string | undefined;
  /** Closes the server. */
  readonly signal?: AbortSignal | undefined;
  /** The certificate chain and its key, as PEM: HTTPS, on Deno and Node with HTTP/2. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /**
   * How many connections may wait to be accepted: clients that all return at once. The
   * system may hold it lower. Bun has no such option: it is not used there.
   *
   * @default {4_096}
   */
  readonly backlog?: number | undefined;
  /**
   * Lets other processes listen on the same port: the system spreads
   * connections over them, where it can.
   *
   * @default {false}
   */
  readonly reusePort?: boolean | undefined;
  /**
   * How long `close` waits for responses that are under way, in milliseconds,
   * before it cuts them: `0` cuts them at once, `Infinity` waits for as long as
   * they take. Event streams of a broker are ended first.
   *
   * @default {2_000}
   */
  readonly closeTimeout?: number | undefined;
  /**
   * Called when `close` has stopped accepting, and awaited before the event
   * streams are ended: to end them more gently, within a time of your own.
   */
  readonly onClosing?: (() => Promise<void>) | undefined;
  /**
   * Answers for a handler that throws, and hears of bodies that fail.
   *
   * @default prints the error, as the runtimes do, and answers 500
   */
  readonly onError?: ((error: unknown) => Response | undefined) | undefined;
}

/** A server that runs. */
export interface Server extends AsyncDisposable {
  /** Where it can be reached, ending in `/`. */
  readonly url: string;
  /**
   * Stops accepting, closes idle connections, ends the event streams of brokers
   * with the reason `"drain"`, waits for other responses up to `closeTimeout`,
   * then cuts them. A connection closes after its response. May be called again.
   *
   * @returns When no connection is left.
   */
  close(): Promise<void>;
}
