import type { Cursor } from "./cursor.ts";
import { chunkOf, type Entry } from "./entry.ts";
import { type Group, Groups } from "./group.ts";
import { laterTurn } from "../time/later_turn.ts";

/** A group's events leave when they are this many bytes, though the turn has not ended. */
const FLUSH_BYTES = 65_536;

/**
 * Gathers a turn's events for each group that they reach, and writes them to all who are live in it: one chunk a group,
 * one write a connection.
 */
export class FanOut {
  readonly groups: Groups = new Groups();
  #dirty: Group[] = [];
  #scheduled = false;
  #schedule: (callback: () => void) => void = queueMicrotask;
  #adopted = false;

  /** Takes an event of the log. */
  take(entry: Entry): void {
    const { position, bytes, delivery } = entry;
    const visit = (group: Group): void => {
      if (group.newest === position) return;
      group.newest = position;
      group.published++;
      if (group.live.size === 0) return;
      if (group.pending.push(entry) === 1) this.#dirty.push(group);
      group.pendingBytes += bytes.length;
      if (group.pendingBytes >= FLUSH_BYTES) this.flush(group);
    };
    for (const topic of delivery.topics) this.groups.match(topic, visit);
    if (this.#dirty.length === 0 || this.#scheduled) return;
    this.#scheduled = true;
    this.#schedule(() => {
      this.#scheduled = false;
      this.flushAll();
    });
  }

  flushAll(): void {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const group of dirty) this.flush(group);
  }

  /** One chunk for all of a group that are live. */
  flush(group: Group): void {
    if (group.pending.length === 0) return;
    const chunk = chunkOf(group.pending);
    group.pending = [];
    group.pendingBytes = 0;
    for (const cursor of group.live) cursor.push(chunk);
  }

  /** Lets a cursor be pushed to, from the next event on. */
  join(cursor: Cursor): void {
    this.flush(cursor.group); // it has read these from the window
    cursor.live = true;
    cursor.group.live.add(cursor);
  }

  /** A sink brings its runtime's way to end a turn: the first counts for all. */
  adopt(schedule: (callback: () => void) => void): void {
    if (this.#adopted) return;
    this.#adopted = true;
    this.#schedule = schedule;
  }

  /** Resolves in a later turn of the event loop. */
  turn(): Promise<void> {
    return new Promise((resolve) => this.#adopted ? this.#schedule(resolve) : laterTurn(resolve));
  }
}
