import { SseError } from "../errors.ts";
import { encodeCheckpoint } from "../wire/idle.ts";
import type { BrokerOptions, BrokerStats, CloseOptions, Publication, TopicStats } from "./broker_options.ts";
import { CatchUp, type CatchUpHost } from "./catch_up.ts";
import { Cursor } from "./cursor.ts";
import type { CursorHost } from "./cursor_host.ts";
import { type Chunk, entryOf, textChunk } from "./entry.ts";
import { FanOut } from "./fan_out.ts";
import type { Group } from "./group.ts";
import { Heartbeat } from "../time/heartbeat.ts";
import { MemoryReplayStore } from "../stores/memory.ts";
import { Pauses } from "../time/pauses.ts";
import { checkPublication } from "./publication.ts";
import { Presence } from "./presence.ts";
import { Publisher } from "./publisher.ts";
import type { ReplayStore, SeekTarget, StoredEvent, Tail } from "../stores/replay_store.ts";
import { checkSubscribeOptions } from "./subscribe_options.ts";
import type { CloseReason, SubscribeOptions, Subscriber } from "./subscriber.ts";
import { checkPattern } from "../topic.ts";
import { Window } from "./window.ts";

/** Publishes a message to the other nodes, and this one: to a topic that begins with `$`, which `publish` refuses. */
export let tellNodes: (broker: Broker, topic: `$${string}`, data: string) => Promise<string>;
/** Whether a broker's store is shared with other nodes. */
export let isShared: (broker: Broker) => boolean;

/** How long to wait before asking a store again that would not begin: doubled each time, up to the last. */
const RETRY_MS = { first: 100, last: 5_000 };

