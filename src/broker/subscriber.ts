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
   * The last event ID that the subscriber has. The events after it are sent
   * first. If it is unknown, a `gap` event is sent, and then what `unknownId`
   * says.
   */
  readonly lastEventId?: string | undefined;
  /**
   * What is sent after the `gap` of an unknown last event ID: `"all"` events
   * that are retained, or with `"start"` those that `start` asks for. All of them
   * may be much when many clients return to a server that has lost its log.
   *
   * @default {"all"}
   */
  readonly unknownId?: "all" | "start" | undefined;
  /**
   * Where a subscriber without a last event ID begins: after the newest event
   * (`"tail"`), with the oldest retained event (`"all"`), with the `last` so many
   * events of its topics (a safe integer >= 1), or with the first event `since` a
   * date (or milliseconds since 1970).
   *
   * @default {"tail"}
   */
  readonly start?: "tail" | "all" | { readonly last: number } | { readonly since: Date | number } | undefined;
  /**
   * The budget: bytes held for a subscriber that reads more slowly than others
   * publish. One event that is larger is held alone. For a loop in the same
   * process, UTF-16 code units may count in place of bytes.
   *
   * @default {1_048_576}
   */
  readonly maxBufferedBytes?: number | undefined;
  /**
   * What happens to the next event when the budget is full. `"replay"` reads it
   * later from the window or the store. `"close"` ends the subscriber, and its
   * client may return with its last event ID. `"drop-oldest"` makes room, and tells
   * of the dropped events by a `gap` event. `"conflate"` keeps only the newest event
   * of each `key`; if that is still too much, it does as `"drop-oldest"` does.
   *
   * @default {"replay"}
   */
  readonly overflow?: "replay" | "close" | "drop-oldest" | "conflate" | undefined;
  /**
   * The key of an event: `"conflate"` keeps only the newest event of each key. It
   * must return a string. If it throws, the subscriber ends with `"error"`.
   *
   * @example The newest price of each symbol, for clients that read slowly
   * ```ts
   * import { Broker, createHandler } from "@freshet/sse";
   *
   * await using broker = new Broker();
   * const handler = createHandler(broker, {
   *   topics: "prices",
   *   overflow: "conflate",
   *   key: ({ data }) => JSON.parse(data).symbol,
   * });
   * await broker.publish("prices", { data: { symbol: "ACME", price: 41 } });
   * ```
   *
   * @default the event's first topic
   */
  readonly key?: ((delivery: Delivery) => string) | undefined;
  /** Leaves out events for which it returns `false`. If it throws, the subscriber ends with `"error"`. */
  readonly filter?: ((delivery: Delivery) => boolean) | undefined;
  /**
   * Makes the event that is sent from an event of the log. The ID stays the same.
   * `undefined` leaves the event out. It is called after `filter`, and only once
   * for all subscribers that share the function and are served together, so its
   * result must depend on the event alone. For several shapes use several
   * functions, not one for each subscriber. It may be called again for an event
   * that is read again. It is not called for `gap` and snapshots. If it throws,
   * the subscriber ends with `"error"`. `withTopic` is a ready-made map.
   */
  readonly map?: EventMap | undefined;
  /**
   * Returns the present state as events without IDs. It is called when the
   * subscriber begins without a last event ID, and after a gap. It is called after
   * the subscriber's place in the log is fixed, and its events are sent before
   * the events that follow that place; after a gap that is the newest event. The
   * client takes its new place only when the whole snapshot was sent, so a client
   * that is cut off before gets it again. If it throws, the subscriber ends with
   * `"error"`.
   *
   * @example The state first, then its changes
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Broker } from "@freshet/sse";
   *
   * await using broker = new Broker();
   * const prices = new Map([["ACME", 41]]);
   * const subscriber = broker.subscribe("prices", {
   *   snapshot: () => [{ event: "state", data: Object.fromEntries(prices) }],
   * });
   * await broker.publish("prices", { data: { ACME: 42 } });
   *
   * const seen: string[] = [];
   * for await (const { type, data } of subscriber) {
   *   seen.push(`${type} ${data}`);
   *   if (seen.length === 2) break;
   * }
   * assertEquals(seen, ['state {"ACME":41}', 'message {"ACME":42}']);
   * ```
   */
  readonly snapshot?:
    | ((
      why: "start" | "gap",
    ) => Iterable<JsonEventFields> | AsyncIterable<JsonEventFields> | Promise<Iterable<JsonEventFields>>)
    | undefined;
  /**
   * Whether the stream begins with a checkpoint, and its heartbeats are
   * checkpoints: `event: checkpoint`, `id: <position>` and a blank line. By the
   * standard a checkpoint dispatches nothing and sets the last event ID, so a client
   * that has received nothing resumes at the right place. Some clients give it to
   * the application, as an event of type `checkpoint` without data. `false` sends
   * comments in place of checkpoints.
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
 * One subscriber of a broker: a place in the log. It can be read once, in one
 * way: as an async iterable of deliveries, as a stream of bytes, or through a sink
 * of an adapter. Until it is read, no event is held for it: its events are in the
 * log.
 */
