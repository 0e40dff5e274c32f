import { Pauses } from "../../time/pauses.ts";
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
} from "../replay_store.ts";
import { STORE_ID, storeId } from "../store_id.ts";
import { matchesAny } from "../../topic.ts";
import { SseError } from "../../errors.ts";
import { AppendQueue } from "./append_queue.ts";
import { closed } from "./closed.ts";
import { eventOf, type LogEntry } from "./event_body.ts";
import type { LogEngine } from "./engine.ts";
import { LogPages } from "./pages.ts";
import { follows, givenOut, isInHole, type LogState } from "./state.ts";
import { Tails } from "./tails.ts";
import { within } from "../../time/within.ts";

/** Pages that one read looks at. */
const PAGES = 8;
/** How long `next` of an engine may wait for entries, in milliseconds. */
export const NEXT_MS = 2_000;
/** How long to wait after following has failed: doubled each time, up to the last. */
const RETRY_MS = { first: 50, last: 1_000 };

/**
 * What the stores on Redis and PostgreSQL have in common: one log, read by one
 * follower for all tails of this process.
 *
 * An engine that comes back from an outage may have lost what it acknowledged
 * last. It goes on far above, behind a hole in the positions; a process that has
 * seen a position inside the hole knows of the loss, and tells all others by an
 * entry of the log.
 */
export class LogReplayStore implements ReplayStore {
  readonly #engine: LogEngine;
  readonly #maxAge: number;
  readonly #timeout: number;
  readonly #queue: AppendQueue;
  readonly #pages: LogPages;
  readonly #tails = new Tails();
  readonly #pauses = new Pauses();
  #state: LogState | undefined;
  /** The newest position that this process knows of. */
  #seen = 0;
  /** Up to where the tails have had everything. */
  #head = 0;
  #following: object | undefined;
  #lastTopics: { readonly text: string; readonly topics: readonly string[] } = { text: "[]", topics: [] };
  #closed = false;

