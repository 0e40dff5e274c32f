import { every } from "./timer.ts";

/** Into how many parts an interval is cut, so that ten thousand members do not all beat in one turn. */
const SLOTS = 8;

/** Beats each of its members once an interval: one timer for all, and none while there are no members. */
export class Heartbeat<T> {
  readonly #slots: Set<T>[] = Array.from({ length: SLOTS }, () => new Set<T>());
  readonly #interval: number;
  readonly #beat: (members: ReadonlySet<T>) => void;
  #stop: (() => void) | undefined;
  #added = 0;
  #turn = 0;

  /**
   * @param interval Milliseconds between two beats of a member; `0` and `Infinity` for none.
   * @param beat Called with the members whose turn it is. Must not throw.
   */
  constructor(interval: number, beat: (members: ReadonlySet<T>) => void) {
    this.#interval = interval;
    this.#beat = beat;
  }

  add(member: T): void {
    if (this.#interval === 0 || this.#interval === Infinity) return;
    // In rotation: the first beat may come sooner than an interval, never later
    this.#slots[this.#added++ % SLOTS]!.add(member);
    this.#stop ??= every(Math.max(1, this.#interval / SLOTS), this.#tick);
  }

  delete(member: T): void {
    for (const slot of this.#slots) if (slot.delete(member)) break;
    if (this.#slots.every(({ size }) => size === 0)) this.clear();
  }

  /** Removes all members. */
  clear(): void {
    for (const slot of this.#slots) slot.clear();
    this.#stop?.();
    this.#stop = undefined;
  }

  readonly #tick = (): void => {
    this.#turn = (this.#turn + 1) % SLOTS;
    const slot = this.#slots[this.#turn]!;
    if (slot.size > 0) this.#beat(slot);
  };
}
