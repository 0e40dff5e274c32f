import type { JsonEventFields } from "../wire/json.ts";
import type { Delivery } from "./entry.ts";
import type { EventMap } from "./event_map.ts";
import type { LeaveHandler, Sink } from "./sink.ts";

/**
 * Why a subscriber ended: `"left"` (its reader has left), `"drain"` (the broker
 * closes), `"overflow"` (its budget was full and `overflow` is `"close"`),
 * `"timeout"` (its connection took nothing for longer than `writeTimeout`),
 * `"error"` (its snapshot, filter, map or key function failed), `"kicked"`
 * (`close()` without a reason), `"expired"` (the hub: its token has ended), or the
 * reason that `close()` was called with. A store that fails ends no subscriber.
 */
export type CloseReason =
  | "left"
  | "drain"
  | "overflow"
  | "timeout"
  | "error"
  | "kicked"
  | "expired"
  | (string & Record<never, never>);

/** Options for {@linkcode Broker.subscribe}. */
export interface SubscribeOptions {
  /**
   * The last event ID that the subscriber has. What follows it comes first;
   * if it is unknown, a `gap` event and then what `unknownId` says.
   */
  readonly lastEventId?: string | undefined;
  /**
   * What a last event ID that is unknown leads to, after its `gap`: `"all"`
   * that is retained, or where `start` says. All may be much, when many clients
   * return to a server that has lost its log.
   *
   * @default {"all"}
   */
  readonly unknownId?: "all" | "start" | undefined;
  /**
   * Where a subscriber without a last event ID begins: at the newest event, at
   * the oldest retained, before the last so many that its topics reach (a safe
   * integer >= 1), or before the first since a date (or milliseconds since 1970).
   *
   * @default {"tail"}
   */
  readonly start?: "tail" | "all" | { readonly last: number } | { readonly since: Date | number } | undefined;
  /**
   * Bytes held for a subscriber that reads more slowly than others publish. One
   * event that is larger is held alone. For a loop in the same process, UTF-16
   * code units may count in place of bytes.
   *
   * @default {1_048_576}
   */
  readonly maxBufferedBytes?: number | undefined;
  /**
   * What a full buffer does to the next event: `"replay"` reads it later from
   * the window or the store, `"close"` ends the subscriber, which may return by
   * its last event ID; `"drop-oldest"` makes room and tells by a `gap` event;
   * `"conflate"` keeps only the newest of each key, and then does the same.
   *
   * @default {"replay"}
   */
  readonly overflow?: "replay" | "close" | "drop-oldest" | "conflate" | undefined;
  /**
   * What `"conflate"` keeps the newest of.
   *
   * @default the event's first topic
   */
  readonly key?: ((delivery: Delivery) => string) | undefined;
  /** Leaves out events for which it returns `false`. One that throws ends the subscriber with `"error"`. */
  readonly filter?: ((delivery: Delivery) => boolean) | undefined;
  /**
   * Makes the event that is sent of one of the log, which keeps its ID;
   * `undefined` leaves it out. It is called after `filter`, and once for all who
   * share the function and are served together: so what it makes must depend on
   * the event alone. For several shapes take several functions, not one for each
   * subscriber. It may be called again for an event that is read again. It is not
   * asked for `gap` and snapshots. One that throws ends the subscriber with
   * `"error"`. `withTopic` is one.
   */
  readonly map?: EventMap | undefined;
  /**
   * Gives the present state as events without IDs, sent after the subscriber's
   * place in the log is fixed and before what follows it: when it begins without a last event
   * ID, and after a gap, which then resumes at the newest event. The client
   * takes its new place only when the whole snapshot was sent, so one that is
   * cut off on the way gets it again.
   */
  readonly snapshot?:
    | ((
      why: "start" | "gap",
    ) => Iterable<JsonEventFields> | AsyncIterable<JsonEventFields> | Promise<Iterable<JsonEventFields>>)
    | undefined;
  /**
   * Whether the stream opens with a checkpoint, and its heartbeats are the same:
   * `event: checkpoint`, `id: <position>` and a blank line. By the standard it dispatches
   * nothing and sets the last event ID, so a client that has received nothing
   * resumes at the right place. Some clients hand such blocks to the application as an
   * event of type `checkpoint` without data: `false` sends them comments.
   *
   * @default {true}
   */
  readonly checkpoints?: boolean | undefined;
  /**
   * The event type that tells of missing events, `false` for none.
   *
   * @default {"gap"}
   */
  readonly gapEvent?: string | false | undefined;
  /**
   * The event type that tells why a stream was ended, `false` for none.
   *
   * @default {"close"}
   */
  readonly closeEvent?: string | false | undefined;
  /** The reconnection time to tell the client first, in milliseconds: a safe integer >= 0. */
  readonly retry?: number | undefined;
  /** Ends the subscriber, with the reason `"left"`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * One subscriber of a broker: a place in the log. Read it in one way, once: as
 * an async iterable of deliveries, as a stream of bytes, or through a sink of
 * an adapter. Until then nothing is held for it; the log holds its events.
 */
export interface Subscriber extends AsyncIterable<Delivery>, AsyncDisposable {
  /** The topics and patterns that it subscribes to, each once, sorted. */
  readonly topics: readonly string[];
  /** The event stream as bytes: the body of a response. Cancelling it ends the subscriber. */
  readonly readable: ReadableStream<Uint8Array>;
  /** Whether somebody has begun to read it. Until then it holds nothing but its place in the log. */
  readonly attached: boolean;
  /** Why it ended, once it has. Never rejects. */
  readonly closed: Promise<CloseReason>;
  /**
   * Calls once it has ended, or at once if it has. For adapters: one function
   * can serve ten thousand subscribers, where `closed` is a promise for each.
   *
   * @param callback Called with this subscriber; must not throw.
   */
  onceClosed(callback: (subscriber: Subscriber) => void): void;
  /** Its deliveries. Leaving the loop ends the subscriber. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Delivery, undefined>;
  /**
   * Sends its bytes to a sink. For adapters.
   *
   * @param open Makes the sink; it is given what the sink calls when nobody reads any more.
   * @throws {TypeError} If it is being read already.
   */
  attach(open: (leave: LeaveHandler) => Sink): void;
  /**
   * Ends it. A stream of bytes is told why by a `close` event, if it takes it
   * within a second. May be called again.
   *
   * @param reason Why. @default {"kicked"}
   * @param options When the client should come back.
   * @returns When nothing is left of it.
   */
  close(reason?: CloseReason, options?: SubscriberCloseOptions): Promise<void>;
  /** What it was sent so far. */
  stats(): SubscriberStats;
}

/** Options for {@linkcode Subscriber.close}. */
export interface SubscriberCloseOptions {
  /** The reconnection time to tell the client last, in milliseconds: a safe integer >= 0. */
  readonly retry?: number | undefined;
}

/** Numbers of one subscriber. */
export interface SubscriberStats {
  /** Events handed to it. */
  readonly delivered: number;
  /** Bytes handed to it, heartbeats included; for a loop in the same process UTF-16 code units where nobody needed bytes. */
  readonly bytes: number;
  /** Bytes that the network has not taken yet, or code units that the loop has not. */
  readonly bufferedBytes: number;
}
