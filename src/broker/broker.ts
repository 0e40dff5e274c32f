import { SseError } from "../errors.ts";
import { MemoryReplayStore } from "../stores/memory.ts";
import type { ReplayStore } from "../stores/replay_store.ts";
import { Heartbeat } from "../time/heartbeat.ts";
import { turn } from "../time/later_turn.ts";
import { settlesWithin } from "../time/settles_within.ts";
import { checkPattern } from "../topic.ts";
import { encodeCheckpoint } from "../wire/idle.ts";
import type { BrokerOptions, BrokerStats, CloseOptions, Publication, TopicStats } from "./broker_options.ts";
import { CatchUp } from "./catch_up.ts";
import { type Chunk, textChunk } from "./chunk.ts";
import { Cursor } from "./cursor.ts";
import type { CursorHost } from "./cursor_host.ts";
import { FanOut } from "./fan_out.ts";
import type { Group } from "./group.ts";
import { LogFollower } from "./log_follower.ts";
import { Places } from "./places.ts";
import { Presence } from "./presence.ts";
import { checkPublication } from "./publication.ts";
import { Publisher } from "./publisher.ts";
import { onRejection } from "./rejection.ts";
import { Stint } from "./stint.ts";
import { checkSubscribeOptions } from "./subscribe_options.ts";
import type { CloseReason, SubscribeOptions, Subscriber } from "./subscriber.ts";

/** Publishes a message to all nodes, this one included, to a topic that begins with `$`. `publish` refuses such topics. */
export let tellNodes: (broker: Broker, topic: `$${string}`, data: string) => Promise<string>;
/** Tells a broker's `onError`, and counts. Returns whether there is one; a stand-in for a broker has none. */
export let tellOnError: (broker: object, error: unknown) => boolean;
/** Whether a broker's store is shared with other nodes. */
export let isShared: (broker: Broker) => boolean;

/** How long `close` waits for a store by default, in milliseconds. */
const CLOSE_MS = 10_000;

/**
 * Topics, their subscribers, and the log between them. `publish` appends to the
 * store. The store's tail gives every event to every broker that uses the store,
 * in one order. Each subscriber is a place in that order.
 *
 * A subscriber loses no event that is retained: to join, to resume and to read
 * slowly are the same thing. Each subscriber is bounded by its own budget and slows
 * down no other. Events published in one turn of the event loop leave in one write
 * for each connection.
 *
 * @example Publish and subscribe
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Broker } from "@freshet/sse";
 *
 * await using broker = new Broker();
 * const subscriber = broker.subscribe("pets/*");
 * await broker.publish("pets/dogs", { event: "bark", data: { loud: true } });
 * for await (const { type, data, topics } of subscriber) {
 *   assertEquals([type, data, topics], ["bark", '{"loud":true}', ["pets/dogs"]]);
 *   break;
 * }
 * ```
 */
