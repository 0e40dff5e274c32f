import type { Gap } from "../wire/gap.ts";
import type { Json, JsonEventFields } from "../wire/json.ts";
import type { ReplayStore } from "../stores/replay_store.ts";
import type { CloseReason, Subscriber } from "./subscriber.ts";

/**
 * One event to publish: `EventFields`, whose `data` must be there and may be
 * any JSON value, your own interfaces and classes included.
 */
export interface Publication extends JsonEventFields {
  /** The payload. A string is sent as it is, anything else as JSON. So `"1"` and `1` look the same to a client. */
  readonly data: Json;
  /**
   * The publisher's own ID: not empty, at most 256 bytes, not of the form that
   * the store makes. It belongs to the set of topics that it is published to:
   * while the store retains the event, publishing the same again delivers
   * nothing, and publishing anything else with this ID to the same topics is
   * refused with the code `id-taken`.
   *
   * @default made by the store
   */
  readonly id?: string | number | undefined;
}

/** Options for {@linkcode Broker}. */
export interface BrokerOptions {
  /**
   * Where events are kept and ordered. The broker closes a store that it made
   * itself, and never a store that it was given.
   *
   * @default {new MemoryReplayStore()}
   */
  readonly store?: ReplayStore | undefined;
  /**
   * How many bytes of the newest events, encoded, are held in memory for
   * subscribers to read.
   *
   * @default {4_194_304}
   */
  readonly windowBytes?: number | undefined;
  /**
   * Milliseconds between two heartbeats of a stream; `0` for none.
   *
   * @default {8_000}
   */
  readonly heartbeat?: number | undefined;
  /**
   * How long a subscriber's connection may take nothing of what waits for it,
   * in milliseconds, before the subscriber is ended with the reason `"timeout"`
   * and its connection is closed. The broker looks once a heartbeat, and counts the
   * heartbeats without progress, so it may take up to two heartbeats longer.
   * Without heartbeats it looks once in `writeTimeout`, so it may take up to twice
   * as long.
   * A client that reads steadily is not cut; nor is a loop in the same process.
   * But Linux reports room only when about a third of its send buffer is free, so a
   * client on loopback below roughly 25 kB/s may look stalled for 60 s. Real
   * networks have smaller buffers. `0` for no limit.
   *
   * @default {60_000}
   */
  readonly writeTimeout?: number | undefined;
  /**
   * How many topics and patterns a subscription may have.
   *
   * @default {64}
   */
  readonly maxTopics?: number | undefined;
  /**
   * How many segments a pattern of a subscription may have.
   *
   * @default {32}
   */
  readonly maxSegments?: number | undefined;
  /**
   * How many publishes may be under way. One more is rejected with
   * `too-many-pending`.
   *
   * @default {65_536}
   */
  readonly maxPendingPublishes?: number | undefined;
  /** Called when a subscriber has begun. */
  readonly onSubscribe?: ((subscriber: Subscriber) => void) | undefined;
  /** Called once when a subscriber has ended, with the reason. */
  readonly onUnsubscribe?: ((subscriber: Subscriber, reason: CloseReason) => void) | undefined;
  /** Called when the store has an event that was published here. */
  readonly onPublish?: ((event: { readonly id: string; readonly topics: readonly string[] }) => void) | undefined;
  /** Called when a subscriber misses events. */
  readonly onGap?: ((subscriber: Subscriber, gap: Gap) => void) | undefined;
  /**
   * Called with failures that have no caller: a hook, filter or snapshot that
   * throws, a store that fails in the background, a rejected publish that was not
   * awaited. They are counted in `stats().errors` with or without it.
   */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** Numbers since a broker began. */
export interface BrokerStats {
  /** Subscribers now, in this process; `count` counts those of all processes. */
  readonly subscribers: number;
  /** Processes that share the store, this one included; 1 if it cannot be shared. */
  readonly nodes: number;
  /** Events that were published here and that the store has. */
  readonly published: number;
  /** Events handed to subscribers, one for each subscriber. */
  readonly delivered: number;
  /** Events that were dropped, or replaced by newer ones, because a budget was full. */
  readonly dropped: number;
  /** Bytes handed to subscribers. */
  readonly bytes: number;
  /** Gaps that subscribers were told of. */
  readonly gaps: number;
  /** Failures that had no caller. */
  readonly errors: number;
  /** On request: each topic and pattern that is subscribed to now. */
  readonly topics?: ReadonlyMap<string, TopicStats> | undefined;
}

/** Numbers of one topic or pattern. */
export interface TopicStats {
  /** Subscribers that name it. */
  readonly subscribers: number;
  /** Events that have reached one of their subscriptions since it began. */
  readonly published: number;
}

/** Options for {@linkcode Broker.close}. */
export interface CloseOptions {
  /**
   * What the `close` event tells subscribers.
   *
   * @default {"drain"}
   */
  readonly reason?: CloseReason | undefined;
  /**
   * How long the store may take to finish what is under way, in milliseconds.
   *
   * @default {10_000}
   */
  readonly timeout?: number | undefined;
}
