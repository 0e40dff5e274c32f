import type { ParsedEvent } from "./event.ts";

type Result = IteratorResult<ParsedEvent, undefined>;

const DONE: Result = { done: true, value: undefined };

/** What fills a {@linkcode PulledEvents}, by `push`. */
export interface EventPuller {
  /** Reads on by one step. Never rejects. */
  read(): Promise<unknown>;
  /** Drops the source, because the loop has been left. It is told whether a `read` is under way. */
  leave(busy: boolean): unknown;
  /** Whether an event, whose turn has come, is given out. */
  accept?(event: ParsedEvent): boolean;
}

/**
 * Events that are read as they are asked for: no step is taken while one waits to be given out. By hand: an async
 * generator costs several promises an event, this one the promise that `next` returns.
 */
export class PulledEvents implements AsyncIterableIterator<ParsedEvent, undefined> {
  readonly #puller: EventPuller;
  #events: (ParsedEvent | (() => void))[] = [];
  #taken = 0;
  /** The `next` that waits for a step; those that overlap it wait for it. */
  #pulling: Promise<Result> | undefined;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(puller: EventPuller) {
    this.#puller = puller;
  }

  /** Whether no event waits. */
  get isEmpty(): boolean {
    return this.#taken === this.#events.length;
  }

  /** Whether nothing follows what waits. */
  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Adds an event, or what is called in its place. */
  push(event: ParsedEvent | (() => void)): void {
    this.#events.push(event);
  }

  /** Nothing follows what waits, but the failure. The first end stands. */
  end(failure?: { readonly error: unknown }): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = failure;
  }

  /** Gives out nothing of what waits. */
  drop(): void {
    this.#events.length = this.#taken;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Result> {
    if (this.#pulling !== undefined) return this.#pulling.then(() => this.next(), () => this.next());
    const event = this.#take();
    if (event !== undefined) return Promise.resolve({ done: false, value: event });
    if (this.#failure === undefined && this.#ended) return Promise.resolve(DONE);
    return this.#pulling = this.#pull();
  }

  async return(): Promise<Result> {
    const left = this.#ended ? undefined : this.#puller.leave(this.#pulling !== undefined);
    this.#ended = true;
    this.#failure = undefined;
    this.drop();
    await left;
    return DONE;
  }

  #take(): ParsedEvent | undefined {
    while (this.#taken < this.#events.length) {
      const event = this.#events[this.#taken++]!;
      if (typeof event === "function") event();
      else if (this.#puller.accept === undefined || this.#puller.accept(event)) return event;
    }
    return undefined;
  }

  /** Takes steps until there is something to give. */
  async #pull(): Promise<Result> {
    this.#events = [];
    this.#taken = 0;
    while (!this.#ended) {
      await this.#puller.read();
      const event = this.#take();
      if (event !== undefined) {
        this.#pulling = undefined;
        return { done: false, value: event };
      }
    }
    await undefined; // never before `next` has kept this promise
    this.#pulling = undefined;
    if (this.#failure === undefined) return DONE;
    const { error } = this.#failure;
    this.#failure = undefined;
    throw error;
  }
}
