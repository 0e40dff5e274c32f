import { type ReplayStore, SseError, type StoredEvent, type Tail, type TailHandlers } from "../../mod.ts";
import type { Choices } from "./choices.ts";
import { Injected } from "./injected.ts";
import { later, wait } from "./own_timers.ts";

const CALLS = ["append", "read", "tail", "locate", "seek", "removed"] as const;

/** A call of the store that can be made to fail. */
export type StoreCall = typeof CALLS[number];

/** How: before the store has done anything, or after it. */
export type StoreFault = "rejects" | "is uncertain" | "late" | "answers late" | "hangs" | "never answers";

/**
 * A broker's own way to a store that others use as well: its calls reject, hang and answer late when they are told to, and
 * its tail hands over late, in other pieces, or not at all.
 */
export class FaultyStore implements ReplayStore {
  /** The newest position that the tail has handed over: the broker knows of everything up to it. */
  handed = 0;
  /** Whether the tail has left something out, and said so. */
  isLossy = false;

  readonly #store: ReplayStore;
  readonly #choices: Choices;
  readonly #faults = new Map<StoreCall, { readonly fault: StoreFault; left: number }>();
  readonly #hanging: (() => void)[] = [];
  readonly #tails = new Set<FaultyTail>();
  #isCalm = false;

  constructor(store: ReplayStore, choices: Choices) {
    this.#store = store;
    this.#choices = choices;
  }

  /** The next few of these calls fail. */
  fail(call: StoreCall, fault: StoreFault, times: number): void {
    this.#faults.set(call, { fault, left: times });
  }

  /** For some time the tail hands over late. */
  delayTail(ms: number): void {
    for (const tail of this.#tails) tail.hold(ms);
  }

  /** The tail leaves out what it holds back, and says so. */
  jump(): boolean {
    return Array.from(this.#tails, (tail) => tail.jump()).some((jumped) => jumped);
  }

  /** Lets go of the calls that hang: they go on. */
  release(): void {
    for (const go of this.#hanging.splice(0)) go();
  }

  /** From now on every call hangs, until they are let go. */
  hang(): void {
    this.#isCalm = false;
    for (const call of CALLS) this.fail(call, "hangs", Infinity);
  }

  /** From now on nothing fails. */
  calm(): void {
    this.#isCalm = true;
    this.#faults.clear();
    this.release();
    for (const tail of this.#tails) tail.hold(0);
  }

  append: ReplayStore["append"] = (events) => this.#call("append", () => this.#store.append(events));
  read: ReplayStore["read"] = (after, options) => this.#call("read", () => this.#store.read(after, options));
  seek: ReplayStore["seek"] = (target) => this.#call("seek", () => this.#store.seek(target));
  removed: ReplayStore["removed"] = (topics) => this.#call("removed", () => this.#store.removed(topics));
  // However many arguments the contract gives it
  locate: ReplayStore["locate"] = (...args) => this.#call("locate", () => this.#store.locate(...args));
  idAt: ReplayStore["idAt"] = (position) => this.#store.idAt(position);
  close: ReplayStore["close"] = () => Promise.resolve(); // the store is the run's

  tail(handlers: TailHandlers): Promise<Tail> {
    return this.#call("tail", async () => {
      const tail = new FaultyTail(this, handlers);
      const { position, close } = await this.#store.tail(tail);
      this.handed = position;
      this.#tails.add(tail);
      return {
        position,
        close: async () => {
          this.#tails.delete(tail);
          tail.close();
          await close();
        },
      };
    });
  }

  async #call<T>(call: StoreCall, go: () => Promise<T>): Promise<T> {
    const entry = this.#faults.get(call);
    if (entry === undefined || this.#isCalm) return await go();
    if (--entry.left <= 0) this.#faults.delete(call);
    const ms = this.#choices.integer(0, 12);
    // One that has begun before all calmed down may come here afterwards
    const hang = (): Promise<void> =>
      this.#isCalm ? Promise.resolve() : new Promise((resolve) => this.#hanging.push(resolve));
    switch (entry.fault) {
      case "rejects":
        throw new Injected(`${call} rejects`);
      case "late":
        await wait(ms);
        return await go();
      case "hangs":
        await hang();
        return await go();
      default: {
        const result = await go();
        if (entry.fault === "answers late") await wait(ms);
        else if (entry.fault === "never answers") await hang();
        else if (call === "append") {
          throw new SseError("publish-uncertain", "Cannot tell", { cause: new Injected(call) });
        }
        return result;
      }
    }
  }
}

/** Hands over at once, or late and in pieces of its own. */
class FaultyTail implements TailHandlers {
  readonly #store: FaultyStore;
  readonly #handlers: TailHandlers;
  #held: StoredEvent[] = [];
  #holds = false;
  #isClosed = false;

  constructor(store: FaultyStore, handlers: TailHandlers) {
    this.#store = store;
    this.#handlers = handlers;
  }

  onEvents(events: readonly StoredEvent[]): void {
    this.#held.push(...events);
    if (!this.#holds) this.#handOver();
  }

  onError(error: unknown): void {
    this.#handlers.onError(error);
  }

  onLost(position: number): void {
    this.#handlers.onLost(position);
  }

  hold(ms: number): void {
    this.#holds = ms > 0;
    if (ms > 0) later(ms, () => this.hold(0));
    else this.#handOver();
  }

  jump(): boolean {
    const last = this.#held.at(-1);
    if (last === undefined || this.#isClosed) return false;
    this.#held = [];
    this.#store.isLossy = true;
    this.#store.handed = last.position;
    this.#handlers.onLost(last.position);
    return true;
  }

  close(): void {
    this.#isClosed = true;
    this.#held = [];
  }

  #handOver(): void {
    const events = this.#held;
    this.#held = [];
    if (events.length === 0 || this.#isClosed) return;
    this.#store.handed = events.at(-1)!.position;
    this.#handlers.onEvents(events);
  }
}
