import { Deque } from "./deque.ts";
import { OwnIds } from "./own_ids.ts";
import { RemovedTopics } from "./removed_topics.ts";
import type { StoredEvent } from "./replay_store.ts";
import { TopicChains } from "./topic_chains.ts";

/** How much a log keeps; what is reached first removes. */
export interface MemoryLimits {
  readonly maxEvents: number;
  /** In milliseconds. */
  readonly maxAge: number;
  readonly maxBytes: number;
}

/** What an event takes beside the text of its strings, each of its topics, and an own ID, in bytes: measured on V8 and JavaScriptCore. */
const BYTES = { event: 230, topic: 100, ownId: 80 };

/** The events of one log in memory, their own IDs, and what is known of those that are gone. */
export class MemoryLog {
  readonly ownIds: OwnIds<StoredEvent> = new OwnIds<StoredEvent>();
  #removed = new RemovedTopics();
  readonly #limits: MemoryLimits;
  readonly #events = new Deque<StoredEvent>();
  readonly #chains = new TopicChains();
  #bytes = 0;
  #newest = 0;

  constructor(limits: MemoryLimits) {
    this.#limits = limits;
  }

  /** The newest removed positions by topic. */
  get removed(): RemovedTopics {
    return this.#removed;
  }

  /** The newest position given out. */
  get newest(): number {
    return this.#newest;
  }

  /** The position of the first event that is there, of the next one if there is none. */
  get oldest(): number {
    return this.#newest + 1 - this.#events.length;
  }

  /** The event of a position that is there. */
  at(position: number): StoredEvent {
    return this.#events.at(position - this.oldest);
  }

  /** The position of the first event of this time or later, of the next one if there is none. */
  firstSince(time: number): number {
    return this.oldest + this.#events.search((event) => event.time < time);
  }

  /** The position of the newest event of a topic; 0 if there is none. */
  newestOf(topic: string): number {
    return this.#chains.newest(topic);
  }

  /** The position of the event of a topic before another of its events that is there; 0, or below the oldest, if there is none. */
  previousOf(topic: string, position: number): number {
    return this.#chains.previous(topic, position - this.oldest, this.at(position).topics);
  }

  /** Adds an event at the position after the newest. */
  push(event: StoredEvent, hasOwnId: boolean): void {
    this.#newest = event.position;
    if (hasOwnId) this.ownIds.add(event);
    this.#events.push(event);
    this.#chains.push(event.topics, event.position);
    this.#bytes += bytesOf(event, hasOwnId);
  }

  /** Whether there are events that the limits no longer allow. */
  isOver(now: number): boolean {
    const { maxEvents, maxAge, maxBytes } = this.#limits;
    const { length } = this.#events;
    return length > 0 && (length > maxEvents || this.#bytes > maxBytes || now - this.#events.at(0).time > maxAge);
  }

  /**
   * Removes what the limits no longer allow, until about so much is done: an
   * event and each of its topics count one.
   *
   * @returns How much was done.
   */
  removeOver(now: number, most: number): number {
    let spent = 0;
    while (spent < most && this.isOver(now)) {
      const event = this.#events.shift()!;
      this.#chains.shift(event.topics, event.position);
      this.#bytes -= bytesOf(event, !this.ownIds.isEmpty && this.ownIds.delete(event));
      for (const topic of event.topics) this.#removed.add(topic, event.position);
      spent += 1 + event.topics.length;
    }
    return spent;
  }

  clear(): void {
    this.#events.clear();
    this.#bytes = 0;
    this.#chains.clear();
    this.ownIds.clear();
    this.#removed = new RemovedTopics();
  }
}

function bytesOf({ id, data, event = "", comment = "", topics }: StoredEvent, hasOwnId: boolean): number {
  let named = 0;
  for (const topic of topics) named += topic.length;
  const units = id.length + data.length + event.length + comment.length + named;
  // Own IDs are found by the text of all topics together
  const own = hasOwnId ? BYTES.ownId + (topics.length > 1 ? 2 * named : 0) : 0;
  return BYTES.event + BYTES.topic * topics.length + 2 * units + own;
}
