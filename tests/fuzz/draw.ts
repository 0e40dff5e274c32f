/** Draws whole numbers by seed: sfc32, whose 128 bits of state keep batches of one seed apart. */
export class Draw {
  #a: number;
  #b: number;
  #c = 0x9e3779b9 | 0;
  #count = 1;

  /**
   * @param seed The run's.
   * @param batch Which part of the run: each draws numbers of its own.
   */
  constructor(seed: number, batch: number) {
    this.#a = seed | 0;
    this.#b = batch | 0;
    for (let i = 0; i < 12; i++) this.#next();
  }

  /** A whole number from 0 to one less than `end`. */
  below(end: number): number {
    return Math.floor((this.#next() / 2 ** 32) * end);
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  #next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#count) | 0;
    this.#count = (this.#count + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }
}
