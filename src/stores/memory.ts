import { SseError } from "../errors.ts";
import { Deque } from "./deque.ts";
import type {
  AppendResult,
  NewEvent,
  ReadOptions,
  ReadResult,
  ReplayStore,
  SeekTarget,
  StoredEvent,
  Tail,
  TailHandlers,
} from "./replay_store.ts";
import { newEpoch, STORE_ID, storeId } from "./store_id.ts";
import { matchesAny, matchesTopic } from "../topic.ts";

/** Options for {@linkcode MemoryReplayStore}. Of several limits, the first that is reached removes. */
export interface MemoryReplayStoreOptions {
  /**
   * How many events to keep.
   *
   * @default {Infinity}
   */
  readonly maxEvents?: number | undefined;
  /**
   * How long to keep an event, in milliseconds. One that is older is given to
   * nobody; its memory is freed with the next call.
   *
   * @default {Infinity}
   */
  readonly maxAge?: number | undefined;
  /**
   * How many bytes to keep: two for each UTF-16 code unit of an event's strings
   * and 200 for the rest, which is no less than it takes.
   *
   * @default {67_108_864}
   */
  readonly maxBytes?: number | undefined;
  /**
   * `"none"` keeps nothing: events are only handed on. Clients then resume as
   * far as the broker's window reaches.
   */
  readonly retention?: "none" | undefined;
}

/** What an event takes beside its strings, in bytes. */
const EVENT_BYTES = 200;
/** Of how many topics the newest removed position is known; beyond, they share one. */
const REMOVED_TOPICS = 100_000;
/** How many events one read looks at, so that it never holds up the event loop for long. */
const EXAMINED_EVENTS = 10_000;

/**
 * A replay store in memory: one process, gone with it. Its IDs hold a random
 * part made with the store, so that those from before a restart are unknown
 * instead of mistaken.
 *
 * @example Keeping ten minutes, and no more than a thousand events
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Broker, MemoryReplayStore } from "@freshet/sse";
 *
 * const store = new MemoryReplayStore({ maxEvents: 1_000, maxAge: 600_000 });
 * await using broker = new Broker({ store });
 * const id = await broker.publish("pets/dogs", { data: "woof" });
 * assertEquals(await store.locate(id), 1);
 * ```
 */
export class MemoryReplayStore implements ReplayStore {
  readonly #maxEvents: number;
  readonly #maxAge: number;
  readonly #maxBytes: number;
  readonly #epoch = newEpoch();
  readonly #log = new Deque<StoredEvent>();
  readonly #byOwnId = new Map<string, number>();
  readonly #tails = new Set<TailHandlers>();
  /** The newest removed position of each topic, of all topics since it was last emptied. */
  readonly #removedOf = new Map<string, number>();
  #removedBefore = 0;
  #bytes = 0;
  #newest = 0;
  #time = 0;
  #closed = false;

  /**
   * Makes an empty store.
   *
   * @param options How much to keep.
   * @throws {RangeError} If a limit is not a number >= 0.
   * @throws {TypeError} If an option is unknown here, such as `maxEventsPerTopic`.
   */
  constructor(options: MemoryReplayStoreOptions = {}) {
    const { maxEvents = Infinity, maxAge = Infinity, maxBytes = 1 << 26, retention, ...unknown } = options;
    for (const name of Object.keys(unknown)) {
      throw new TypeError(`Cannot make store as a MemoryReplayStore cannot keep to ${name}`);
    }
    for (const [name, value] of Object.entries({ maxEvents, maxAge, maxBytes })) {
      if (typeof value !== "number" || !(value >= 0)) {
        throw new RangeError(`Cannot make store as ${name} must be a number >= 0: got ${value}`);
      }
    }
    if (retention !== undefined && retention !== "none") {
      throw new TypeError(`Cannot make store as retention must be "none": got ${JSON.stringify(retention)}`);
    }
    this.#maxEvents = retention === "none" ? 0 : maxEvents;
    this.#maxAge = maxAge;
    this.#maxBytes = maxBytes;
  }

