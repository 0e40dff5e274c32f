import { Deque } from "../stores/deque.ts";
import { type Owned, OwnIds } from "../stores/own_ids.ts";
import { RESERVED_ID } from "../stores/store_id.ts";
import type { Entry } from "./entry.ts";

/** The newest events of the log, encoded, bounded in bytes. Most cursors are served from it. */
export class Window {
  readonly #entries = new Deque<Entry>();
  /** Of the events up to a position; brought up to date when it is asked, so that publishing costs nothing. */
  readonly #ownIds = new OwnIds<Owned>();
  readonly #owned = new Deque<Owned>();
  #indexed: number;
  readonly #maxBytes: number;
  #bytes = 0;
  #floor: number;
  #head: number;

  constructor(maxBytes: number, position: number) {
    this.#maxBytes = maxBytes;
    this.#floor = this.#head = this.#indexed = position;
  }

  /** The newest position handed over by the tail. */
  get head(): number {
    return this.#head;
  }

  /** Every event after this position is here. */
  get floor(): number {
    return this.#floor;
  }

  push(entry: Entry): void {
    this.#entries.push(entry);
    this.#head = entry.position;
    this.#bytes += entry.bytes.length;
    while (this.#bytes > this.#maxBytes) {
      const { position, bytes } = this.#entries.shift()!;
      this.#bytes -= bytes.length;
      this.#floor = position;
    }
  }

  /** Begins again after a position, because the tail has jumped there. */
  restart(position: number): void {
    this.#entries.clear();
    this.#ownIds.clear();
    this.#owned.clear();
    this.#bytes = 0;
    this.#floor = this.#head = this.#indexed = position;
  }

  /** The entries after a position that is not below the floor, at most `limit`. */
  read(after: number, limit: number): Entry[] {
    const first = this.#entries.search((entry) => entry.position <= after);
    const end = Math.min(this.#entries.length, first + limit);
    const entries: Entry[] = [];
    for (let i = first; i < end; i++) entries.push(this.#entries.at(i));
    return entries;
  }

  /** The position of a publisher's own ID, as a store locates it: the store may have forgotten it when the window has not. */
  locate(id: string, topics: readonly string[]): number | undefined {
    this.#index();
    return this.#ownIds.locate(id, topics);
  }

  /** Looks at each event once, however often it is asked. */
  #index(): void {
    while (this.#owned.length > 0 && this.#owned.at(0).position <= this.#floor) {
      this.#ownIds.delete(this.#owned.shift()!);
    }
    for (let i = this.#entries.search((entry) => entry.position <= this.#indexed); i < this.#entries.length; i++) {
      const { position, delivery: { id, topics } } = this.#entries.at(i);
      if (RESERVED_ID.test(id)) continue;
      const owned = { id, topics, position };
      this.#ownIds.add(owned);
      this.#owned.push(owned);
    }
    this.#indexed = this.#head;
  }
}
