/** Waits that end early when their owner closes: no timer is left. */
export class Pauses {
  readonly #waiting = new Map<ReturnType<typeof setTimeout>, () => void>();
  #ended = false;

  /** Resolves after so many milliseconds, or at the end. */
  wait(milliseconds: number): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(timer);
        resolve();
      }, milliseconds);
      this.#waiting.set(timer, resolve);
    });
  }

  end(): void {
    this.#ended = true;
    for (const [timer, resolve] of this.#waiting) {
      clearTimeout(timer);
      resolve();
    }
    this.#waiting.clear();
  }
}
