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
   * The request's headers, or a function that makes them, for tokens that expire.
   * It is called at each attempt; if it rejects, the attempt has failed. `Accept`
   * is set unless you set it. `Last-Event-ID` is always set.
   */
  readonly headers?: HeadersSource | undefined;
  /**
   * The request's body, or a function that makes it, which is called at each
   * attempt. A stream can be sent only once: with one, reconnecting fails with
   * `body-used`.
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
   * The last event ID to begin with: that of an earlier connection, for example.
   *
   * @default {""}
   */
  readonly lastEventId?: string | undefined;
  /**
   * Whether to connect again when the stream ends or breaks off. With `false` the
   * loop ends when the stream ends, and throws when it fails.
   *
   * @default {true}
   */
  readonly reconnect?: boolean | undefined;
  /**
   * How long to wait before connecting again. This wait comes after the one that
   * the server asks for, by `retry` in the stream or by `Retry-After` with a
   * refusal. When the machine is on the network again or the page is shown, only
   * the server's wait is kept. The count of failures begins again after a healthy
   * connection: one that gave an event, or lasted 5 s.
   *
   * @default { initial: 500, factor: 1.5, max: 30_000, jitter: 1 }
   */
  readonly backoff?: BackoffOptions | BackoffFunction | undefined;
  /**
   * Called with each response before its body is read. If it returns `true`, the
   * response is accepted, whatever its status and type. If it returns an error, the
   * connection ends with that error. Otherwise the usual rule holds: 200 with
   * `text/event-stream` is read; 204 ends the connection; after 408, 425, 429 and
   * 5xx the client tries again; everything else ends the connection with a
   * {@linkcode ResponseError}.
   */
  readonly validate?:
    | ((response: Response) => true | undefined | void | Promise<true | undefined | void>)
    | undefined;
  /**
   * How long the server may be silent, in milliseconds. After that the connection
   * is taken for dead, and the client connects again. A heartbeat ends a silence.
   * `0` for no limit. Three times the server's heartbeat is a good choice
   * (Freshet's is 8 s). While the application does not ask for the next event, the
   * time does not count.
   *
   * @default {0}
   */
  readonly inactivityTimeout?: number | undefined;
  /**
   * The longest event, in UTF-16 code units. A longer one ends the connection
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
  /** Called when an attempt or a stream has failed, and the client will try again. */
  readonly onRetry?: ((error: unknown, delay: number, attempt: number) => void) | undefined;
  /** Called with Freshet's `gap` events, which say that events are missing. They are then not dispatched. */
  readonly onGap?: ((gap: Gap) => void) | undefined;
  /**
   * Called with Freshet's `close` events, by which the server says why it is about
   * to end the stream. They are then not dispatched. The client connects again; its
   * own end is {@linkcode EventStreamConnection.closed}.
   */
  readonly onCloseNotice?: ((reason: string) => void) | undefined;
  /** Called with each comment, after the events before it have been given out. */
  readonly onComment?: ((comment: string) => void) | undefined;
  /** Closes the connection. A loop over its events then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}
