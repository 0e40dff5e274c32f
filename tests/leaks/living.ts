/** Counts objects that have not been collected as garbage: exactly, where the size of a heap only tells about. */
export class Living {
  readonly #alive = new Map<string, number>();
  readonly #registry = new FinalizationRegistry<string>((kind) => this.#add(kind, -1));

  watch(kind: string, object: object): void {
    this.#add(kind, 1);
    this.#registry.register(object, kind);
  }

  /** How many there are of each kind. */
  get counts(): ReadonlyMap<string, number> {
    return this.#alive;
  }

  #add(kind: string, count: number): void {
    this.#alive.set(kind, (this.#alive.get(kind) ?? 0) + count);
  }
}
