import { Deque } from "./deque.ts";

/** For each topic of a log the positions of its events, from the newest back: one position an event and topic. */
export class TopicChains {
  readonly #newest = new Map<string, number>();
  /** For each event, where the events of its topics before it are; 0 if there was none. */
  readonly #previous = new Deque<number | readonly number[]>();

  /** Adds the topics of an event after the newest. */
  push(topics: readonly string[], position: number): void {
    this.#previous.push(
      topics.length === 1 ? this.#link(topics[0]!, position) : topics.map((topic) => this.#link(topic, position)),
    );
  }

  /** Removes the topics of the oldest event. */
  shift(topics: readonly string[], position: number): void {
    this.#previous.shift();
    for (const topic of topics) if (this.#newest.get(topic) === position) this.#newest.delete(topic);
  }

  /** The position of the newest event of a topic; 0 if there is none. */
  newest(topic: string): number {
    return this.#newest.get(topic) ?? 0;
  }

  /**
   * The position of the event of a topic before another of its events. That one
   * may have been removed; 0 if there was none.
   *
   * @param index Of the event, in the log.
   * @param topics All topics of the event.
   */
  previous(topic: string, index: number, topics: readonly string[]): number {
    const previous = this.#previous.at(index);
    return typeof previous === "number" ? previous : previous[topics.indexOf(topic)]!;
  }

  clear(): void {
    this.#newest.clear();
    this.#previous.clear();
  }

  #link(topic: string, position: number): number {
    const previous = this.newest(topic);
    this.#newest.set(topic, position);
    return previous;
  }
}
