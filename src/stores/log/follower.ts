import { Pauses } from "../../time/pauses.ts";
import { within } from "../../time/within.ts";
import type { StoredEvent, Tail, TailHandlers } from "../replay_store.ts";
import { type LogEngine, NEXT_MS } from "./engine.ts";
import { eventOf, type LogEntry } from "./event_body.ts";
import type { KnownLog } from "./known_log.ts";
import { follows } from "./state.ts";
import { Tails } from "./tails.ts";
import { TopicLists } from "./topic_lists.ts";

/** How long to wait after following has failed: doubled each time, up to the last. */
const RETRY_MS = { first: 50, last: 1_000 };

/** Follows a log for all tails of this process, while there are any. */
export class LogFollower {
  readonly #engine: LogEngine;
  readonly #log: KnownLog;
  readonly #timeout: number;
  readonly #tails = new Tails();
  readonly #pauses = new Pauses();
  readonly #topicLists = new TopicLists();
  /** Up to where the tails have had everything. */
  #head = 0;
  #following: object | undefined;

  /** @param timeout How long the engine may take to answer, in milliseconds. */
  constructor(engine: LogEngine, log: KnownLog, timeout: number) {
    this.#engine = engine;
    this.#log = log;
    this.#timeout = timeout;
  }

  /**
   * Adds a tail.
   *
   * @param newest The newest position that there was when it was asked for.
   */
  add(handlers: TailHandlers, newest: number): Tail {
    if (this.#following === undefined) {
      this.#head = newest;
      void this.#follow();
    }
    return this.#tails.add(handlers, Math.max(newest, this.#head), () => {
      if (this.#tails.size === 0) this.#stop();
    });
  }

  /** Goes on in another log, after a position. */
  restart(position: number): void {
    this.#head = position;
    this.#tails.lost(position);
  }

  /** Tells all tails of a failure that the store lives through. */
  error(error: unknown): void {
    this.#tails.error(error);
  }

  close(): void {
    this.#tails.clear();
    this.#pauses.end();
    this.#stop();
  }

  /** Hands what is new to all tails, until it is told to stop. Never rejects. */
  async #follow(): Promise<void> {
    const self = this.#following = {};
    this.#log.isFollowed = true;
    for (let wait = RETRY_MS.first; this.#following === self;) {
      try {
        const entries = await within(NEXT_MS + this.#timeout, this.#engine.next(this.#head), this.#engine.name);
        if (this.#following !== self) break;
        if (entries.length === 0) await this.#log.ask(); // it may be another by now
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
    let state = await this.#log.current();
    let events: StoredEvent[] = [];
    const deliver = (): void => {
      if (events.length > 0) this.#tails.deliver(events);
      events = [];
    };
    for (const entry of entries) {
      if (!follows(state, this.#head, entry.position)) {
        deliver();
        const before = state;
        state = await this.#log.ask();
        if (state.epoch !== before.epoch) return; // another log: it is followed from its beginning
        if (!follows(state, this.#head, entry.position)) this.#tails.lost(entry.position - 1);
      }
      this.#head = entry.position;
      this.#log.see(entry.position);
      if (entry.tellsLoss) {
        deliver();
        this.#tails.lost(entry.position);
      } else {
        events.push(eventOf(entry, state.epoch, this.#topicLists.of(entry.topics)));
      }
    }
    deliver();
  }

  #stop(): void {
    if (this.#following === undefined) return;
    this.#following = undefined;
    this.#log.isFollowed = false;
    this.#engine.stop();
  }
}
