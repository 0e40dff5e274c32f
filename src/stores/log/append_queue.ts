import { after } from "../../time/timer.ts";
import type { AppendResult, NewEvent } from "../replay_store.ts";
import { SseError } from "../../errors.ts";
import { refusalOf } from "./own_id.ts";

/** UTF-16 code units of data that go to the engine in one call, unless one event alone has more. */
const BATCH_LENGTH = 1 << 20;
/** How long to wait before an engine is asked again: doubled each time, up to the last. */
const RETRY_MS = { first: 20, last: 500 };

/** Why a batch did not come through. */
export class AppendFailure extends Error {
  /** Whether asking again may help. */
  readonly retry: boolean;
  /** Whether the engine may have the events all the same. */
  readonly uncertain: boolean;

  constructor(cause: unknown, { retry, uncertain }: { readonly retry: boolean; readonly uncertain: boolean }) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.retry = retry;
    this.uncertain = uncertain;
  }
}

/**
 * Sends a batch. `sequence` grows with each batch and is the same when one is sent again: the engine stores it once.
 * Rejects with an {@linkcode AppendFailure}, or with anything else for a failure that leaves the outcome open.
 */
export type SendBatch = (batch: readonly NewEvent[], sequence: number) => Promise<readonly AppendResult[]>;

interface Item {
  readonly event: NewEvent;
  readonly settle: (result: AppendResult) => void;
  readonly deadline: number;
}

/** How an engine likes to be sent batches. */
export interface Batches {
  /** How many may be under way at once. An engine that takes more than one must keep what it is sent in order. */
  readonly underWay: number;
  /** How many events one may have. */
  readonly events: number;
}

/**
 * Takes appends in the order of the calls and sends them in batches: what comes while as many as may be are under way goes
 * together in the next. A batch that an outage stops is sent again until the first of its events has waited for as long as
 * it may.
 */
export class AppendQueue {
  readonly #engine: string;
  readonly #timeout: number;
  readonly #batches: Batches;
  readonly #send: SendBatch;
  #items: Item[] = [];
  #sequence = 0;
  #running = 0;
  #closed = false;
  readonly #waits = new Set<() => void>();

  constructor(engine: string, timeout: number, batches: Batches, send: SendBatch) {
    this.#engine = engine;
    this.#timeout = timeout;
    this.#batches = batches;
    this.#send = send;
  }

  append(events: readonly NewEvent[]): Promise<readonly AppendResult[]> {
    const deadline = performance.now() + this.#timeout;
    const results = events.map((event) =>
      new Promise<AppendResult>((settle) => {
        const refusal = refusalOf(event.id);
        if (refusal !== undefined) return settle(refusal);
        this.#items.push({ event, settle, deadline });
      })
    );
    if (this.#running < this.#batches.underWay) void this.#run();
    return Promise.all(results);
  }

  /** Lets what waits fail. */
  close(): void {
    this.#closed = true;
    for (const end of this.#waits) end();
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    this.#running++;
    await undefined; // the appends of one turn go together
    while (this.#items.length > 0) {
      const batch = this.#next();
      const results = await this.#sendUntil(batch, ++this.#sequence);
      batch.forEach(({ settle }, i) => settle(results[i]!));
    }
    this.#running--;
  }

  #next(): Item[] {
    let events = 0;
    for (let length = 0; events < Math.min(this.#items.length, this.#batches.events); events++) {
      length += this.#items[events]!.event.data.length;
      if (events > 0 && length > BATCH_LENGTH) break;
    }
    return this.#items.splice(0, events);
  }

  async #sendUntil(batch: readonly Item[], sequence: number): Promise<readonly AppendResult[]> {
    const events = batch.map(({ event }) => event);
    const { deadline } = batch[0]!;
    let uncertain = false;
    for (let wait = RETRY_MS.first;; wait = Math.min(wait * 2, RETRY_MS.last)) {
      let failure: unknown;
      try {
        // Also when those before it have used up its time
        const unsent = this.#closed ? "the store is closed" : performance.now() >= deadline ? this.#late() : undefined;
        if (unsent !== undefined) throw new AppendFailure(unsent, { retry: false, uncertain: false });
        return await this.#within(deadline, this.#send(events, sequence));
      } catch (error) {
        failure = error;
      }
      const { retry, uncertain: open } = failure instanceof AppendFailure ? failure : { retry: true, uncertain: true };
      uncertain ||= open;
      if (!retry || this.#closed || performance.now() + wait >= deadline) {
        const error = this.#error(failure, uncertain);
        return batch.map(() => ({ error }));
      }
      await this.#within(performance.now() + wait, new Promise<void>(() => {})).catch(() => {});
    }
  }

  /** What a promise brings, until a time or the end of the queue. */
  #within<T>(deadline: number, promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const late = (): void => {
        reject(
          new AppendFailure(this.#closed ? "the store is closed" : this.#late(), { retry: false, uncertain: true }),
        );
      };
      const stop = after(Math.max(1, deadline - performance.now()), late);
      this.#waits.add(late);
      promise.then(resolve, reject).finally(() => {
        stop();
        this.#waits.delete(late);
      });
    });
  }

  #late(): string {
    return `no answer within ${this.#timeout} ms`;
  }

  #error(failure: unknown, uncertain: boolean): SseError {
    const cause = failure instanceof AppendFailure && failure.cause instanceof Error ? failure.cause : failure;
    const why = failure instanceof Error ? failure.message : String(failure);
    return uncertain
      ? new SseError("publish-uncertain", `Cannot tell whether ${this.#engine} has the event: got ${why}`, { cause })
      : new SseError("backend-failed", `Cannot publish to ${this.#engine}: got ${why}`, { cause });
  }
}
