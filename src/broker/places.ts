import type { ReplayStore, SeekTarget } from "../stores/replay_store.ts";
import { STORE_ID } from "../stores/store_id.ts";
import { Pauses } from "../time/pauses.ts";
import type { GapReason } from "../wire/gap.ts";
import type { LogFollower } from "./log_follower.ts";
import type { SubscribeOptions } from "./subscriber.ts";

/** How long to wait before a store that failed is asked again, in milliseconds: doubled each time, up to the last. */
const RETRY_MS = { first: 100, last: 5_000 };
/** How long the store may take for an answer, in milliseconds. */
const ANSWER_MS = 30_000;

/** A subscriber that waits for its place in the log. */
export interface Newcomer {
  readonly topics: readonly string[];
  readonly options: SubscribeOptions;
  readonly isEnded: boolean;
  /** Fixes its place, and tells what is missing there. */
  place(position: number, missing?: GapReason): void;
}

/** Finds the place in the log at which a subscriber begins: at once where that is known, else when the store has told. */
export class Places {
  readonly #store: ReplayStore;
  readonly #follower: LogFollower;
  readonly #onError: (error: unknown) => void;
  readonly #pauses = new Pauses();
  /** Subscribers whose places the store is asked for, and what ends the wait for it. */
  readonly #waiting = new Map<Newcomer, () => void>();
  #closed = false;

  constructor(store: ReplayStore, follower: LogFollower, onError: (error: unknown) => void) {
    this.#store = store;
    this.#follower = follower;
    this.#onError = onError;
  }

  /** Places a newcomer, now or later. */
  find(newcomer: Newcomer): void {
    const known = this.#inWindow(newcomer.options.lastEventId);
    if (known !== undefined) newcomer.place(known);
    else if (!beginsAtTail(newcomer.options)) void this.#ask(newcomer);
    else if (this.#follower.window !== undefined) newcomer.place(this.#follower.window.head);
    // else `placeAtTail` does
  }

  /** The log is followed now: places those of the newcomers that begin at its end. */
  placeAtTail(newcomers: Iterable<Newcomer>, position: number): void {
    for (const newcomer of newcomers) if (beginsAtTail(newcomer.options)) newcomer.place(position);
  }

  /** Stops asking for a subscriber that has ended. */
  leave(newcomer: Newcomer): void {
    this.#waiting.get(newcomer)?.();
  }

  close(): void {
    this.#closed = true;
    this.#pauses.end();
    for (const giveUp of this.#waiting.values()) giveUp();
  }

  /**
   * The position of an ID that our stores make, if it is in the window: then the store need not be asked. A publisher's own
   * ID may stand for an older event as well, which only the store knows.
   */
  #inWindow(lastEventId: string | undefined): number | undefined {
    const { window } = this.#follower;
    const position = Number(STORE_ID.exec(lastEventId ?? "")?.[2] ?? NaN);
    if (window === undefined || !(position >= window.floor && position <= window.head)) return undefined;
    return this.#store.idAt(position) === lastEventId ? position : undefined;
  }

  /** Asks the store until it has answered, or the place is not needed any more. Never rejects. */
  async #ask(newcomer: Newcomer): Promise<void> {
    const unwanted = new Promise<void>((giveUp) => this.#waiting.set(newcomer, giveUp));
    await Promise.race([this.#follower.begun, unwanted]);
    for (let wait = RETRY_MS.first; !newcomer.isEnded && !this.#closed; wait = Math.min(wait * 2, RETRY_MS.last)) {
      try {
        await answered(Promise.race([this.#place(newcomer), unwanted]));
        break;
      } catch (error) {
        this.#onError(error);
        await this.#pauses.wait(wait);
      }
    }
    this.#waiting.delete(newcomer);
  }

  async #place(newcomer: Newcomer): Promise<void> {
    const { topics, options } = newcomer;
    const { lastEventId = "", unknownId = "all" } = options;
    if (lastEventId === "") return newcomer.place(await this.#seek(newcomer));
    const stored = await this.#store.locate(lastEventId, topics) ?? Infinity;
    // Of two events with this ID the store may have forgotten the first when the window has not
    const position = Math.min(stored, this.#follower.window?.locate(lastEventId, topics) ?? Infinity);
    if (position < Infinity) return newcomer.place(position);
    newcomer.place(unknownId === "all" ? 0 : await this.#seek(newcomer), "unknown");
  }

  /** Where `start` says. */
  #seek({ options: { start = "tail" }, topics }: Newcomer): number | Promise<number> {
    if (start === "tail") return this.#follower.window!.head;
    return this.#store.seek(seekTarget(start, topics));
  }
}

/** Waits for the store, but not for ever. */
function answered(placing: Promise<void>): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => {
    reject(new Error(`Cannot place subscriber as the store gave no answer within ${ANSWER_MS} ms`));
  }, ANSWER_MS);
  placing.then(resolve, reject);
  return promise.finally(() => clearTimeout(timer));
}

/** Whether it begins where the log is when it subscribes. */
function beginsAtTail({ lastEventId = "", start = "tail" }: SubscribeOptions): boolean {
  return lastEventId === "" && start === "tail";
}

function seekTarget(start: NonNullable<SubscribeOptions["start"]>, topics: readonly string[]): SeekTarget {
  if (typeof start !== "object") return { since: 0 };
  return "last" in start ? { last: start.last, topics } : { since: Number(start.since) };
}
