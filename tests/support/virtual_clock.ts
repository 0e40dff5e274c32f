/**
 * A clock that a test moves: in place of the runtime's timers and `performance.now()` while it is in use. Only for code
 * that waits for nothing of the outside world.
 */
export class VirtualClock implements Disposable {
  readonly #original = {
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    now: Object.getOwnPropertyDescriptor(performance, "now"),
  };
  readonly #timers = new Map<number, { at: number; callback: () => void }>();
  #lastTimer = 0;
  /** A whole number, so that sums of times are exact. */
  #now = Math.ceil(performance.now());

  constructor() {
    Object.assign(globalThis, {
      setTimeout: (callback: () => void, ms = 0) => {
        this.#timers.set(++this.#lastTimer, { at: this.#now + ms, callback });
        return this.#lastTimer;
      },
      clearTimeout: (timer: number) => void this.#timers.delete(timer),
    });
    Object.defineProperty(performance, "now", { configurable: true, value: () => this.#now });
  }

  /** How many timers wait. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Lets time pass: what is due is called, in order. */
  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= until).sort(([, a], [, b]) => a.at - b.at)[0];
      if (due === undefined) break;
      const [timer, { at, callback }] = due;
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, at);
      callback();
    }
    this.#now = until;
  }

  [Symbol.dispose](): void {
    const { setTimeout, clearTimeout, now } = this.#original;
    Object.assign(globalThis, { setTimeout, clearTimeout });
    if (now === undefined) Reflect.deleteProperty(performance, "now");
    else Object.defineProperty(performance, "now", now);
  }
}
