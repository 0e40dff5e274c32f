import { matchesAny, TopicMatcher } from "../../topic.ts";
import { LOOKED_AT } from "../own_ids.ts";
import type { ReadOptions, ReadResult, SeekTarget, StoredEvent } from "../replay_store.ts";
import { STORE_ID } from "../store_id.ts";
import type { LogEngine } from "./engine.ts";
import { eventOf } from "./event_body.ts";
import type { KnownLog } from "./known_log.ts";
import { LogPages } from "./pages.ts";
import { follows, givenOut, isInHole } from "./state.ts";
import { TopicLists } from "./topic_lists.ts";

/** Pages that one read looks at. */
const PAGES = 8;

/** Reads a log at any place. Each call rejects when the engine fails. */
export class LogReader {
  readonly #engine: LogEngine;
  readonly #log: KnownLog;
  readonly #maxAge: number;
  readonly #pages: LogPages;
  readonly #topicLists = new TopicLists();

  constructor(engine: LogEngine, log: KnownLog, maxAge: number) {
    this.#engine = engine;
    this.#log = log;
    this.#maxAge = maxAge;
    this.#pages = new LogPages(engine);
  }

  /** Forgets what is held of the log. */
  clear(): void {
    this.#pages.clear();
  }

  async read(after: number, { topics, limit, maxLength = Infinity }: ReadOptions): Promise<ReadResult> {
    let state = await this.#log.current();
    const events: StoredEvent[] = [];
    let position = after;
    let removed = 0;
    let left = maxLength;
    const aged = this.#aged();
    let names: readonly string[] | undefined; // which often are those of the event before
    let reaches = true;
    const missing = async (next: number): Promise<void> => {
      state = await this.#log.ask(); // a hole may be new
      if (!follows(state, position, next)) removed = Math.max(removed, next - 1);
    };
    for (let pages = 0; pages < PAGES && events.length < limit && left > 0; pages++) {
      const known = this.#log.seen; // before asking: what comes meanwhile is not skipped
      const page = await this.#pages.next(position, topics, limit - events.length);
      const { entries, examined, ends, oldest } = page;
      if (oldest !== undefined && oldest > position && !follows(state, position, oldest)) await missing(oldest);
      for (const [i, entry] of entries.entries()) {
        if (events.length >= limit || left <= 0) {
          this.#pages.keep(position, topics, { ...page, entries: entries.slice(i) });
          return { events, position, removed };
        }
        if (oldest === undefined && !follows(state, position, entry.position)) await missing(entry.position);
        position = entry.position;
        if (entry.tellsLoss || entry.time < aged) removed = position;
        else {
          const last = names;
          names = this.#topicLists.of(entry.topics);
          if (topics !== undefined && names !== last) reaches = matchesAny(topics, names);
          if (!reaches) continue;
          const event = eventOf(entry, state.epoch, names);
          events.push(event);
          left -= event.data.length;
        }
      }
      position = Math.max(position, examined);
      if (!ends) continue;
      if (position === after && known <= after) { // nothing is known of what comes: ask
        state = await this.#log.ask();
        if (this.#log.seen > position && pages === 0) continue;
      }
      if (known > position) {
        // All of them are gone, unless no position was given out in between
        if (givenOut(state, known) > position && !isInHole(state, known)) removed = known;
        position = known;
      }
      break;
    }
    return { events, position, removed };
  }

  async locate(id: string, topics: readonly string[]): Promise<number | undefined> {
    const [, epoch, digits] = STORE_ID.exec(id) ?? [];
    if (digits === undefined) return await this.#find(id, topics);
    const position = Number(digits);
    let state = await this.#log.current();
    if (epoch !== state.epoch || position > this.#log.seen) state = await this.#log.ask();
    return epoch === state.epoch && position <= this.#log.seen && !isInHole(state, position) ? position : undefined;
  }

  async seek(target: SeekTarget): Promise<number> {
    const { oldest, newest } = await this.#log.ask();
    if (oldest === undefined) return newest;
    const aged = this.#aged();
    if ("since" in target) return await this.#searchTime(oldest, newest, Math.max(target.since, aged));
    let left = target.last;
    let before = newest + 1;
    for (;;) {
      const page = await this.#engine.pageBack(before);
      for (const { position, time, topics, tellsLoss } of page) {
        if (time < aged) return position;
        if (!tellsLoss && matchesAny(target.topics, JSON.parse(topics)) && --left === 0) return position - 1;
        before = position;
      }
      if (page.length === 0) return before - 1;
    }
  }

  /** The newest position that was removed, whatever the topics. */
  async removed(): Promise<number> {
    const state = await this.#log.ask();
    const { oldest, newest, lost } = state;
    let cut = oldest === undefined ? newest : oldest - 1;
    const aged = this.#aged();
    if (oldest !== undefined && aged > -Infinity) cut = await this.#searchTime(oldest, newest, aged);
    return Math.max(givenOut(state, cut), lost);
  }

  /** The earliest event of an own ID that the topics reach, of the first few. */
  async #find(id: string, topics: readonly string[]): Promise<number | undefined> {
    if (/[\0\r\n]/.test(id)) return undefined; // no event can have it
    await this.#log.current();
    const matcher = new TopicMatcher(topics);
    const aged = this.#aged();
    for (let after = 0, looked = 0;;) {
      const found = await this.#engine.find(id, after);
      for (const { position, time, topics } of found) {
        after = position;
        if (time < aged) continue;
        if (looked++ === LOOKED_AT) return undefined;
        if (matcher.matches(this.#topicLists.of(topics))) return position;
      }
      if (found.length === 0) return undefined;
    }
  }

  /** The position before the first event of a time or later. */
  async #searchTime(oldest: number, newest: number, time: number): Promise<number> {
    let [low, high] = [oldest, newest + 1];
    while (low < high) {
      const middle = Math.floor(low + (high - low) / 2);
      const entry = await this.#engine.entryFrom(middle);
      if (entry === undefined || entry.position >= high || entry.time >= time) high = middle;
      else low = entry.position + 1;
    }
    return low - 1;
  }

  /** What was taken before this time is too old: by the engine's clock, which gave the events their times. */
  #aged(): number {
    const { now } = this.#log;
    return now === undefined ? -Infinity : now - this.#maxAge;
  }
}
