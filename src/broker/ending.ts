import { onRejection } from "./rejection.ts";
import type { CloseReason, Subscriber } from "./subscriber.ts";

/** Tells promises and callbacks that a subscriber has ended, and why. */
export class Ending {
  #reason: CloseReason | undefined;
  // Made when they are asked for: ten thousand idle subscribers need none
  #promise: PromiseWithResolvers<CloseReason> | undefined;
  #callbacks: ((subscriber: Subscriber) => void)[] | undefined;

  /** Resolves with the reason. */
  get reason(): Promise<CloseReason> {
    if (this.#promise === undefined) {
      this.#promise = Promise.withResolvers();
      if (this.#reason !== undefined) this.#promise.resolve(this.#reason);
    }
    return this.#promise.promise;
  }

  /** Calls once it has ended, or at once if it has. */
  once(subscriber: Subscriber, callback: (subscriber: Subscriber) => void): void {
    if (this.#reason !== undefined) callback(subscriber);
    else this.#callbacks = [...this.#callbacks ?? [], callback]; // an array that is pushed to has room for 17
  }

  /**
   * It has ended.
   *
   * @param onError Told what a callback throws.
   */
  tell(subscriber: Subscriber, reason: CloseReason, onError: (error: unknown) => void): void {
    this.#reason = reason;
    this.#promise?.resolve(reason);
    for (const callback of this.#callbacks?.splice(0) ?? []) {
      try {
        onRejection(callback(subscriber), onError);
      } catch (error) {
        onError(error);
      }
    }
  }
}
