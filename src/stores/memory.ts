import { SseError } from "../errors.ts";
import { lastEvents } from "./last_events.ts";
import { MemoryLog } from "./memory_log.ts";
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
import { newEpoch, RESERVED_ID, STORE_ID, storeId } from "./store_id.ts";
import { SharedTurns } from "../time/shared_turns.ts";
import { TopicMatcher } from "../topic.ts";

/** Options for {@linkcode MemoryReplayStore}. Of several limits, the first one that is reached removes events. */
export interface MemoryReplayStoreOptions {
  /**
   * How many events to keep.
   *
   * @default {Infinity}
   */
  readonly maxEvents?: number | undefined;
  /**
   * How long to keep an event, in milliseconds. An older event is not given out
   * any more. Its memory is freed with the next call.
   *
   * @default {Infinity}
   */
  readonly maxAge?: number | undefined;
  /**
   * How many bytes to keep. An event counts two bytes for each UTF-16 code unit of
   * its strings, 330 to 410 bytes for the rest, and 100 bytes for each further
   * topic. That is no less than the memory that it takes.
   * What is remembered of removed topics, for `removed`, comes on top: at most
   * 25,165,824 bytes, enough for about 100,000 topics.
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

/** What one read does at most, so that it never holds up the event loop: an event, a topic and a node of patterns count one. */
const READ_WORK = 10_000;
/** What all other long calls together do in one turn of the event loop, and what one does before the next has its turn. */
const TURN_WORK = { all: 10_000, one: 1_000 };
/** What one seek for the last events of patterns does at most, counted as for a read. */
const SEEK_WORK = 30_000;
/** What an append removes beyond as much as it adds; the rest is removed in later turns. */
const APPEND_WORK = 64;

/**
 * A replay store in the memory of one process. Its events are lost when the process
 * ends. Its IDs hold a random part that is made with the store, so an ID from before
 * a restart is unknown, and never stands for another event. However much it keeps,
 * no call holds up the event loop: a long one goes on in later turns.
 *
 * @example Keeping ten minutes, and no more than a thousand events
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Broker, MemoryReplayStore } from "@freshet/sse";
 *
 * const store = new MemoryReplayStore({ maxEvents: 1_000, maxAge: 600_000 });
 * await using broker = new Broker({ store });
 * const id = await broker.publish("pets/dogs", { data: "woof" });
 * assertEquals(await store.locate(id, ["pets/dogs"]), 1);
 * ```
 */
export class MemoryReplayStore implements ReplayStore {
  /** Made when it is first asked for: at module scope of a Cloudflare Worker nothing may be random. */
  #madeEpoch: string | undefined;
  readonly #log: MemoryLog;
  readonly #tails = new Set<TailHandlers>();
  readonly #turns = new SharedTurns(TURN_WORK.all, TURN_WORK.one);
  /** The seeks under way, by what they look for and the newest event when they began. */
  readonly #seeking = new Map<string, Promise<number>>();
  /** The removing that goes on in later turns. */
  #removing: Promise<void> | undefined;
  #time = 0;
  #isClosed = false;

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
    this.#log = new MemoryLog({ maxEvents: retention === "none" ? 0 : maxEvents, maxAge, maxBytes });
  }