  constructor(engine: LogEngine, { maxAge, timeout }: { readonly maxAge: number; readonly timeout: number }) {
    this.#engine = engine;
    this.#maxAge = maxAge;
    this.#timeout = timeout;
    this.#pages = new LogPages(engine);
    this.#queue = new AppendQueue(
      engine.name,
      timeout,
      engine.batches,
      (batch, sequence) => this.#send(batch, sequence),
    );
  }

  append(events: readonly NewEvent[]): Promise<readonly AppendResult[]> {
    return this.#closed ? Promise.reject(closed("append")) : this.#queue.append(events);
  }

  read(after: number, { topics, limit, maxLength = Infinity }: ReadOptions): Promise<ReadResult> {
    return this.#run("read", async () => {
      let state = await this.#current();
      const events: StoredEvent[] = [];
      let position = after;
      let removed = 0;
      let left = maxLength;
      const aged = Date.now() - this.#maxAge;
      let names: readonly string[] | undefined; // which often are those of the event before
      let reaches = true;
      const missing = async (next: number): Promise<void> => {
        state = await this.#resync(); // a hole may be new
        if (!follows(state, position, next)) removed = Math.max(removed, next - 1);
      };
      for (let pages = 0; pages < PAGES && events.length < limit && left > 0; pages++) {
        const known = this.#seen; // before asking: what comes meanwhile is not skipped
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
            names = this.#topicsOf(entry);
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
          state = await this.#resync();
          if (this.#seen > position && pages === 0) continue;
        }
        if (known > position) {
          // All of them are gone, unless no position was given out in between
          if (givenOut(state, known) > position && !isInHole(state, known)) removed = known;
          position = known;
        }
        break;
      }
      return { events, position, removed };
    });
  }

  async tail(handlers: TailHandlers): Promise<Tail> {
    // Only this is tried again: what was given up may still come to its end, and must not leave a second tail behind
    const { newest } = await this.#run("tail", () => this.#resync());
    if (this.#closed) throw closed("tail");
    if (this.#following === undefined) {
      this.#head = newest;
      void this.#follow();
    }
    return this.#tails.add(handlers, Math.max(newest, this.#head), () => {
      if (this.#tails.size === 0) this.#stopFollowing();
    });
  }

  idAt(position: number): string {
    if (this.#state === undefined) {
      const { name } = this.#engine;
      throw new SseError("backend-failed", `Cannot make ID as ${name} has not been asked for anything yet`);
    }
    return storeId(this.#state.epoch, position);
  }

  locate(id: string): Promise<number | undefined> {
    return this.#run("locate", async () => {
      const [, epoch, digits] = STORE_ID.exec(id) ?? [];
      if (digits === undefined) {
        const entry = id.includes("\0") ? undefined : await this.#engine.find(id); // no event can have it
        return entry === undefined || this.#isAged(entry) ? undefined : entry.position;
      }
      const position = Number(digits);
      let state = await this.#current();
      if (epoch !== state.epoch || position > this.#seen) state = await this.#resync();
      return epoch === state.epoch && position <= this.#seen && !isInHole(state, position) ? position : undefined;
    });
  }

  seek(target: SeekTarget): Promise<number> {
    return this.#run("seek", async () => {
      const { oldest, newest } = await this.#resync();
      if (oldest === undefined) return newest;
      const aged = Date.now() - this.#maxAge;
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
    });
  }

  removed(): Promise<number> {
    return this.#run("read", async () => {
      const state = await this.#resync();
      const { oldest, newest, lost } = state;
      let cut = oldest === undefined ? newest : oldest - 1;
      if (oldest !== undefined && this.#maxAge < Infinity) {
        cut = await this.#searchTime(oldest, newest, Date.now() - this.#maxAge);
      }
      return Math.max(givenOut(state, cut), lost);
    });
  }

  announce(node: string, says: string | undefined, ttl: number): Promise<ReadonlyMap<string, string>> {
    return this.#run("announce", () => this.#engine.announce(node, says, ttl));
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#pages.clear();
    this.#queue.close();
    this.#tails.clear();
    this.#pauses.end();
    this.#stopFollowing();
    return Promise.resolve();
  }

  async #send(batch: readonly NewEvent[], sequence: number): Promise<readonly AppendResult[]> {
    const { epoch, results, newest } = await this.#engine.append(batch, sequence);
    if (epoch !== this.#state?.epoch) await this.#resync().catch((error) => this.#tails.error(error));
    if (epoch === this.#state?.epoch) this.#seen = Math.max(this.#seen, newest);
    return results;
  }

  /** Events of the same topics often come one after the other. */
  #topicsOf({ topics: text }: LogEntry): readonly string[] {
    if (this.#lastTopics.text !== text) this.#lastTopics = { text, topics: JSON.parse(text) };
    return this.#lastTopics.topics;
  }

  /** Hands what is new to all tails, until it is told to stop. Never rejects. */
  async #follow(): Promise<void> {
    const self = this.#following = {};
    for (let wait = RETRY_MS.first; this.#following === self;) {
      try {
        const entries = await within(NEXT_MS + this.#timeout, this.#engine.next(this.#head), this.#engine.name);
        if (this.#following !== self) break;
        if (entries.length === 0) await this.#resync(); // the log may be another by now
        else await this.#take(entries);
        wait = RETRY_MS.first;
      } catch (error) {
        if (this.#following !== self) break;
        this.#tails.error(error);
        this.#engine.stop();
        await this.#pauses.wait(wait);
        wait = Math.min(wait * 2, RETRY_MS.last);
      }
    }
  }

  /** Hands over entries, and says so where something is missing. */
  async #take(entries: readonly LogEntry[]): Promise<void> {
    let state = await this.#current();
    let events: StoredEvent[] = [];
    const deliver = (): void => {
      if (events.length > 0) this.#tails.deliver(events);
      events = [];
    };
    for (const entry of entries) {
      if (!follows(state, this.#head, entry.position)) {
        deliver();
        const before = state;
        state = await this.#resync();
        if (state.epoch !== before.epoch) return; // another log: it is followed from its beginning
        if (!follows(state, this.#head, entry.position)) this.#tails.lost(entry.position - 1);
      }
      this.#head = entry.position;
      this.#seen = Math.max(this.#seen, entry.position);
      if (entry.tellsLoss) {
        deliver();
        this.#tails.lost(entry.position);
      } else {
        events.push(eventOf(entry, state.epoch, this.#topicsOf(entry)));
      }
    }
    deliver();
  }

  #stopFollowing(): void {
    if (this.#following === undefined) return;
    this.#following = undefined;
    this.#engine.stop();
  }

  /** What is known of the log: who follows it keeps that new, else it is asked for. */
  async #current(): Promise<LogState> {
    return this.#state !== undefined && this.#following !== undefined ? this.#state : await this.#resync();
  }

  /** Asks what the log is, and says so if it is not what it was, or lacks what this process has seen. */
  async #resync(): Promise<LogState> {
    const state = await this.#engine.state();
    const before = this.#state;
    this.#state = state;
    if (before?.epoch !== state.epoch || before.holes.at(-1)!.to !== state.holes.at(-1)!.to) this.#pages.clear();
    if (before !== undefined && before.epoch !== state.epoch) {
      this.#head = this.#seen = state.holes[0]!.to;
      this.#tails.lost(this.#head);
    }
    const hole = state.holes.find(({ from, to }) => from < this.#seen && this.#seen < to);
    this.#seen = Math.max(this.#seen, state.newest);
    if (hole !== undefined) await this.#engine.tellLoss(hole);
    return state;
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

  #isAged({ time }: LogEntry): boolean {
    return time < Date.now() - this.#maxAge;
  }

  /** Does what a call asks for, again while the engine is away, until its time is over. */
  async #run<T>(call: string, work: () => Promise<T>): Promise<T> {
    const { name } = this.#engine;
    const deadline = performance.now() + this.#timeout;
    for (let wait = RETRY_MS.first;; wait = Math.min(wait * 2, RETRY_MS.last)) {
      if (this.#closed) throw closed(call);
      try {
        return await within(Math.max(1, deadline - performance.now()), work(), name);
      } catch (error) {
        if (performance.now() + wait >= deadline || !this.#engine.isPassing(error)) {
          const why = error instanceof Error ? error.message : String(error);
          throw new SseError("backend-failed", `Cannot ${call} from ${name}: got ${why}`, { cause: error });
        }
      }
      await this.#pauses.wait(wait);
    }
  }
}