  /** Stores events; see {@linkcode ReplayStore.append}. An own ID of the store's form is refused with `id-taken`. */
  append(events: readonly NewEvent[]): Promise<readonly AppendResult[]> {
    if (this.#closed) return Promise.reject(closed("append"));
    const time = this.#time = Math.max(this.#time, Date.now()); // `seek` halves: a clock set back must not unsort it
    const stored: StoredEvent[] = [];
    const results = events.map((event): AppendResult => {
      const { id } = event;
      if (id === undefined) {
        const position = ++this.#newest;
        const own = this.idAt(position);
        stored.push({ ...event, position, id: own, time });
        return { id: own };
      }
      if (STORE_ID.test(id)) {
        return { error: new SseError("id-taken", `Cannot publish as IDs of this form are the store's: got "${id}"`) };
      }
      if (!this.#byOwnId.has(id)) {
        const position = ++this.#newest;
        this.#byOwnId.set(id, position);
        stored.push({ ...event, position, id, time });
      }
      return { id };
    });
    for (const event of stored) {
      this.#log.push(event);
      this.#bytes += bytesOf(event);
    }
    this.#retain(time);
    if (stored.length > 0) { for (const { onEvents } of this.#tails) onEvents(stored); }
    return Promise.resolve(results);
  }

  /** Reads retained events; see {@linkcode ReplayStore.read}. */
  read(after: number, { topics, limit, maxLength = Infinity }: ReadOptions): Promise<ReadResult> {
    if (this.#closed) return Promise.reject(closed("read"));
    this.#retain(Date.now());
    const oldest = this.#newest - this.#log.length + 1;
    const events: StoredEvent[] = [];
    const first = Math.max(0, after + 1 - oldest);
    const end = Math.min(this.#log.length, first + EXAMINED_EVENTS);
    let at = first;
    for (let left = maxLength; at < end && events.length < limit && left > 0;) {
      const event = this.#log.at(at++);
      if (topics !== undefined && !matchesAny(topics, event.topics)) continue;
      events.push(event);
      left -= event.data.length;
    }
    return Promise.resolve({ events, position: Math.max(after, oldest + at - 1), removed: oldest - 1 });
  }

  /** Hands over new events; see {@linkcode ReplayStore.tail}. */
  tail(handlers: TailHandlers): Promise<Tail> {
    if (this.#closed) return Promise.reject(closed("tail"));
    const own = {
      onEvents: (events: readonly StoredEvent[]) => handlers.onEvents(events),
      onError: () => {},
      onLost: () => {},
    };
    this.#tails.add(own);
    return Promise.resolve({
      position: this.#newest,
      close: () => {
        this.#tails.delete(own);
        return Promise.resolve();
      },
    });
  }

  /** The ID of a position; see {@linkcode ReplayStore.idAt}. */
  idAt(position: number): string {
    return storeId(this.#epoch, position);
  }

  /** The position of an ID; see {@linkcode ReplayStore.locate}. */
  locate(id: string): Promise<number | undefined> {
    if (this.#closed) return Promise.reject(closed("locate"));
    this.#retain(Date.now());
    const [, epoch, digits] = STORE_ID.exec(id) ?? [];
    if (digits === undefined) return Promise.resolve(this.#byOwnId.get(id));
    const position = Number(digits);
    return Promise.resolve(epoch === this.#epoch && position <= this.#newest ? position : undefined);
  }

  /** The position to begin after; see {@linkcode ReplayStore.seek}. */
  seek(target: SeekTarget): Promise<number> {
    if (this.#closed) return Promise.reject(closed("seek"));
    this.#retain(Date.now());
    const oldest = this.#newest - this.#log.length + 1;
    if ("since" in target) {
      return Promise.resolve(oldest - 1 + this.#log.search((event) => event.time < target.since));
    }
    let at = this.#log.length;
    for (let left = target.last; left > 0 && at > 0;) {
      if (matchesAny(target.topics, this.#log.at(--at).topics)) left--;
    }
    return Promise.resolve(oldest - 1 + at);
  }

  /** The newest removed position; see {@linkcode ReplayStore.removed}. Exact for 100,000 topics. */
  removed(topics: readonly string[]): Promise<number> {
    if (this.#closed) return Promise.reject(closed("read"));
    let newest = this.#removedBefore;
    for (const pattern of topics) {
      if (pattern.includes("*")) {
        for (const [topic, position] of this.#removedOf) {
          if (position > newest && matchesTopic(pattern, topic)) newest = position;
        }
      } else {
        newest = Math.max(newest, this.#removedOf.get(pattern) ?? 0);
      }
    }
    return Promise.resolve(newest);
  }

  /** Forgets everything and ends every tail. */
  close(): Promise<void> {
    this.#closed = true;
    this.#tails.clear();
    this.#byOwnId.clear();
    this.#removedOf.clear();
    while (this.#log.shift() !== undefined);
    return Promise.resolve();
  }

  /** Removes what the limits no longer allow. */
  #retain(now: number): void {
    const log = this.#log;
    while (
      log.length > 0 &&
      (log.length > this.#maxEvents || this.#bytes > this.#maxBytes || now - log.at(0).time > this.#maxAge)
    ) {
      const event = log.shift()!;
      this.#bytes -= bytesOf(event);
      if (this.#byOwnId.get(event.id) === event.position) this.#byOwnId.delete(event.id);
      for (const topic of event.topics) this.#removedOf.set(topic, event.position);
      if (this.#removedOf.size > REMOVED_TOPICS) {
        this.#removedOf.clear();
        this.#removedBefore = event.position;
      }
    }
  }
}

function bytesOf({ id, data, event = "", comment = "", topics }: StoredEvent): number {
  let units = id.length + data.length + event.length + comment.length;
  for (const topic of topics) units += topic.length;
  return EVENT_BYTES + 2 * units;
}

function closed(call: string): SseError {
  return new SseError("backend-failed", `Cannot ${call} as the store is closed`);
}
