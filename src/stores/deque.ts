/** A first-in, first-out list with access by index: constant time for each, memory linear in what it holds. */
export class Deque<T> {
  #items: (T | undefined)[] = [];
  #start = 0;

  /** How many items it holds. */
  get length(): number {
    return this.#items.length - this.#start;
  }

  /** Adds an item at the end. */
  push(item: T): void {
    this.#items.push(item);
  }

  /** Takes the first item. */
  shift(): T | undefined {
    if (this.length < 2) {
      const last = this.#items.pop(); // what holds one item now and then keeps a short array
      if (this.#start > 0) this.clear();
      return last;
    }
    const item = this.#items[this.#start];
    this.#items[this.#start++] = undefined;
    // Half of it is gone: moving the rest costs no more than was shifted
    if (this.#start > 32 && this.#start * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#start);
      this.#start = 0;
    }
    return item;
  }

  clear(): void {
    this.#items = [];
    this.#start = 0;
  }

  /** The item at an index that is known to be there. */
  at(index: number): T {
    return this.#items[this.#start + index] as T;
  }

  /** The first index whose item is beyond what `isBefore` says, by halving. */
  search(isBefore: (item: T) => boolean): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isBefore(this.at(middle))) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
