import type { BodyInput } from "../wire/fetch_input.ts";
import type { Gap } from "../wire/gap.ts";
import type { BackoffFunction, BackoffOptions } from "./backoff.ts";
import type { FetchLike, HeadersSource } from "./request.ts";

/** Options for {@linkcode connect}. */
export interface ConnectOptions {
  /**
   * The request's method.
   *
   * @default {"GET"}
   */
  readonly method?: string | undefined;
  /**
   * The request's headers, or a function that makes them, asked at each
   * attempt: for tokens that expire. If it rejects, the attempt has failed.
   * `Accept` is set unless you do; `Last-Event-ID` is set always.
   */
  readonly headers?: HeadersSource | undefined;
  /**
   * The request's body, or a function that makes it, asked at each attempt. A
   * stream can be sent but once: reconnecting then fails with `body-used`.
   */
  readonly body?: BodyInput | (() => BodyInput | Promise<BodyInput>) | undefined;
  /** Whether cookies are sent to other origins: as `fetch` has it. */
  readonly credentials?: "include" | "omit" | "same-origin" | undefined;
  /**
   * Makes the requests.
   *
   * @default the global `fetch`
   */
  readonly fetch?: FetchLike | undefined;
  /**
   * The last event ID to begin with: where an earlier connection has stopped.
   *
   * @default {""}
   */
  readonly lastEventId?: string | undefined;
  /**
   * Whether to connect again when the stream ends or breaks off. With `false`
   * the end of the stream is the end of the loop, and a failure is its error.
   *
   * @default {true}
   */
  readonly reconnect?: boolean | undefined;
  /**
   * How long to wait before connecting again. What the server asks for, by
   * `retry` in the stream or `Retry-After` with a refusal, is waited for before
   * that, and is the least wait when the machine is on the network again or the
   * page is shown. The count begins anew after a connection was healthy: it
   * gave an event, or lasted 5 s.
   *
   * @default { initial: 500, factor: 1.5, max: 30_000, jitter: 1 }
   */
  readonly backoff?: BackoffOptions | BackoffFunction | undefined;
  /**
   * Looks at each response before its body is read: `true` accepts it, whatever
   * its status and type; an error ends the connection with that error; nothing
   * leaves it to the usual rule. That is: 200 with `text/event-stream` is read,
   * 204 ends the connection, 408, 425, 429 and 5xx are tried again, and
   * everything else ends it with a {@linkcode ResponseError}.
   */
  readonly validate?:
    | ((response: Response) => true | undefined | void | Promise<true | undefined | void>)
    | undefined;
  /**
   * How long the server may be silent, in milliseconds, before the connection
   * is taken for dead and made anew; heartbeats count, 0 waits for ever. Three
   * times the server's heartbeat is a good choice (Freshet's is 8 s). Time in
   * which nobody asks for the next event does not count.
   *
   * @default {0}
   */
  readonly inactivityTimeout?: number | undefined;
  /**
   * The longest event, in UTF-16 code units; a longer one ends the connection
   * with `event-too-large`.
   *
   * @default {16_777_216}
   */
  readonly maxEventSize?: number | undefined;
  /**
   * What happens while the page is hidden: `"pause"` closes the connection, and
   * resumes by the last event ID when the page is shown.
   *
   * @default {"keep"}
   */
  readonly whenHidden?: "keep" | "pause" | undefined;
  /**
   * Called with each change of {@linkcode EventStreamConnection.readyState},
   * when it has changed: to show whether an application is online.
   */
  readonly onReadyState?: ((readyState: "connecting" | "open" | "closed") => void) | undefined;
  /** Called with each response that is going to be read. */
  readonly onOpen?: ((response: Response) => void) | undefined;
  /** Called when an attempt or a stream has failed and will be tried again. */
  readonly onRetry?: ((error: unknown, delay: number, attempt: number) => void) | undefined;
  /** Takes Freshet's `gap` events, which then are not dispatched: events are missing. */
  readonly onGap?: ((gap: Gap) => void) | undefined;
  /**
   * Takes Freshet's `close` events, which then are not dispatched: the server
   * says why it is about to end the stream. The connection goes on, and comes
   * back; its own end is {@linkcode EventStreamConnection.closed}.
   */
  readonly onCloseNotice?: ((reason: string) => void) | undefined;
  /** Called with each comment, in its place between the events: when those before it have been given out. */
  readonly onComment?: ((comment: string) => void) | undefined;
  /** Closes the connection. A loop over its events then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}
