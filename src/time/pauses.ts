import { after } from "./timer.ts";

/** Waits that end early when their owner closes: no timer is left. */
export class Pauses {
  readonly #waiting = new Set<() => void>();
  #ended = false;

  /** Resolves after so many milliseconds, or at the end. */
  wait(milliseconds: number): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        stop();
        this.#waiting.delete(end);
        resolve();
      };
      const stop = after(milliseconds, end);
      this.#waiting.add(end);
    });
  }

  end(): void {
    this.#ended = true;
    for (const end of this.#waiting) end();
  }
}