export interface Subscriber extends AsyncIterable<Delivery>, AsyncDisposable {
  /** The topics and patterns that it subscribes to, each once, sorted. */
  readonly topics: readonly string[];
  /** The event stream as bytes, for the body of a response. To cancel it ends the subscriber. */
  readonly readable: ReadableStream<Uint8Array>;
  /** Whether it is being read. Until then it holds nothing but its place in the log. */
  readonly attached: boolean;
  /** Resolves with the reason when it ends. Never rejects. */
  readonly closed: Promise<CloseReason>;
  /**
   * Calls a function once the subscriber has ended; at once, if it has ended
   * already. For adapters: one function can serve ten thousand subscribers, where
   * `closed` takes a promise for each.
   *
   * @param callback Called with this subscriber; must not throw.
   */
  onceClosed(callback: (subscriber: Subscriber) => void): void;
  /** Its deliveries. Leaving the loop ends the subscriber. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Delivery, undefined>;
  /**
   * Sends its bytes to a sink. For adapters.
   *
   * @example A sink that collects text
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Broker } from "@freshet/sse";
   *
   * await using broker = new Broker();
   * const subscriber = broker.subscribe("pets", { checkpoints: false });
   * let text = "";
   * subscriber.attach((leave) => ({
   *   bufferedBytes: 0, // everything is taken at once
   *   write({ bytes }) {
   *     text += new TextDecoder().decode(bytes);
   *     if (text.includes("woof")) queueMicrotask(leave); // it has read enough
   *   },
   *   onceDrained: (callback) => queueMicrotask(callback),
   *   end() {},
   *   abort() {},
   * }));
   * await broker.publish("pets", { data: "woof", id: "1" });
   * assertEquals(await subscriber.closed, "left");
   * assertEquals(text, ":\nid: 1\ndata: woof\n\n");
   * ```
   *
   * @param open Makes the sink. It gets a function that the sink must call when its reader has left.
   * @throws {TypeError} If it is being read already.
   */
  attach(open: (leave: LeaveHandler) => Sink): void;
  /**
   * Ends it. The client is told the reason by a `close` event, if its connection
   * takes that within a second. May be called again.
   *
   * @param reason Why. @default {"kicked"}
   * @param options When the client should come back.
   * @returns When nothing is left of it.
   */
  close(reason?: CloseReason, options?: SubscriberCloseOptions): Promise<void>;
  /** What it has been sent so far. */
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
  /** Bytes handed to it, heartbeats included; for a loop in the same process UTF-16 code units if no bytes were made. */
  readonly bytes: number;
  /** Bytes that the network has not taken yet, or code units that the loop has not. */
  readonly bufferedBytes: number;
}
