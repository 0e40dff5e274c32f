import type { StoredEvent, Tail, TailHandlers } from "../replay_store.ts";

interface Follower {
  readonly handlers: TailHandlers;
  /** It has had everything up to here. */
  position: number;
}

/** The tails of one store: what one reader of the engine brings goes to all of them. */
export class Tails {
  readonly #followers = new Set<Follower>();

  /** How many there are. */
  get size(): number {
    return this.#followers.size;
  }

  /**
   * Adds one. What the reader brings from now on reaches it, if it comes after a position.
   *
   * @param onClose Called when it is closed.
   */
  add(handlers: TailHandlers, position: number, onClose: () => void): Tail {
    const follower: Follower = { handlers, position };
    this.#followers.add(follower);
    return {
      position,
      close: () => {
        if (this.#followers.delete(follower)) onClose();
        return Promise.resolve();
      },
    };
  }

  /** Hands over events, in order. */
  deliver(events: readonly StoredEvent[]): void {
    for (const follower of this.#followers) {
      const first = events.findIndex(({ position }) => position > follower.position);
      if (first < 0) continue;
      follower.position = events[events.length - 1]!.position;
      call(follower, () => follower.handlers.onEvents(first === 0 ? events : events.slice(first)));
    }
  }

  /** Says that events are lost, and that what follows comes after a position. */
  lost(position: number): void {
    for (const follower of this.#followers) {
      follower.position = position;
      call(follower, () => follower.handlers.onLost(position));
    }
  }

  /** Tells all of a failure that the store lives through. */
  error(error: unknown): void {
    for (const { handlers } of this.#followers) handlers.onError(error);
  }

  clear(): void {
    this.#followers.clear();
  }
}

/** One that throws harms nobody else. */
function call({ handlers }: Follower, tell: () => void): void {
  try {
    tell();
  } catch (error) {
    handlers.onError(error);
  }
}
