import type { ReplayStore, StoredEvent, Tail, TailHandlers } from "../stores/replay_store.ts";
import { Pauses } from "../time/pauses.ts";
import { type Entry, entryOf } from "./entry.ts";
import { Window } from "./window.ts";

/** How long to wait before a store that would not begin is asked again, in milliseconds: doubled each time. */
const RETRY_MS = { first: 100, last: 5_000 };
/** How long a store may take to begin, in milliseconds. */
const BEGIN_MS = 30_000;

/** What a follower calls. */
export interface FollowerHost {
  /** The log is followed from its newest position on. Called once. */
  onBegin(window: Window): void;
  /** There is a new event, which is in the window already. */
  onEntry(entry: Entry): void;
  /** The engine has lost events: what follows comes after this position. */
  onLost(position: number): void;
  onError(error: unknown): void;
}

/**
 * Follows the tail of a store, and keeps the window of its newest events. Nothing happens before `begin`: a worker may make
 * no timer and no promise where its modules are loaded.
 */
export class LogFollower {
  readonly #store: ReplayStore;
  readonly #windowBytes: number;
  readonly #host: FollowerHost;
  readonly #pauses = new Pauses();
  /** Set once it has been told to begin. */
  #begun: PromiseWithResolvers<void> | undefined;
  /** The newest attempt: publishing waits for it, and shares its failure. */
  #attempt: Promise<void> | undefined;
  #window: Window | undefined;
  #tail: Tail | undefined;
  #closed = false;
  /** Ends the wait for a tail that has not begun yet. */
  #giveUp = (_why: Error): void => {};

  constructor(store: ReplayStore, windowBytes: number, host: FollowerHost) {
    this.#store = store;
    this.#windowBytes = windowBytes;
    this.#host = host;
  }

  /** Begins to follow the log, if it has not yet. */
  begin(): void {
    if (this.#begun !== undefined) return;
    this.#begun = Promise.withResolvers();
    void this.#follow(this.#begun);
  }

  /** The newest events; `undefined` until the log is followed. */
  get window(): Window | undefined {
    return this.#window;
  }

  /** Resolves when the log is followed, or when this is closed. Never rejects. */
  get begun(): Promise<void> {
    this.begin();
    return this.#begun!.promise;
  }

  /** Resolves when the log is followed; rejects if the newest attempt fails. */
  get attempt(): Promise<void> {
    this.begin();
    return this.#attempt ?? Promise.resolve(); // it was closed before it began
  }

  /** Stops. A store that has not answered yet is not waited for. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#pauses.end();
    this.#giveUp(new Error("Cannot follow the store as the broker is closed"));
    this.#begun?.resolve();
    await this.#tail?.close();
  }

  /** Tries until it can follow, or is closed. Never rejects. */
  async #follow(begun: PromiseWithResolvers<void>): Promise<void> {
    for (let wait = RETRY_MS.first; !this.#closed; wait = Math.min(wait * 2, RETRY_MS.last)) {
      this.#attempt = this.#followOnce();
      try {
        await this.#attempt;
        break;
      } catch (error) {
        if (!this.#closed) this.#host.onError(error);
        await this.#pauses.wait(wait);
      }
    }
    begun.resolve();
  }

  async #followOnce(): Promise<void> {
    const early: StoredEvent[] = [];
    let isOver = false;
    const beginning = this.#begin({
      onEvents: (events) => {
        if (isOver || this.#closed) return;
        if (this.#window === undefined) early.push(...events);
        else this.#take(this.#window, events);
      },
      onError: (error) => isOver || this.#host.onError(error),
      onLost: (position) => {
        if (isOver || this.#window === undefined) return;
        this.#lose(position);
      },
    });
    let tail: Tail;
    try {
      tail = await this.#within(beginning);
    } catch (error) {
      isOver = true;
      beginning.then((late) => late.close()).catch(() => {}); // its failure, if any, was told
      throw error;
    }
    this.#tail = tail;
    const window = this.#window = new Window(this.#windowBytes, tail.position);
    this.#host.onBegin(window);
    this.#take(window, early);
  }

  /** What the store answers, though it throws or gives no promise. */
  async #begin(handlers: TailHandlers): Promise<Tail> {
    const tail = await this.#store.tail(handlers);
    if (Number.isSafeInteger(tail?.position) && typeof tail.close === "function") return tail;
    throw new TypeError("Cannot follow the store as its tail has no position and no close()");
  }

  /** Waits for a tail, but not for ever, and not once this is closed. */
  #within(beginning: Promise<Tail>): Promise<Tail> {
    const { promise, resolve, reject } = Promise.withResolvers<Tail>();
    const late = (): void => reject(new Error(`Cannot follow the store as it has not begun within ${BEGIN_MS} ms`));
    const timer = setTimeout(late, BEGIN_MS);
    this.#giveUp = reject;
    beginning.then(resolve, reject);
    return promise.finally(() => clearTimeout(timer));
  }

  #take(window: Window, events: readonly StoredEvent[]): void {
    for (const event of events) {
      const entry = entryOf(event);
      try {
        window.push(entry);
      } catch (error) {
        // An event of another process, say, that no string can hold when it is encoded: it is lost, and that is told
        this.#host.onError(error);
        this.#lose(event.position);
        continue;
      }
      this.#host.onEntry(entry);
    }
  }

  #lose(position: number): void {
    this.#window?.restart(position);
    this.#host.onLost(position);
  }
}