  get #epoch(): string {
    return this.#madeEpoch ??= newEpoch();
  }

  /**
   * Stores events; see {@linkcode ReplayStore.append}. An own ID of the store's
   * form is refused with `id-taken`, as is one that another event of the same
   * topics has.
   */
  append(events: readonly NewEvent[]): Promise<readonly AppendResult[]> {
    if (this.#isClosed) return Promise.reject(closed("append"));
    const time = this.#time = Math.max(this.#time, Date.now()); // `seek` halves: a clock set back must not unsort it
    const stored: StoredEvent[] = [];
    const results = events.map((event) => this.#take(event, time, stored));
    this.#log.removeOver(time, 2 * stored.length + APPEND_WORK);
    if (this.#log.isOver(time)) void this.#removeOver();
    if (stored.length > 0) { for (const { onEvents } of this.#tails) onEvents(stored); }
    return Promise.resolve(results);
  }

  /** Reads retained events; see {@linkcode ReplayStore.read}. */
  async read(after: number, { topics, limit, maxLength = Infinity }: ReadOptions): Promise<ReadResult> {
    await this.#ready("read");
    const log = this.#log;
    const removed = log.oldest - 1;
    const matcher = topics && new TopicMatcher(topics);
    const events: StoredEvent[] = [];
    let position = Math.max(after, removed);
    let left = maxLength;
    let looked = 0;
    while (position < log.newest && events.length < limit && left > 0) {
      if (looked++ + (matcher?.steps ?? 0) >= READ_WORK) break;
      const event = log.at(++position);
      if (matcher?.matches(event.topics) === false) continue;
      events.push(event);
      left -= event.data.length;
    }
    return { events, position, removed };
  }

  /** Hands over new events; see {@linkcode ReplayStore.tail}. */
  tail(handlers: TailHandlers): Promise<Tail> {
    if (this.#isClosed) return Promise.reject(closed("tail"));
    const own = {
      onEvents: (events: readonly StoredEvent[]) => handlers.onEvents(events),
      onError: () => {},
      onLost: () => {},
    };
    this.#tails.add(own);
    return Promise.resolve({
      position: this.#log.newest,
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
  async locate(id: string, topics: readonly string[]): Promise<number | undefined> {
    await this.#ready("locate");
    const [, epoch, digits] = STORE_ID.exec(id) ?? [];
    if (digits === undefined) return this.#log.ownIds.locate(id, topics);
    const position = Number(digits);
    return epoch === this.#epoch && position <= this.#log.newest ? position : undefined;
  }

  /**
   * The position to begin after; see {@linkcode ReplayStore.seek}. The last
   * events of patterns are looked for back through the log, among about the
   * newest 10,000 events (fewer where the patterns take longer to match). If
   * that bound is met, it begins there, with fewer events than were asked for.
   * The last events of topics are found however old they are.
   */
  async seek(target: SeekTarget): Promise<number> {
    await this.#ready("seek");
    if ("since" in target) return this.#log.firstSince(target.since) - 1;
    const { last, topics } = target;
    const key = JSON.stringify([this.#log.newest, last, ...topics]);
    let seeking = this.#seeking.get(key);
    if (seeking === undefined) {
      seeking = this.#seekLast(topics, last).finally(() => this.#seeking.delete(key));
      this.#seeking.set(key, seeking);
    }
    return await seeking;
  }

  /** The newest removed position; see {@linkcode ReplayStore.removed}. */
  async removed(topics: readonly string[]): Promise<number> {
    await this.#ready("read");
    let newest = 0;
    await this.#turns.run(() => {
      const found = this.#log.removed.find(topics);
      newest = found.newest;
      return { spent: found.looked, done: true };
    });
    return newest;
  }

  /** Forgets everything and ends every tail. */
  close(): Promise<void> {
    this.#isClosed = true;
    this.#tails.clear();
    this.#log.clear();
    return Promise.resolve();
  }

  /** Stores one event, unless it is there or its ID is taken. */
  #take(event: NewEvent, time: number, stored: StoredEvent[]): AppendResult {
    const log = this.#log;
    const position = log.newest + 1;
    const { id = this.idAt(position) } = event;
    if (event.id !== undefined) {
      if (RESERVED_ID.test(id)) return taken(`IDs of this form are the store's: got "${id}"`);
      let first = log.ownIds.get(id, event.topics);
      if (first !== undefined && log.isOver(time)) {
        log.removeOver(time, Infinity); // which it may be among
        first = log.ownIds.get(id, event.topics);
      }
      if (first !== undefined) {
        return isSame(first, event) ? { id } : taken(`another event of the same topics has this ID: got "${id}"`);
      }
    }
    const one: StoredEvent = { ...event, position, id, time };
    log.push(one, event.id !== undefined);
    stored.push(one);
    return { id };
  }

  async #seekLast(topics: readonly string[], last: number): Promise<number> {
    const events = lastEvents(this.#log, topics, last, SEEK_WORK); // what comes meanwhile is after them
    await this.#turns.run((most) => {
      if (this.#isClosed) throw closed("seek");
      return events.step(most);
    });
    return events.position;
  }

  /** Resolves when everything is removed that the limits no longer allow. */
  async #ready(call: string): Promise<void> {
    if (!this.#isClosed && this.#log.isOver(Date.now())) await this.#removeOver();
    if (this.#isClosed) throw closed(call);
  }

  /** Never rejects. */
  #removeOver(): Promise<void> {
    return this.#removing ??= this.#turns.run((most) => {
      const now = Date.now();
      const spent = this.#log.removeOver(now, most);
      return { spent, done: !this.#log.isOver(now) };
    }).finally(() => this.#removing = undefined);
  }
}

/** Whether two events of the same topics and ID are the same. */
function isSame(a: NewEvent, b: NewEvent): boolean {
  return a.data === b.data && a.event === b.event && a.comment === b.comment && a.retry === b.retry;
}

function taken(why: string): AppendResult {
  return { error: new SseError("id-taken", `Cannot publish as ${why}`) };
}

function closed(call: string): SseError {
  return new SseError("backend-failed", `Cannot ${call} as the store is closed`);
}
