import { Deque } from "../stores/deque.ts";
import type { Delivery, Entry } from "./entry.ts";
import { onRejection } from "./rejection.ts";

/** An entry that waits. */
interface Waiting {
  readonly entry: Entry;
  readonly key: string;
  /** Whether a newer entry of the same key has replaced it. It then takes no bytes. */
  replaced: boolean;
}

/** Events that wait for a slow subscriber that may lose some: bounded in bytes, and the oldest is dropped first. */
export class OverflowQueue {
  readonly #waiting = new Deque<Waiting>();
  readonly #key: ((delivery: Delivery) => string) | undefined;
  /** The newest of each key, if there are keys. */
  readonly #newest = new Map<string, Waiting>();
  /** How many of the waiting entries are replaced. */
  #replaced = 0;
  #bytes = 0;

  /** @param key For `"conflate"`: what to keep the newest of. */
  constructor(key?: (delivery: Delivery) => string) {
    this.#key = key;
  }

  /** Bytes of the entries that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Adds an entry and makes room.
   *
   * @returns How many entries were dropped, and the newest position of those that no newer entry has replaced; 0 if none.
   * @throws What `key` throws, or a `TypeError` if that gives no string. Nothing has changed then.
   */
  push(entry: Entry, maxBytes: number): { dropped: number; lost: number } {
    let dropped = 0;
    let lost = 0;
    const waiting: Waiting = { entry, key: this.#keyOf(entry), replaced: false };
    if (this.#key !== undefined) {
      const older = this.#newest.get(waiting.key);
      if (older !== undefined) {
        older.replaced = true;
        this.#replaced++;
        this.#bytes -= older.entry.bytes.length;
        dropped++;
      }
      this.#newest.set(waiting.key, waiting);
    }
    this.#waiting.push(waiting);
    this.#bytes += entry.bytes.length;
    while (this.#bytes > maxBytes && this.#bytes > entry.bytes.length) {
      lost = this.#shift()!.position;
      dropped++;
    }
    this.#sweep();
    return { dropped, lost };
  }

  /** Takes entries, one at least if any wait, and more up to so many bytes. */
  take(maxBytes: number): Entry[] {
    const entries: Entry[] = [];
    for (let bytes = 0; this.#bytes > 0 && bytes < maxBytes;) {
      const entry = this.#shift();
      if (entry === undefined) break;
      bytes += entry.bytes.length;
      entries.push(entry);
    }
    return entries;
  }

  #keyOf({ delivery }: Entry): string {
    if (this.#key === undefined) return "";
    const key: unknown = this.#key(delivery);
    if (typeof key === "string") return key;
    onRejection(key, () => {}); // the error that is told is that there is a promise
    throw new TypeError(`Cannot conflate events as key must return a string: got ${typeof key}`);
  }

  /** Takes the oldest that has not been replaced. */
  #shift(): Entry | undefined {
    for (let oldest = this.#waiting.shift(); oldest !== undefined; oldest = this.#waiting.shift()) {
      if (oldest.replaced) {
        this.#replaced--;
        continue;
      }
      this.#bytes -= oldest.entry.bytes.length;
      this.#newest.delete(oldest.key);
      return oldest.entry;
    }
    return undefined;
  }

  /** Removes all replaced entries when most entries are replaced. */
  #sweep(): void {
    if (this.#replaced * 2 <= this.#waiting.length) return;
    for (let left = this.#waiting.length; left > 0; left--) {
      const waiting = this.#waiting.shift()!;
      if (!waiting.replaced) this.#waiting.push(waiting);
    }
    this.#replaced = 0;
  }
}