export class Broker implements AsyncDisposable {
  static {
    tellNodes = (broker, topic, data) =>
      broker.#closing === undefined
        ? broker.#publisher.publish({ topics: [topic], data })
        : broker.#publisher.refuse(closed("publish"));
    tellOnError = (broker, error) => {
      if (!(#counters in broker)) return false;
      broker.#report(error);
      return broker.#options.onError !== undefined;
    };
    isShared = (broker) => broker.#presence.isShared;
  }

  readonly #options: BrokerOptions;
  readonly #store: ReplayStore;
  readonly #ownsStore: boolean;
  readonly #maxTopics: number;
  readonly #maxSegments: number;
  readonly #writeTimeout: number;
  readonly #fanOut = new FanOut();
  readonly #follower: LogFollower;
  readonly #publisher: Publisher;
  readonly #places: Places;
  readonly #catchUp: CatchUp;
  readonly #heartbeat: Heartbeat<Cursor>;
  readonly #presence: Presence;
  readonly #cursors = new Set<Cursor>();
  readonly #counters = { published: 0, delivered: 0, dropped: 0, bytes: 0, gaps: 0, errors: 0 };
  readonly #cursorHost: CursorHost<Cursor>;
  /** How many subscribers belong to the nodes themselves, not to the application. */
  #between = 0;
  #checkpoint: { readonly head: number; readonly chunk: Chunk } | undefined;
  /** Groups of subscribers whose turn of the heartbeat it is, the one that is being served included. */
  readonly #beating = new Set<ReadonlySet<Cursor>>();
  #closing: Promise<void> | undefined;

  /**
   * Makes a broker. If other processes may share its store, it begins to follow it
   * now. If not, it begins with the first publish or subscriber. So a broker may be
   * made at module scope of a Cloudflare Worker, where no work may begin.
   *
   * @param options The store, the bounds, the hooks.
   * @throws {RangeError} If a number is out of bounds.
   */
  constructor(options: BrokerOptions = {}) {
    const {
      store,
      windowBytes = 1 << 22,
      heartbeat = 8_000,
      writeTimeout = 60_000,
      maxPendingPublishes = 65_536,
      maxTopics = 64,
      maxSegments = 32,
    } = options;
    const numbers = { windowBytes, heartbeat, writeTimeout, maxPendingPublishes, maxTopics, maxSegments };
    for (const [name, value] of Object.entries(numbers)) {
      if (typeof value !== "number" || !(value >= 0)) {
        throw new RangeError(`Cannot make broker as ${name} must be a number >= 0: got ${value}`);
      }
    }
    this.#options = options;
    this.#maxTopics = maxTopics;
    this.#maxSegments = maxSegments;
    this.#writeTimeout = writeTimeout === 0 ? Infinity : writeTimeout;
    this.#ownsStore = store === undefined;
    this.#store = store ?? new MemoryReplayStore();
    const onError = (error: unknown): void => this.#report(error);
    this.#follower = new LogFollower(this.#store, windowBytes, {
      onBegin: ({ head }) => this.#places.placeAtTail(this.#cursors, head),
      onEntry: (entry) => this.#fanOut.take(entry),
      onLost: (position) => {
        for (const cursor of this.#cursors) cursor.lostUntil(position);
      },
      onError,
    });
    this.#publisher = new Publisher({
      ready: () => this.#follower.attempt,
      append: (events) => this.#store.append(events),
      onPublished: ({ topics }, id) => {
        this.#counters.published++;
        this.#call(() => this.#options.onPublish?.({ id, topics }));
      },
      onError,
    }, maxPendingPublishes);
    this.#places = new Places(this.#store, this.#follower, onError);
    this.#catchUp = this.#makeCatchUp();
    this.#cursorHost = this.#makeCursorHost();
    // Without heartbeats the write timeout must still be checked
    const writes = heartbeat > 0 && heartbeat < Infinity;
    const interval = writes ? heartbeat : this.#writeTimeout;
    const stalledBeats = Math.ceil(this.#writeTimeout / interval);
    this.#heartbeat = new Heartbeat(interval, (cursors) => {
      this.#beating.add(cursors);
      if (this.#beating.size === 1) void this.#beat(stalledBeats, writes);
    });
    this.#presence = new Presence(this.#store, { groups: this.#fanOut.groups, onError });
    if (this.#presence.isShared) this.#follower.begin();
  }

