import { SseError } from "../errors.ts";
import type { ReadResult, ReplayStore } from "../stores/replay_store.ts";
import { Pauses } from "../time/pauses.ts";
import { entryOf } from "./entry.ts";
import type { Group } from "./group.ts";
import { Walk, type Walker, type WalkHost } from "./walk.ts";
import type { Window } from "./window.ts";

/** Events of one step: few enough that live delivery never waits long for it. */
const STEP_EVENTS = 512;
/** UTF-16 code units of one step. */
const STEP_LENGTH = 1 << 20;
/** Up to how many topics the store is asked for by name; for more of them it is read whole. */
const NAMED_TOPICS = 16;
/** How much work an answer of the store may be: the clock is looked at after each. */
const READ_PIECES = 64;
/** How long to wait after the store has failed, in milliseconds: doubled each time, up to the last. */
const RETRY_MS = { first: 100, last: 5_000 };
/** How long the store may take for an answer, in milliseconds. */
const ANSWER_MS = 10_000;

/** What a store answers, though it throws or gives no promise. */
async function asked<T>(ask: () => Promise<T>): Promise<T> {
  return await ask();
}

/** What the walk needs of its surroundings. */
export interface StoreWalkHost extends WalkHost {
  readonly store: ReplayStore;
  readonly window: Window;
  onError(error: unknown): void;
}

/** Serves walkers from the store: one walk for all of them. */
export class StoreWalk {
  readonly #host: StoreWalkHost;
  readonly #walk: Walk;
  readonly #pauses = new Pauses();
  #isWalking = false;

  constructor(host: StoreWalkHost) {
    this.#host = host;
    this.#walk = new Walk(host);
  }

  add(walker: Walker): void {
    this.#walk.add(walker);
    if (!this.#isWalking) void this.#run();
  }

  delete(walker: Walker): void {
    this.#walk.delete(walker);
  }

  close(): void {
    this.#walk.clear();
    this.#pauses.end();
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    this.#isWalking = true;
    const walk = this.#walk;
    let at = 0;
    let wait = RETRY_MS.first;
    await walk.giveWay(); // walkers that come in one turn go together
    for (let from = await walk.next(at); from !== undefined; from = await walk.next(at)) {
      try {
        at = await this.#step(from);
        wait = RETRY_MS.first;
      } catch (error) {
        this.#host.onError(error);
        at = from + 1; // a part that cannot be read must not keep walkers elsewhere waiting
        await this.#pauses.wait(wait);
        wait = Math.min(wait * 2, RETRY_MS.last);
      }
    }
    this.#isWalking = false;
    if (walk.size > 0) void this.#run(); // a walker came while the last answer of `next` was on its way
  }

  /** @returns How far it led. */
  async #step(from: number): Promise<number> {
    const { store, window } = this.#host;
    const options = { topics: this.#namedTopics(), limit: STEP_EVENTS, maxLength: STEP_LENGTH };
    const result = await this.#needed(from, () => store.read(from, options));
    await this.#walk.worked(READ_PIECES); // a store in memory answers without a turn
    if (result === undefined) return from;
    const { position: upTo, events } = result;
    if (upTo <= from && from < window.head) {
      throw new SseError(
        "backend-failed",
        `Cannot read on as the store ends at ${from}: got events up to ${window.head}`,
      );
    }
    if (result.removed > from && !await this.#tellExpired(from, result)) return from;
    await this.#walk.serve(from, { entries: events.map(entryOf), upTo });
    return upTo;
  }

  /**
   * Retention removed events up to `removed`. It is a gap only for subscribers whose topics those events had.
   *
   * @returns Whether all of them know: `false` if no walker is left where the step began.
   */
  async #tellExpired(from: number, { position: upTo, removed }: ReadResult): Promise<boolean> {
    const removedOf = new Map<Group, number>();
    for (const walker of this.#walk.between(from, upTo)) {
      if (walker.position >= removed) continue;
      const { group } = walker;
      let removedHere = removedOf.get(group);
      if (removedHere === undefined) {
        const answer = await this.#needed(from, () => this.#host.store.removed(group.topics));
        if (answer === undefined) return false;
        removedOf.set(group, removedHere = Math.min(answer, removed));
        await this.#walk.worked(READ_PIECES);
      }
      if (walker.position < removedHere) walker.lose("expired");
    }
    return true;
  }

  /**
   * Waits for the store, as long as a walker stands where the store was asked to read from.
   *
   * @returns `undefined` if none is left there.
   * @throws What the store rejects with, or an error if it takes too long.
   */
  #needed<T>(from: number, ask: () => Promise<T>): Promise<T | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<T | undefined>();
    const timer = setTimeout(() => {
      reject(new SseError("backend-failed", `Cannot read on as the store gave no answer within ${ANSWER_MS} ms`));
    }, ANSWER_MS);
    this.#walk.onceLeft(from, () => resolve(undefined));
    asked(ask).then(resolve, reject);
    return promise.finally(() => clearTimeout(timer));
  }

  /** The topics of all walkers here, if they are few. */
  #namedTopics(): readonly string[] | undefined {
    const named = new Set<string>();
    for (const { topics } of this.#walk.groups) {
      for (const topic of topics) named.add(topic);
      if (named.size > NAMED_TOPICS) return undefined;
    }
    return [...named];
  }
}
