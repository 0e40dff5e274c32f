/** A promise that knows whether anybody awaits it: a failure of which nobody hears is told elsewhere, and kills no process. */
export class HeardPromise<T> extends Promise<T> {
  #isHeard = false;

  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  /**
   * Makes one.
   *
   * @param onUnheard Told why it was rejected, if nobody awaits it one turn later.
   */
  static make<T>(onUnheard: (error: unknown) => void): PromiseWithResolvers<T> {
    let resolve!: (value: T | PromiseLike<T>) => void;
    let settle!: (error: unknown) => void;
    const promise = new HeardPromise<T>((onResolve, onReject) => {
      resolve = onResolve;
      settle = onReject;
    });
    const reject = (error: unknown): void => {
      Promise.prototype.then.call(promise, undefined, () => {}); // never unhandled
      // One turn later: whoever awaits it does so by then
      setTimeout(() => promise.#isHeard || onUnheard(error), 0);
      settle(error);
    };
    return { promise, resolve, reject };
  }

  override then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#isHeard = true;
    return super.then(onFulfilled, onRejected);
  }
}
