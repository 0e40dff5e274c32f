import { type Chunk, type EntryChunk, entrySizeOf, sizeOf } from "./chunk.ts";
import type { Delivery, Entry } from "./entry.ts";
import type { Outlet } from "./outlet.ts";
import { OverflowQueue } from "./overflow_queue.ts";
import type { SubscribeOptions } from "./subscriber.ts";

/** What the sink of a subscriber whose events can be dropped may hold, in bytes: what is in it cannot be dropped. */
const UNDROPPABLE_BYTES = 65_536;

/**
 * What happens to events: the outlet takes them, they wait in the policy, the subscriber falls behind and reads them from
 * the log later, or the subscriber ends.
 */
export type Verdict = "write" | "wait" | "behind" | "end";

/** Decides what a full outlet does to the next event of a live subscriber. */
export interface OverflowPolicy {
  /** Bytes that wait here. */
  readonly bytes: number;
  /**
   * Decides what happens to events.
   *
   * @throws What the subscriber's `key` throws.
   */
  offer(chunk: EntryChunk, outlet: Outlet): Verdict;
  /** What the outlet may take now that it has drained, and the newest position that was dropped before that; 0 if none was. */
  take(): { readonly lost: number; readonly entries: readonly Entry[] };
  /**
   * Gives up the queue. Returns the position to read from (`undefined` if the queue is empty), and the newest dropped
   * position.
   */
  letGo(): { readonly lost: number; readonly before: number | undefined };
}

/**
 * The policy of a subscriber that has just become live.
 *
 * @param counters Where dropped events are counted.
 */
export function overflowPolicy(
  { overflow, key = firstTopic }: Pick<SubscribeOptions, "overflow" | "key">,
  maxBytes: number,
  counters: { dropped: number },
): OverflowPolicy {
  switch (overflow) {
    case "close":
      return new Whole("end", maxBytes);
    case "drop-oldest":
      return new Waits(new OverflowQueue(), maxBytes, counters);
    case "conflate":
      return new Waits(new OverflowQueue(key), maxBytes, counters);
    default:
      return new Whole("behind", maxBytes);
  }
}

function firstTopic({ topics }: Delivery): string {
  return topics[0] ?? "";
}

/**
 * Whether a chunk fits a budget. One event that is larger is held alone.
 *
 * @param maxBytes How much the outlet may hold.
 */
export function fits(chunk: Chunk, outlet: Outlet, maxBytes: number): boolean {
  const { buffered } = outlet;
  return buffered === 0 && chunk.entries.length === 1 || buffered + sizeOf(chunk, outlet.inProcess) <= maxBytes;
}

/**
 * How many of some events fit a budget, from the first on. One event that is larger is held alone.
 *
 * @param maxBytes How much the outlet may hold.
 */
export function howManyFit(entries: readonly Entry[], outlet: Outlet, maxBytes: number): number {
  const { buffered, inProcess } = outlet;
  let fit = 0;
  for (let room = maxBytes - buffered; fit < entries.length; fit++) {
    room -= entrySizeOf(entries[fit]!, inProcess);
    if (room < 0 && !(fit === 0 && buffered === 0)) break;
  }
  return fit;
}

const NOTHING = { lost: 0, entries: [] };

/** `"replay"` and `"close"`: the outlet takes all of it, or something else happens. */
class Whole implements OverflowPolicy {
  readonly bytes = 0;
  readonly #otherwise: Verdict;
  readonly #maxBytes: number;

  constructor(otherwise: Verdict, maxBytes: number) {
    this.#otherwise = otherwise;
    this.#maxBytes = maxBytes;
  }

  offer(chunk: EntryChunk, outlet: Outlet): Verdict {
    return fits(chunk, outlet, this.#maxBytes) ? "write" : this.#otherwise;
  }

  take(): typeof NOTHING {
    return NOTHING;
  }

  letGo(): { lost: number; before: undefined } {
    return { lost: 0, before: undefined };
  }
}

/** `"drop-oldest"` and `"conflate"`: what the outlet does not take waits here, where it can be dropped. */
class Waits implements OverflowPolicy {
  readonly #queue: OverflowQueue;
  readonly #maxBytes: number;
  readonly #maxInOutlet: number;
  readonly #counters: { dropped: number };
  #lost = 0;

  constructor(queue: OverflowQueue, maxBytes: number, counters: { dropped: number }) {
    this.#queue = queue;
    this.#maxBytes = maxBytes;
    this.#maxInOutlet = Math.min(UNDROPPABLE_BYTES, maxBytes / 2);
    this.#counters = counters;
  }

  get bytes(): number {
    return this.#queue.bytes;
  }

  offer(chunk: EntryChunk, outlet: Outlet): Verdict {
    if (this.#queue.bytes === 0 && fits(chunk, outlet, this.#maxInOutlet)) return "write";
    const room = Math.max(0, this.#maxBytes - outlet.buffered);
    for (const entry of chunk.entries) {
      const { dropped, lost } = this.#queue.push(entry, room);
      this.#counters.dropped += dropped;
      if (lost > 0) this.#lost = lost;
    }
    return "wait";
  }

  take(): { lost: number; entries: Entry[] } {
    const lost = this.#lost;
    this.#lost = 0;
    return { lost, entries: this.#queue.take(this.#maxInOutlet) };
  }

  letGo(): { lost: number; before: number | undefined } {
    const [oldest] = this.#queue.take(1);
    return { lost: this.#lost, before: oldest && oldest.position - 1 };
  }
}