/**
 * Topics, their subscribers, and the log between them. Publishing appends to
 * the store; the store's tail hands every event to every broker that stands on
 * it, in one order; and each subscriber is a place in that order.
 *
 * Nothing is lost that is retained: joining, resuming and reading slowly are
 * the same thing. Each subscriber is bounded by its own budget and slows down
 * nobody else. Events published in one turn of the event loop leave in one
 * write for each connection.
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
    tellNodes = (broker, topic, data) => broker.#publisher.publish({ topics: [topic], data });
    isShared = (broker) => broker.#presence.isShared;
  }

  readonly #options: BrokerOptions;
  readonly #store: ReplayStore;
  readonly #ownsStore: boolean;
  readonly #fanOut = new FanOut();
  readonly #publisher: Publisher;
  readonly #catchUp: CatchUp;
  readonly #heartbeat: Heartbeat<Cursor>;
  readonly #cursors = new Set<Cursor>();
  readonly #counters = { published: 0, delivered: 0, dropped: 0, bytes: 0, gaps: 0, errors: 0 };
  readonly #writeTimeout: number;
  readonly #windowBytes: number;

  readonly #begun = Promise.withResolvers<void>();
  readonly #pauses = new Pauses();
  readonly #cursorHost: CursorHost;
  readonly #presence: Presence;
  /** How many subscribers are not the application's, but the nodes' among themselves. */
  #between = 0;

  /** Known once the tail runs. */
  #window: Window | undefined;
  #tail: Tail | undefined;
  /** The newest attempt to follow the tail: publishing waits for it and shares its failure. */
  #attempt: Promise<void> = Promise.resolve();
  #checkpoint: { readonly head: number; readonly chunk: Chunk } | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Makes a broker and begins to follow its store.
   *
   * @param options The store, the bounds, the hooks.
   * @throws {RangeError} If a number is out of bounds.
   */
  constructor(options: BrokerOptions = {}) {
    const { store, windowBytes = 1 << 22, heartbeat = 8_000, writeTimeout = 60_000, maxPendingPublishes = 65_536 } =
      options;
    for (const [name, value] of Object.entries({ windowBytes, heartbeat, writeTimeout, maxPendingPublishes })) {
      if (typeof value !== "number" || !(value >= 0)) {
        throw new RangeError(`Cannot make broker as ${name} must be a number >= 0: got ${value}`);
      }
    }
    this.#options = options;
    this.#windowBytes = windowBytes;
    this.#writeTimeout = writeTimeout === 0 ? Infinity : writeTimeout;
    this.#ownsStore = store === undefined;
    this.#store = store ?? new MemoryReplayStore();
    this.#publisher = new Publisher({
      ready: () => this.#attempt,
      append: (events) => this.#store.append(events),
      onPublished: ({ topics }, id) => {
        this.#counters.published++;
        this.#call(() => this.#options.onPublish?.({ id, topics }));
      },
      onError: (error) => this.#report(error),
    }, maxPendingPublishes);
    const host = this.#cursorHost = this.#host();
    this.#catchUp = new CatchUp(host);
    // Without heartbeats the write timeout is still looked at
    const beats = heartbeat > 0 && heartbeat < Infinity;
    this.#heartbeat = new Heartbeat(beats ? heartbeat : this.#writeTimeout, (cursors) => {
      this.#fanOut.flushAll(); // a checkpoint stands for everything before it
      const now = Date.now();
      for (const cursor of cursors) cursor.beat(now, this.#writeTimeout, beats);
    });
    const { groups } = this.#fanOut;
    this.#presence = new Presence(this.#store, { groups, onError: (error) => this.#report(error) });
    void this.#follow();
  }

  /**
   * Publishes an event. Positions are given in the order of the calls, awaited
   * or not. A rejection that nobody awaits goes to `onError`.
   *
   * @param topics Where to: each subscriber gets the event once, however many of them reach it.
   * @param event What: `data` is needed, as no client dispatches an event without.
   * @returns The event's ID, once the store has it.
   * @throws {TypeError | RangeError} (as a rejection) If a topic or a field is not valid. Nothing is published.
   * @throws {SseError} (as a rejection) `backend-failed` if the store refused: nobody gets the event. `publish-uncertain`
   * if it may have it: publish again with the same own ID. `id-taken`, `too-many-pending`, `broker-closed`.
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
   * Subscribes to topics and patterns: `pets/dogs` exactly, `pets/*` one
   * segment, `pets/**` pets itself and all below. What is published after this
   * call reaches the subscriber.
   *
   * @param topics What to listen to; one at least.
   * @param options Where to begin, and how to treat the subscriber.
   * @returns The subscriber, to be read in one way.
   * @throws {TypeError | RangeError} If a topic, a pattern or an option is not valid.
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
    for (const name of names) checkPattern(name);
    checkSubscribeOptions(options);
    const group = this.#fanOut.groups.join(names);
    const cursor = new Cursor(this.#cursorHost, group, options);
    this.#cursors.add(cursor);
    if (isBetweenNodes(group)) this.#between++;
    this.#heartbeat.add(cursor);
    this.#call(() => this.#options.onSubscribe?.(cursor));
    if (options.signal?.aborted) void cursor.close("left");
    else void this.#begin(cursor);
    return cursor;
  }

  /**
   * Counts subscribers, over all processes that share the store if it can tell,
   * else in this one. Others are counted as they were a second or two ago; one
   * that died is forgotten within five seconds.
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
   * Ends everything: publishes under way are finished, every subscriber is
   * told why and ended, the tail stops. May be called again.
   *
   * @param options What subscribers are told.
   * @returns When no timer, stream or call is left.
   */
  close(options: CloseOptions = {}): Promise<void> {
    return this.#closing ??= this.#close(options.reason ?? "drain");
  }

  /** The same as `close()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(reason: CloseReason): Promise<void> {
    await undefined; // `#closing` is set before anything is refused
    this.#pauses.end();
    await this.#attempt.catch(() => {}); // reported already; a tail that begins now is closed below
    await this.#publisher.idle();
    this.#fanOut.flushAll();
    await Promise.all(Array.from(this.#cursors, (cursor) => cursor.close(reason)));
    this.#catchUp.close();
    await this.#presence.close();
    await this.#tail?.close();
    if (this.#ownsStore) await this.#store.close();
  }

  /** Follows the store's tail, trying again until it can or the broker closes. Never rejects. */
  async #follow(): Promise<void> {
    for (let wait = RETRY_MS.first; this.#closing === undefined; wait = Math.min(wait * 2, RETRY_MS.last)) {
      this.#attempt = this.#followOnce();
      try {
        await this.#attempt;
        break;
      } catch (error) {
        this.#report(error);
        await this.#pauses.wait(wait);
      }
    }
    this.#begun.resolve();
  }

  async #followOnce(): Promise<void> {
    const early: StoredEvent[] = [];
    const tail = await this.#store.tail({
      onEvents: (events) => this.#window === undefined ? early.push(...events) : this.#onEvents(this.#window, events),
      onError: (error) => this.#report(error),
      onLost: (position) => this.#onLost(position),
    });
    this.#tail = tail;
    this.#window = new Window(this.#windowBytes, tail.position);
    // Before anything is published: what comes after subscribe() reaches the subscriber
    for (const cursor of this.#cursors) if (beginsAtTail(cursor)) cursor.begin(tail.position);
    this.#onEvents(this.#window, early);
  }

  /** Fixes a new cursor's place: at once where that is known, else when the store has told. Never rejects. */
  async #begin(cursor: Cursor): Promise<void> {
    if (beginsAtTail(cursor)) return this.#window === undefined ? undefined : cursor.begin(this.#window.head);
    const { lastEventId = "" } = cursor.options;
    await this.#begun.promise;
    let wait = RETRY_MS.first;
    while (!cursor.isEnded && this.#window !== undefined) {
      try {
        if (lastEventId === "") return cursor.begin(await this.#store.seek(seekTarget(cursor)));
        const { topics } = cursor.group;
        const stored = await this.#store.locate(lastEventId, topics);
        // Of two events with this ID the store may have forgotten the first when the window has not
        const position = Math.min(stored ?? Infinity, this.#window.locate(lastEventId, topics) ?? Infinity);
        if (position < Infinity) return cursor.begin(position);
        cursor.lose("unknown");
        return cursor.begin(0);
      } catch (error) {
        this.#report(error);
        await this.#pauses.wait(wait);
        wait = Math.min(wait * 2, RETRY_MS.last);
      }
    }
  }

  /** What the tail hands over: into the window, and to whom it reaches. */
  #onEvents(window: Window, events: readonly StoredEvent[]): void {
    for (const event of events) {
      const entry = entryOf(event);
      window.push(entry);
      this.#fanOut.take(entry);
    }
  }

  /** The engine lost events: everyone goes on after this position, and is told. */
  #onLost(position: number): void {
    this.#fanOut.flushAll();
    this.#window?.restart(position);
    for (const cursor of this.#cursors) cursor.lostUntil(position);
  }

  #checkpointChunk(): Chunk {
    const { head } = this.#window!;
    if (this.#checkpoint?.head !== head) {
      this.#checkpoint = { head, chunk: textChunk(encodeCheckpoint(this.#store.idAt(head))) };
    }
    return this.#checkpoint.chunk;
  }

  /** What the cursors and their catch-up see of this broker. */
  #host(): CursorHost & CatchUpHost {
    // deno-lint-ignore no-this-alias
    const broker = this;
    return {
      store: this.#store,
      counters: this.#counters,
      get window() {
        return broker.#window!;
      },
      get head() {
        return broker.#window!.head;
      },
      idAt: (position) => this.#store.idAt(position),
      checkpoint: () => this.#checkpointChunk(),
      advance: (cursor) => {
        if (cursor.position >= broker.#window!.head && !cursor.hasGap) this.#fanOut.join(cursor);
        else this.#catchUp.add(cursor);
      },
      join: (cursor) => this.#fanOut.join(cursor),
      flush: (group) => this.#fanOut.flush(group),
      turn: () => this.#fanOut.turn(),
      adopt: (schedule) => this.#fanOut.adopt(schedule),
      remove: (cursor, reason) => {
        this.#cursors.delete(cursor);
        if (isBetweenNodes(cursor.group)) this.#between--;
        this.#fanOut.groups.leave(cursor);
        this.#heartbeat.delete(cursor);
        this.#catchUp.delete(cursor);
        this.#call(() => this.#options.onUnsubscribe?.(cursor, reason));
      },
      onGap: (cursor, gap) => this.#call(() => this.#options.onGap?.(cursor, gap)),
      onError: (error) => this.#report(error),
    };
  }

  /** Calls a hook: one that throws harms nobody else. */
  #call(hook: () => void): void {
    try {
      hook();
    } catch (error) {
      this.#report(error);
    }
  }

  #report(error: unknown): void {
    this.#counters.errors++;
    try {
      this.#options.onError?.(error);
    } catch {
      this.#counters.errors++; // there is nobody left to tell
    }
  }
}

/** Whether only messages between nodes reach it. */
function isBetweenNodes({ topics }: Group): boolean {
  return topics.every((topic) => topic.startsWith("$"));
}

/** Whether it begins where the log is when it subscribes. */
function beginsAtTail({ options: { lastEventId = "", start = "tail" } }: Cursor): boolean {
  return lastEventId === "" && start === "tail";
}

function seekTarget({ options: { start }, topics }: Cursor): SeekTarget {
  if (typeof start !== "object") return { since: 0 };
  return "last" in start ? { last: start.last, topics } : { since: Number(start.since) };
}

function closed(call: string): SseError {
  return new SseError("broker-closed", `Cannot ${call} as the broker is closed`);
}
