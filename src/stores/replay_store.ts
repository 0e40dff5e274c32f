/**
 * An event on its way into a store. The broker has checked it: what a client
 * would not read back the same never comes here.
 */
export interface NewEvent {
  /** The topics that it is published to: one at least, each once. */
  readonly topics: readonly string[];
  /** The publisher's own ID, if it gave one: not empty, at most 256 bytes of UTF-8. */
  readonly id?: string | undefined;
  /** The event type, if the publisher gave one. */
  readonly event?: string | undefined;
  /** The payload. */
  readonly data: string;
  /** The comment, if the publisher gave one. */
  readonly comment?: string | undefined;
  /** The reconnection time to tell clients, in milliseconds, if the publisher gave one. */
  readonly retry?: number | undefined;
}

/** An event that a store has. */
export interface StoredEvent extends NewEvent {
  /** Its place in the store's one order: a safe integer >= 1, larger than that of every event before it. */
  readonly position: number;
  /** The publisher's own ID, or the store's. */
  readonly id: string;
  /** When the store took it, in milliseconds since 1970. */
  readonly time: number;
}

/** The result for one event of an `append`. */
export type AppendResult =
  /** The store has it, or had the same event already under the same own ID. */
  | { readonly id: string; readonly error?: undefined }
  /** The store refused this event alone: with code `id-taken` if its own ID is not free. */
  | { readonly id?: undefined; readonly error: Error };

/** Options for {@linkcode ReplayStore.read}. */
export interface ReadOptions {
  /** Only events that one of these topics or patterns reaches; without it, all. */
  readonly topics?: readonly string[] | undefined;
  /** How many events to return at most: an integer >= 1. */
  readonly limit: number;
  /**
   * Stop once the strings of the events hold this many UTF-16 code units: one
   * event is returned whatever its length.
   */
  readonly maxLength?: number | undefined;
}

/** What a {@linkcode ReplayStore.read} found. */
export interface ReadResult {
  /** The events, in order. */
  readonly events: readonly StoredEvent[];
  /**
   * How far was looked: every retained event up to here, that the topics reach,
   * is in `events`. Reading goes on after this position. Larger than the
   * position asked for unless that is the newest.
   */
  readonly position: number;
  /**
   * The newest position that retention had removed when reading: nothing after
   * it is missing. 0 if nothing was removed after the position asked for, or
   * ever.
   */
  readonly removed: number;
}

/** Where to begin, for {@linkcode ReplayStore.seek}. */
export type SeekTarget =
  /**
   * Before the last so many events that the topics reach: an integer >= 1. With
   * patterns a store may stop looking after a bound that its documentation
   * names: it then begins after what it has looked at, so fewer events follow.
   */
  | { readonly last: number; readonly topics: readonly string[] }
  /** Before the first event that the store took at this time or later, in milliseconds since 1970. */
  | { readonly since: number };

/** What {@linkcode ReplayStore.tail} calls. */
export interface TailHandlers {
  /** New events, in order, each once, none left out. Must not be called from within itself. */
  onEvents(events: readonly StoredEvent[]): void;
  /** Something failed, but the store goes on, or tries again. */
  onError(error: unknown): void;
  /** The engine has lost events: what follows comes after this position, and some before it may be gone for good. */
  onLost(position: number): void;
}

/** A tail that runs. */
export interface Tail {
  /** The newest position when it began: it hands over everything after. */
  readonly position: number;
  /** Stops it; no handler is called afterwards. */
  close(): Promise<void>;
}

/**
 * Keeps events in one order, and hands over new ones. A broker uses one store;
 * several brokers, of several processes, may share one. A store of your own must
 * keep these promises. `tests/suites/replay_store_suite.ts` checks each of them.
 *
 * - **Order.** Each event gets a position, a safe integer >= 1, larger than all
 *   before. Reading and every tail show the same events in that order.
 * - **Once.** An own ID belongs to the set of topics that it was published to.
 *   While an event is retained, another with its ID and exactly its topics (in
 *   any order) is not stored: the same event again (`event`, `data`, `comment`
 *   and `retry`) resolves to the same ID, any other is refused with the code
 *   `id-taken`. The same ID with other topics is another event. Once an event
 *   is removed its ID is free. A client that resumes by it goes on after the
 *   event that has it then, so an ID should name one event for good. An ID that the
 *   store could have made, or of the form `~[a-z]{8}\.[0-9A-Za-z_,-]+`, is
 *   refused with `id-taken`.
 * - **Retention** removes the oldest first, and remembers for `removed` what it
 *   removed: a gap is never hidden.
 * - **Failure.** A rejected call has changed nothing, unless it is an `SseError`
 *   with code `publish-uncertain`. Every call ends, and a lost connection is
 *   regained by the store: its tail goes on where it was, or calls `onLost`.
 *
 * @example The shape of a store
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryReplayStore, type ReplayStore } from "@freshet/sse";
 *
 * const store: ReplayStore = new MemoryReplayStore();
 * const [result] = await store.append([{ topics: ["pets/dogs"], data: "woof" }]);
 * assertEquals(await store.locate(result!.id!, ["pets/dogs"]), 1);
 * const { events } = await store.read(0, { topics: ["pets/**"], limit: 10 });
 * assertEquals(events.map((event) => event.data), ["woof"]);
 * await store.close();
 * ```
 */
export interface ReplayStore {
  /**
   * Stores events in the order given. Calls may overlap: then events are stored in
   * the order of the calls.
   *
   * @returns The result for each event, in the same order.
   */
  append(events: readonly NewEvent[]): Promise<readonly AppendResult[]>;
  /**
   * Reads retained events after a position.
   *
   * @param after A position, 0 for the beginning.
   */
  read(after: number, options: ReadOptions): Promise<ReadResult>;
  /** Hands over every event that is stored from now on, by any process. */
  tail(handlers: TailHandlers): Promise<Tail>;
  /**
   * The ID of any position at which a tail may begin or an event may stand:
   * what `locate` finds again. At most 256 bytes. May throw before any other
   * call has resolved.
   */
  idAt(position: number): string;
  /**
   * The position that an ID stands for, the store's own or a publisher's. A
   * publisher's may stand for several events: it is that of the earliest that
   * the topics reach, among the 64 earliest retained ones with this ID. So
   * a client that resumes by an ID that several retained events have may get events
   * again, and never loses one.
   *
   * @param topics The topics and patterns of the client that has the ID. They are not used for the store's own IDs.
   * @returns `undefined` if it stands for none here: never given out, not for these topics, forgotten by a restart, or
   * removed with its event.
   */
  locate(id: string, topics: readonly string[]): Promise<number | undefined>;
  /** The position to begin after. */
  seek(target: SeekTarget): Promise<number>;
  /**
   * The newest position that retention has removed among those that the topics
   * reach; 0 if none. Too late is allowed, too early is not. A store that knows
   * by topic is exact for topics and for patterns whose only wildcard is a last
   * `**`, as far as it remembers (`MemoryReplayStore`: about the 100,000 topics
   * of which it removed something last); it may be too late for others; one that does not answers with the
   * newest removed of all.
   */
  removed(topics: readonly string[]): Promise<number>;
  /**
   * Shares what a node says with the others on this store, for `ttl`
   * milliseconds from now; `undefined` takes it back. A store whose processes
   * cannot reach each other leaves this out.
   *
   * @returns What each node says whose time is not over, this one too.
   */
  announce?(node: string, says: string | undefined, ttl: number): Promise<ReadonlyMap<string, string>>;
  /** Ends every tail and closes what the store opened itself. May be called again. */
  close(): Promise<void>;
}
