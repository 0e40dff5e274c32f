import { Deque } from "../stores/deque.ts";
import { type Owned, OwnIds } from "../stores/own_ids.ts";
import { RESERVED_ID } from "../stores/store_id.ts";
import type { Entry } from "./entry.ts";

/** The newest events of the log, encoded, bounded in bytes: what most cursors are served from. */
export class Window {
  readonly #entries = new Deque<Entry>();
  readonly #ownIds = new OwnIds<Owned>();
  readonly #maxBytes: number;
  #bytes = 0;
  #floor: number;
  #head: number;

  constructor(maxBytes: number, position: number) {
    this.#maxBytes = maxBytes;
    this.#floor = this.#head = position;
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
    if (!RESERVED_ID.test(entry.delivery.id)) this.#ownIds.add(ownedOf(entry));
    this.#head = entry.position;
    this.#bytes += entry.bytes.length;
    while (this.#bytes > this.#maxBytes) {
      const first = this.#entries.shift()!;
      const { position, bytes } = first;
      if (!this.#ownIds.isEmpty) this.#ownIds.delete(ownedOf(first));
      this.#bytes -= bytes.length;
      this.#floor = position;
    }
  }

  /** Begins anew after a position: the tail has jumped there. */
  restart(position: number): void {
    this.#entries.clear();
    this.#ownIds.clear();
    this.#bytes = 0;
    this.#floor = this.#head = position;
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
    return this.#ownIds.locate(id, topics);
  }
}

function ownedOf({ position, delivery: { id, topics } }: Entry): Owned {
  return { id, topics, position };
}
