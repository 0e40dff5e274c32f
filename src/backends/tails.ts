import type { StoredEvent, Tail, TailHandlers } from "../broker/replay_store.ts";

interface Follower {
  readonly handlers: TailHandlers;
  /** It has had everything up to here; not known while it begins. */
  position: number | undefined;
  /** What came while it began. */
  readonly early: StoredEvent[];
}

/** The tails of one store: what one reader of the engine brings goes to all of them. */
export class Tails {
  readonly #followers = new Set<Follower>();

  /** How many there are. */
  get size(): number {
    return this.#followers.size;
  }

  /**
   * Adds one. What the reader brings from now on reaches it.
   *
   * @param newest Asks the engine for its newest position.
   * @param onClose Called when it is closed.
   */
  async add(handlers: TailHandlers, newest: () => Promise<number>, onClose: () => void): Promise<Tail> {
    const follower: Follower = { handlers, position: undefined, early: [] };
    this.#followers.add(follower);
    try {
      const position = await newest();
      follower.position ??= position;
    } catch (error) {
      this.#followers.delete(follower);
      throw error;
    }
    const { position } = follower;
    this.#hand(follower, follower.early.splice(0));
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
      if (follower.position === undefined) follower.early.push(...events);
      else this.#hand(follower, events);
    }
  }

  /** Says that events are lost, and that what follows comes after a position. */
  lost(position: number): void {
    for (const follower of this.#followers) {
      const begins = follower.position === undefined;
      follower.position = position;
      follower.early.length = 0;
      if (!begins) call(follower, () => follower.handlers.onLost(position)); // who begins has had nothing to lose
    }
  }

  /** Tells all of a failure that the store lives through. */
  error(error: unknown): void {
    for (const { handlers } of this.#followers) handlers.onError(error);
  }

  clear(): void {
    this.#followers.clear();
  }

  #hand(follower: Follower, events: readonly StoredEvent[]): void {
    const { position = 0 } = follower;
    const first = events.findIndex((event) => event.position > position);
    if (first < 0 || !this.#followers.has(follower)) return;
    follower.position = events[events.length - 1]!.position;
    call(follower, () => follower.handlers.onEvents(first === 0 ? events : events.slice(first)));
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
