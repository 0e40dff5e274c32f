import { Deque } from "../stores/deque.ts";
import type { Delivery, Entry } from "./entry.ts";

/** What waits for a slow subscriber that may lose events: bounded in bytes, the oldest goes first. */
export class OverflowQueue {
  readonly #entries = new Deque<Entry>();
  /** The newest of each key; its older ones are skipped when they are taken. */
  readonly #newest: Map<string, Entry> | undefined;
  readonly #key: (delivery: Delivery) => string;
  /** Entries that a newer one of the same key has replaced: they take no bytes any more. */
  readonly #replaced = new Set<Entry>();
  #bytes = 0;

  /** @param key For `"conflate"`: what to keep the newest of. */
  constructor(key?: (delivery: Delivery) => string) {
    this.#newest = key === undefined ? undefined : new Map();
    this.#key = key ?? (() => "");
  }

  /** Bytes of the entries that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Adds an entry and makes room.
   *
   * @returns How many entries went, and the newest position of those that nothing newer has replaced; 0 if none.
   */
  push(entry: Entry, maxBytes: number): { dropped: number; lost: number } {
    let dropped = 0;
    let lost = 0;
    if (this.#newest !== undefined) {
      const key = this.#key(entry.delivery);
      const older = this.#newest.get(key);
      if (older !== undefined) {
        this.#replaced.add(older);
        this.#bytes -= older.bytes.length;
        dropped++;
      }
      this.#newest.set(key, entry);
    }
    this.#entries.push(entry);
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
    this.#sweep();
    return entries;
  }

  /** Drops everything: something else takes its place. */
  clear(): void {
    while (this.#entries.shift() !== undefined);
    this.#newest?.clear();
    this.#replaced.clear();
    this.#bytes = 0;
  }

  /** Takes the oldest that still counts. */
  #shift(): Entry | undefined {
    this.#sweep();
    const entry = this.#entries.shift();
    if (entry === undefined) return undefined;
    this.#bytes -= entry.bytes.length;
    if (this.#newest !== undefined) {
      const key = this.#key(entry.delivery);
      if (this.#newest.get(key) === entry) this.#newest.delete(key);
    }
    return entry;
  }

  /** Lets go of replaced entries: those at the front, and all once they are the most. */
  #sweep(): void {
    const replaced = this.#replaced;
    if (replaced.size === 0) return;
    const all = replaced.size * 2 > this.#entries.length;
    for (let left = this.#entries.length; left > 0; left--) {
      if (!all && !replaced.has(this.#entries.at(0))) return;
      const entry = this.#entries.shift()!;
      if (!replaced.delete(entry)) this.#entries.push(entry);
    }
  }
}
