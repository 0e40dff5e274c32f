import type { Subscriber } from "../broker/subscriber.ts";
import { after } from "../time/timer.ts";

/**
 * Ends subscribers whose responses are never read, because middleware answered in their place or they could not be sent.
 * One timer serves all of them.
 */
export class UnreadSubscribers {
  readonly #timeout: number;
  /** When each must be read at the latest: the oldest first. */
  readonly #deadlines = new Map<Subscriber, number>();
  #stop: (() => void) | undefined;

  /** @param timeout How long each may take to be read, in milliseconds; `0` and `Infinity` for any time. */
  constructor(timeout: number) {
    this.#timeout = timeout === 0 ? Infinity : timeout;
  }

  /** Ends a subscriber, with the reason `"left"`, if it is not read in time. */
  add(subscriber: Subscriber): void {
    if (this.#timeout === Infinity) return;
    this.#deadlines.set(subscriber, performance.now() + this.#timeout);
    subscriber.onceClosed(this.#forget);
    this.#stop ??= after(this.#timeout, this.#look);
  }

  readonly #forget = (subscriber: Subscriber): void => {
    this.#deadlines.delete(subscriber);
    if (this.#deadlines.size > 0) return;
    this.#stop?.();
    this.#stop = undefined;
  };

  readonly #look = (): void => {
    this.#stop = undefined;
    const now = performance.now();
    for (const [subscriber, deadline] of this.#deadlines) {
      if (deadline > now) {
        this.#stop = after(deadline - now, this.#look);
        return;
      }
      this.#deadlines.delete(subscriber);
      if (!subscriber.attached) void subscriber.close("left");
    }
  };
}
