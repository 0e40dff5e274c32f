import { SseError } from "../errors.ts";
import type { Cursor } from "./cursor.ts";
import { type Chunk, chunkOf, type Entry, entryOf } from "./entry.ts";
import type { Group } from "./group.ts";
import { Pauses } from "../time/pauses.ts";
import type { ReplayStore } from "../stores/replay_store.ts";
import { matchesAny } from "../topic.ts";
import type { Window } from "./window.ts";

/** Events of one step: few enough that live delivery never waits long for it. */
const STEP_EVENTS = 256;
/** UTF-16 code units of one step, from the store. */
const STEP_LENGTH = 1 << 20;
/** Cursors served before other work of the event loop gets its turn. */
const SERVED_PER_TURN = 256;
/** Up to how many topics the store is asked for by name; for more cursors' sake it is read whole. */
const NAMED_TOPICS = 16;
/** How long to wait after the store has failed: doubled each time, up to the last. */
const RETRY_MS = { first: 100, last: 5_000 };

/** What the catch-up needs of its broker. */
export interface CatchUpHost {
  readonly store: ReplayStore;
  readonly window: Window;
  /** Lets a cursor be pushed to: it has everything up to the newest event. */
  join(cursor: Cursor): void;
  /** Resolves in a later turn of the event loop. */
  turn(): Promise<void>;
  onError(error: unknown): void;
}

/**
 * Brings cursors up to the newest event: one walk along the log serves all that
 * it meets, from the window or below it from the store. It goes upwards from
 * cursor to cursor and begins anew at the lowest, so none waits for ever.
 */
export class CatchUp {
  readonly #host: CatchUpHost;
  readonly #cursors = new Set<Cursor>();
  #walking = false;
  #closed = false;
  readonly #pauses = new Pauses();

  constructor(host: CatchUpHost) {
    this.#host = host;
  }

  /** Takes a cursor along until it is live, has ended, or has no more room. */
  add(cursor: Cursor): void {
    if (this.#closed) return;
    this.#cursors.add(cursor);
    if (!this.#walking) void this.#walk();
  }

  delete(cursor: Cursor): void {
    this.#cursors.delete(cursor);
  }

  close(): void {
    this.#closed = true;
    this.#cursors.clear();
    this.#pauses.end();
  }

  /** Never rejects. */
  async #walk(): Promise<void> {
    this.#walking = true;
    let at = 0;
    let wait = RETRY_MS.first;
    await this.#host.turn(); // those that come in one turn go together
    while (!this.#closed) {
      const from = this.#next(at);
      if (from === undefined) break;
      try {
        at = await this.#step(from);
        wait = RETRY_MS.first;
      } catch (error) {
        this.#host.onError(error);
        await this.#pauses.wait(wait);
        wait = Math.min(wait * 2, RETRY_MS.last);
      }
    }
    this.#walking = false;
  }

  /** The position to read after next; lets go of the cursors that are done. */
  #next(at: number): number | undefined {
    const { window } = this.#host;
    let above = Infinity;
    let lowest = Infinity;
    for (const cursor of this.#cursors) {
      const { position } = cursor;
      if (!cursor.hasRoom) {
        this.#cursors.delete(cursor);
        cursor.awaitRoom();
      } else if (position >= window.head && !cursor.hasGap) {
        this.#cursors.delete(cursor);
        this.#host.join(cursor);
      } else {
        if (position < lowest) lowest = position;
        if (position >= at && position < above) above = position;
      }
    }
    return above < Infinity ? above : lowest < Infinity ? lowest : undefined;
  }

  /** Serves every cursor that the next events concern. */
  async #step(from: number): Promise<number> {
    const cursors = [...this.#cursors];
    const { entries, upTo } = from >= this.#host.window.floor
      ? this.#readWindow(from)
      : await this.#readStore(from, cursors);
    const matched = new Map<Group, Matched>();
    let served = 0;
    for (const cursor of cursors) {
      if (cursor.position < from || cursor.position >= upTo && !cursor.hasGap || !cursor.hasRoom) continue;
      let of = matched.get(cursor.group);
      if (of === undefined) matched.set(cursor.group, of = new Matched(cursor.group, entries));
      if (cursor.hasGap) {
        cursor.tellGap(of.firstAfter(cursor.position) ?? Math.max(upTo, cursor.position));
        if (!cursor.hasRoom) continue;
      }
      if (cursor.position < upTo) cursor.serve(of.after(cursor.position), upTo);
      if (cursor.position < upTo) this.#cursors.delete(cursor); // full: it comes back when it has drained
      if (++served % SERVED_PER_TURN === 0) await this.#host.turn();
    }
    return upTo;
  }

  #readWindow(from: number): { entries: Entry[]; upTo: number } {
    const { window } = this.#host;
    const entries = window.read(from, STEP_EVENTS);
    return { entries, upTo: entries.length < STEP_EVENTS ? window.head : entries[entries.length - 1]!.position };
  }

  async #readStore(from: number, cursors: readonly Cursor[]): Promise<{ entries: Entry[]; upTo: number }> {
    const { store, window } = this.#host;
    const topics = namedTopics(cursors);
    const result = await store.read(from, { topics, limit: STEP_EVENTS, maxLength: STEP_LENGTH });
    if (result.position <= from && from < window.head) {
      throw new SseError(
        "backend-failed",
        `Cannot read on as the store ends at ${from}: got events up to ${window.head}`,
      );
    }
    // Below `removed` something is gone: whose topics it had decides for whom that is a gap
    const removedOf = new Map<Group, number>();
    for (const cursor of cursors) {
      if (cursor.position < from || cursor.position >= result.removed) continue;
      let removed = removedOf.get(cursor.group);
      if (removed === undefined) {
        removed = Math.min(await store.removed(cursor.group.topics), result.removed);
        removedOf.set(cursor.group, removed);
      }
      if (cursor.position < removed) cursor.lose("expired");
    }
    return { entries: result.events.map(entryOf), upTo: result.position };
  }
}

/** What of a step's events a group is sent, joined once for all who stand at the same place. */
class Matched {
  readonly #entries: readonly Entry[];
  #start = -1;
  #chunk: Chunk | undefined;

  constructor({ topics }: Group, entries: readonly Entry[]) {
    // Events of the same topics often come one after the other, and share the array
    let last: readonly string[] | undefined;
    let reaches = false;
    this.#entries = entries.filter(({ delivery }) => {
      if (delivery.topics !== last) reaches = matchesAny(topics, last = delivery.topics);
      return reaches;
    });
  }

  /** The place just before the first event after a position. */
  firstAfter(position: number): number | undefined {
    const first = this.#entries[this.#index(position)];
    return first === undefined ? undefined : first.position - 1;
  }

  after(position: number): Chunk | undefined {
    const start = this.#index(position);
    if (start === this.#entries.length) return undefined;
    if (start !== this.#start) {
      this.#start = start;
      this.#chunk = chunkOf(start === 0 ? this.#entries : this.#entries.slice(start));
    }
    return this.#chunk;
  }

  #index(position: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#entries[middle]!.position <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The topics of all these cursors, if they are few. */
function namedTopics(cursors: readonly Cursor[]): readonly string[] | undefined {
  const groups = new Set<Group>();
  const topics = new Set<string>();
  for (const { group } of cursors) {
    if (groups.has(group)) continue;
    groups.add(group);
    for (const topic of group.topics) topics.add(topic);
    if (topics.size > NAMED_TOPICS) return undefined;
  }
  return [...topics];
}