  /**
   * Publishes an event. Events get their positions in the order of the calls,
   * awaited or not. If the call is not awaited, a rejection goes to `onError`.
   *
   * @param topics The topic, or several: each subscriber gets the event once, however many of its topics match.
   * @param event The event. It must have `data`, because no client dispatches an event without it.
   * @returns The event's ID, once the store has it.
   * @throws {TypeError | RangeError} (as a rejection) If a topic or a field is not valid. Nothing is published.
   * @throws {SseError} (as a rejection) `backend-failed` if the store has refused the event: no subscriber gets it.
   * `publish-uncertain` if the store may have it: publish it again with the same own ID. `id-taken`, `too-many-pending`,
   * `broker-closed`.
   */
  publish(topics: string | readonly string[], event: Publication): Promise<string> {
    try {
      if (this.#closing !== undefined) throw closed("publish");
      return this.#publisher.publish(checkPublication(topics, event));
    } catch (error) {
      return this.#publisher.refuse(error);
    }
  }

  /**
   * Subscribes to topics and patterns. `pets/dogs` is that topic alone, `pets/*`
   * each topic of one more segment, `pets/**` the topic `pets` and all below it.
   * Every event that is published after this call reaches the subscriber.
   *
   * @param topics The topics and patterns: at least one.
   * @param options Where to begin, and how to treat the subscriber.
   * @returns The subscriber, which can be read once, in one way.
   * @throws {TypeError | RangeError} If a topic, a pattern or an option is not valid, or there are more topics than
   * `maxTopics` or more segments in a pattern than `maxSegments`.
   * @throws {SseError} `broker-closed`.
   */
  subscribe(topics: string | readonly string[], options: SubscribeOptions = {}): Subscriber {
    if (this.#closing !== undefined) throw closed("subscribe");
    const names = typeof topics === "string" ? [topics] : topics;
    if (!Array.isArray(names) || names.length === 0) {
      throw new TypeError(
        `Cannot subscribe as topics must be a string or a list of at least one: got ${typeof topics}`,
      );
    }
    if (names.length > this.#maxTopics) {
      throw new RangeError(`Cannot subscribe as topics must be at most ${this.#maxTopics}: got ${names.length}`);
    }
    for (const name of names) checkPattern(name, this.#maxSegments);
    const own = { ...options }; // as they are now
    checkSubscribeOptions(own);
    this.#follower.begin();
    const group = this.#fanOut.groups.join(names);
    const cursor = new Cursor(this.#cursorHost, group, own);
    this.#cursors.add(cursor);
    if (isBetweenNodes(group)) this.#between++;
    this.#heartbeat.add(cursor);
    this.#call(() => this.#options.onSubscribe?.(cursor));
    if (own.signal?.aborted) void cursor.close("left");
    else this.#places.find(cursor);
    return cursor;
  }

  /**
   * Counts subscribers in all processes that share the store, if the store can tell,
   * and otherwise in this one. The counts of other processes are a second or two old.
   * A process that died is not counted after five seconds.
   *
   * @param topic A topic, for the subscribers that an event of it would reach; or a pattern, for those that subscribe to
   * nothing outside it.
   * @throws {TypeError} (as a rejection) If it is neither.
   */
  // deno-lint-ignore require-await
  async count(topic: string): Promise<number> {
    return this.#presence.count(topic);
  }

  /**
   * Numbers since the broker began.
   *
   * @param options `topics: true` adds those of each topic and pattern that is subscribed to now.
   */
  stats(options: { readonly topics?: boolean | undefined } = {}): BrokerStats {
    const stats = { subscribers: this.#cursors.size - this.#between, nodes: this.#presence.nodes, ...this.#counters };
    if (options.topics !== true) return stats;
    const topics = new Map<string, TopicStats>();
    for (const { topics: names, subscribers, published } of this.#fanOut.groups) {
      for (const name of names) {
        const known = topics.get(name);
        topics.set(name, {
          subscribers: (known?.subscribers ?? 0) + subscribers,
          published: Math.max(known?.published ?? 0, published),
        });
      }
    }
    return { ...stats, topics };
  }

  /**
   * Ends everything. Publishes under way are finished, every subscriber is told the
   * reason and ended, and the tail stops. May be called again.
   *
   * @param options What subscribers are told, and how long the store may take.
   * @returns Resolves when no timer, stream or call is left. A store that does not answer in time is not waited for:
   * publishes under way are then rejected with `publish-uncertain`.
   * @throws {RangeError} If `timeout` is not a number >= 0.
   */
  close({ reason = "drain", timeout = CLOSE_MS }: CloseOptions = {}): Promise<void> {
    if (typeof timeout !== "number" || !(timeout >= 0)) {
      throw new RangeError(`Cannot close broker as timeout must be a number >= 0: got ${timeout}`);
    }
    return this.#closing ??= this.#close(reason, timeout);
  }

  /** The same as `close()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(reason: CloseReason, timeout: number): Promise<void> {
    await undefined; // `#closing` is set before anything is refused
    const until = performance.now() + timeout;
    const within = (call: Promise<void>): Promise<boolean> => settlesWithin(until - performance.now(), call);
    if (!await within(this.#publisher.idle())) this.#publisher.giveUp();
    await Promise.all(Array.from(this.#cursors, (cursor) => cursor.close(reason)));
    this.#catchUp.close();
    this.#places.close();
    try {
      await within(this.#presence.close());
      await within(this.#follower.close());
    } finally {
      if (this.#ownsStore) await this.#store.close();
    }
  }

  /** Turns of the heartbeat, for all their subscribers. It gives way to the event loop. Never rejects. */
  async #beat(stalledBeats: number, writes: boolean): Promise<void> {
    const stint = new Stint();
    stint.begin();
    for (const cursors of this.#beating) {
      for (const cursor of cursors) {
        this.#call(() => cursor.beat(stalledBeats, writes));
        if (!stint.isOver()) continue;
        await turn();
        stint.begin();
      }
      this.#beating.delete(cursors);
    }
  }

  #checkpointChunk(): Chunk {
    const { head } = this.#follower.window!;
    if (this.#checkpoint?.head !== head) {
      this.#checkpoint = { head, chunk: textChunk(encodeCheckpoint(this.#store.idAt(head))) };
    }
    return this.#checkpoint.chunk;
  }

  #makeCatchUp(): CatchUp {
    const follower = this.#follower;
    return new CatchUp({
      store: this.#store,
      get window() {
        return follower.window!;
      },
      join: (walker) => (walker as Cursor).goLive(),
      awaitRoom: (walker) => (walker as Cursor).awaitRoom(),
      turn,
      onError: (error) => this.#report(error),
    });
  }

  #makeCursorHost(): CursorHost<Cursor> {
    const follower = this.#follower;
    const fanOut = this.#fanOut;
    return {
      counters: this.#counters,
      chunks: this.#fanOut.chunks,
      get head() {
        return follower.window!.head;
      },
      idAt: (position) => this.#store.idAt(position),
      checkpoint: () => this.#checkpointChunk(),
      advance: (cursor) => this.#catchUp.advance(cursor),
      leaveWalks: (cursor) => this.#catchUp.delete(cursor),
      settle: (cursor) => this.#fanOut.settle(cursor),
      get isBehind() {
        return fanOut.isBehind;
      },
      owes: (cursor) => this.#fanOut.owes(cursor.group),
      gather: () => this.#fanOut.gather(),
      remove: (cursor, reason) => {
        this.#cursors.delete(cursor);
        if (isBetweenNodes(cursor.group)) this.#between--;
        this.#fanOut.groups.leave(cursor.group);
        this.#heartbeat.delete(cursor);
        this.#places.leave(cursor);
        this.#call(() => this.#options.onUnsubscribe?.(cursor, reason));
      },
      onGap: (cursor, gap) => this.#call(() => this.#options.onGap?.(cursor, gap)),
      onError: (error) => this.#report(error),
    };
  }

  /** Calls a hook. If it throws or rejects, `onError` is told, and nothing else changes. */
  #call(hook: () => unknown): void {
    try {
      onRejection(hook(), (error) => this.#report(error));
    } catch (error) {
      this.#report(error);
    }
  }

  #report(error: unknown): void {
    this.#counters.errors++;
    const again = (): void => void this.#counters.errors++; // `onError` itself has failed: only the count is left
    try {
      onRejection(this.#options.onError?.(error), again);
    } catch {
      again();
    }
  }
}

/** Whether only messages between nodes reach it. */
function isBetweenNodes({ topics }: Group): boolean {
  return topics.every((topic) => topic.startsWith("$"));
}

function closed(call: string): SseError {
  return new SseError("broker-closed", `Cannot ${call} as the broker is closed`);
}
