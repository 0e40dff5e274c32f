import { Deque } from "../stores/deque.ts";
import { type Chunk, sizeOf } from "./chunk.ts";
import type { Delivery } from "./entry.ts";
import type { LeaveHandler, Sink } from "./sink.ts";

/** The deliveries of a subscriber. Leaving the loop ends it. */
export function deliveries(
  attach: (open: (leave: LeaveHandler) => Sink) => void,
): AsyncIterableIterator<Delivery, undefined> {
  const sink = new DeliverySink();
  let leave: LeaveHandler = () => {};
  attach((onLeave) => {
    leave = onLeave;
    return sink;
  });
  const iterator: AsyncIterableIterator<Delivery, undefined> = {
    next: () => sink.next(),
    return: () => {
      sink.abort();
      leave();
      return Promise.resolve({ done: true, value: undefined });
    },
    [Symbol.asyncIterator]: () => iterator,
  };
  return iterator;
}

/** A sink that is a loop in the same process. */
class DeliverySink implements Sink {
  readonly #chunks = new Deque<Chunk>();
  /** How many events of the first chunk the loop has. */
  #taken = 0;
  #units = 0;
  #waiting: ((result: IteratorResult<Delivery, undefined>) => void)[] = [];
  #drained: (() => void) | undefined;
  #ended = false;

  readonly inProcess = true;

  /** Code units of whole chunks; none once it has ended: what waits is the loop's, however late it comes for it. */
  get bufferedBytes(): number {
    return this.#ended ? 0 : this.#units;
  }

  write(chunk: Chunk): void {
    if (chunk.entries.length === 0) return;
    this.#chunks.push(chunk);
    this.#units += sizeOf(chunk, true);
    while (this.#waiting.length > 0 && this.#chunks.length > 0) this.#waiting.shift()!(this.#take());
  }

  onceDrained(callback: () => void): void {
    if (this.#units === 0) queueMicrotask(callback);
    else this.#drained = callback;
  }

  end(): void {
    this.#ended = true;
    for (const resolve of this.#waiting.splice(0)) resolve({ done: true, value: undefined });
  }

  abort(): void {
    while (this.#chunks.shift() !== undefined);
    this.#taken = this.#units = 0;
    this.end();
  }

  next(): Promise<IteratorResult<Delivery, undefined>> {
    if (this.#chunks.length > 0) return Promise.resolve(this.#take());
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #take(): IteratorResult<Delivery, undefined> {
    const chunk = this.#chunks.at(0);
    const { entries } = chunk;
    const { delivery } = entries[this.#taken++]!;
    if (this.#taken === entries.length) {
      this.#taken = 0;
      this.#units -= sizeOf(chunk, true);
      this.#chunks.shift();
      if (this.#chunks.length === 0) {
        const callback = this.#drained;
        this.#drained = undefined;
        if (callback !== undefined) queueMicrotask(callback);
      }
    }
    return { done: false, value: delivery };
  }
}
