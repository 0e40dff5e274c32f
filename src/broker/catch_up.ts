import type { ReplayStore } from "../stores/replay_store.ts";
import { StoreWalk } from "./store_walk.ts";
import type { Walker } from "./walk.ts";
import type { Window } from "./window.ts";
import { WindowWalk } from "./window_walk.ts";

/** What the catch-up needs of its broker. */
export interface CatchUpHost {
  readonly store: ReplayStore;
  readonly window: Window;
  /** Lets a walker be pushed to: it has everything up to the newest event. */
  join(walker: Walker): void;
  /** A walker comes back when it can take more. */
  awaitRoom(walker: Walker): void;
  /** Resolves in a later turn of the event loop. */
  turn(): Promise<void>;
  onError(error: unknown): void;
}

/**
 * Brings subscribers up to the newest event: by a walk along the window of recent events, and for those whose place is
 * below that by a walk along the store, which alone may be slow, or fail.
 */
export class CatchUp {
  readonly #host: CatchUpHost;
  readonly #windowWalk: WindowWalk;
  readonly #storeWalk: StoreWalk;
  #closed = false;

  constructor(host: CatchUpHost) {
    this.#host = host;
    const walkHost = {
      store: host.store,
      get window() {
        return host.window;
      },
      advance: (walker: Walker) => this.advance(walker),
      turn: () => host.turn(),
      onError: (error: unknown) => host.onError(error),
    };
    this.#windowWalk = new WindowWalk(walkHost);
    this.#storeWalk = new StoreWalk(walkHost);
  }

  /** Takes a walker along until it is live, has ended, or has no more room. */
  advance(walker: Walker): void {
    if (this.#closed) return;
    const { head, floor } = this.#host.window;
    if (!walker.hasRoom) this.#host.awaitRoom(walker);
    else if (walker.position >= head && !walker.hasGap) this.#host.join(walker);
    else if (walker.position >= floor) this.#windowWalk.add(walker);
    else this.#storeWalk.add(walker);
  }

  delete(walker: Walker): void {
    this.#windowWalk.delete(walker);
    this.#storeWalk.delete(walker);
  }

  close(): void {
    this.#closed = true;
    this.#windowWalk.close();
    this.#storeWalk.close();
  }
}
