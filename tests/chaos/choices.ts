import { random } from "../support/seed.ts";

/** Every choice of a chaos run, by seed. Each part of a run has choices of its own, so that one part's timing does not shift another's. */
export class Choices {
  readonly #seed: number;
  readonly #next: () => number;

  constructor(seed: number) {
    this.#seed = seed;
    this.#next = random(seed);
  }

  chance(probability: number): boolean {
    return this.#next() < probability;
  }

  /** An integer from `min` to `max`, both included. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.#next() * (max - min + 1));
  }

  pick<T>(list: readonly T[]): T {
    return list[this.integer(0, list.length - 1)]!;
  }

  /** One of the keys of a table of weights. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries(weights) as [K, number][];
    let left = this.#next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of entries) {
      left -= weight;
      if (left < 0) return key;
    }
    return entries[0]![0];
  }

  /** The choices of a part of the run. */
  fork(part: string): Choices {
    let seed = this.#seed ^ 0x9e3779b9;
    for (const character of part) seed = Math.imul(seed ^ character.charCodeAt(0), 0x01000193);
    return new Choices(seed | 0);
  }
}
