import { TopicMatcher } from "../topic.ts";
import type { MemoryLog } from "./memory_log.ts";

/** Looks for the last so many events that topics reach, in steps: the log may change between two of them. */
export interface LastEvents {
  /** The position before those that have been found: the answer, when it is done. */
  readonly position: number;
  /** Goes on until it is done, or until about so much is done. */
  step(most: number): { readonly spent: number; readonly done: boolean };
}

/**
 * Looks for the last events that these topics and patterns reach.
 *
 * @param most About how much is done for patterns: an event and a node of patterns count one. Then fewer are found.
 */
export function lastEvents(log: MemoryLog, topics: readonly string[], count: number, most: number): LastEvents {
  const isPattern = topics.some((topic) => topic.includes("*"));
  return isPattern ? new ReachedEvents(log, topics, count, most) : new EventsOfTopics(log, topics, count);
}

/** Goes from event to event of the topics, and looks at no other. */
class EventsOfTopics implements LastEvents {
  readonly #log: MemoryLog;
  readonly #topics: readonly string[];
  /** The newest position of each topic that has not been counted. */
  readonly #next: number[];
  #left: number;
  #found = 0;

  constructor(log: MemoryLog, topics: readonly string[], count: number) {
    this.#log = log;
    this.#topics = topics;
    this.#next = topics.map((topic) => log.newestOf(topic));
    this.#left = count;
  }

  get position(): number {
    const before = this.#log.oldest - 1;
    return this.#left === 0 ? Math.max(this.#found - 1, before) : before;
  }

  step(most: number): { readonly spent: number; readonly done: boolean } {
    let spent = 0;
    while (this.#left > 0 && spent < most) {
      spent += this.#topics.length;
      const newest = Math.max(0, ...this.#next);
      if (newest < this.#log.oldest) return { spent, done: true };
      this.#topics.forEach((topic, i) => {
        if (this.#next[i] === newest) this.#next[i] = this.#log.previousOf(topic, newest);
      });
      this.#found = newest;
      this.#left--;
    }
    return { spent, done: this.#left === 0 };
  }
}

/** Goes back through the log, and looks at every event, until it has done what it may. */
class ReachedEvents implements LastEvents {
  readonly #log: MemoryLog;
  readonly #matcher: TopicMatcher;
  #left: number;
  #mayDo: number;
  /** What is after it has been looked at. */
  #position: number;

  constructor(log: MemoryLog, topics: readonly string[], count: number, most: number) {
    this.#log = log;
    this.#mayDo = most;
    this.#matcher = new TopicMatcher(topics);
    this.#left = count;
    this.#position = log.newest;
  }

  get position(): number {
    return Math.max(this.#position, this.#log.oldest - 1);
  }

  step(most: number): { readonly spent: number; readonly done: boolean } {
    const { steps } = this.#matcher;
    const bound = Math.min(most, this.#mayDo);
    let looked = 0;
    const spent = (): number => looked + this.#matcher.steps - steps;
    while (this.#left > 0 && this.#position >= this.#log.oldest && spent() < bound) {
      looked++;
      if (this.#matcher.matches(this.#log.at(this.#position--).topics)) this.#left--;
    }
    this.#mayDo -= spent();
    const isDone = this.#left === 0 || this.#mayDo <= 0 || this.#position < this.#log.oldest;
    return { spent: spent(), done: isDone };
  }
}
