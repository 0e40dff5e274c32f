import { SseError } from "../errors.ts";
import type { AppendResult, NewEvent } from "../stores/replay_store.ts";
import { HeardPromise } from "../time/heard_promise.ts";

/** Events given to the store in one call. */
const MAX_BATCH = 1_024;

interface Publish {
  readonly event: NewEvent;
  readonly resolve: (id: string) => void;
  readonly reject: (error: unknown) => void;
}

/** What a publisher needs of its broker. */
export interface PublisherHost {
  /** Resolves when the store may be used; rejects when it cannot. */
  ready(): Promise<void>;
  append(events: readonly NewEvent[]): Promise<readonly AppendResult[]>;
  onPublished(event: NewEvent, id: string): void;
  onError(error: unknown): void;
}

/**
 * Takes publishes in the order of the calls. One `append` is under way at a time:
 * publishes that come meanwhile go together in the next one.
 */
export class Publisher {
  readonly #host: PublisherHost;
  readonly #maxPending: number;
  #queue: Publish[] = [];
  #pending = 0;
  #running: Promise<void> | undefined;
  /** Publishes that the store has been given and has not answered. */
  #appending: readonly Publish[] = [];
  #gaveUp = false;

  constructor(host: PublisherHost, maxPending: number) {
    this.#host = host;
    this.#maxPending = maxPending;
  }

  publish(event: NewEvent): Promise<string> {
    if (this.#pending >= this.#maxPending) {
      return this.refuse(
        new SseError(
          "too-many-pending",
          `Cannot publish as maxPendingPublishes are under way: got one more than ${this.#maxPending}`,
        ),
      );
    }
    this.#pending++;
    const { promise, resolve, reject } = HeardPromise.make<string>(this.#host.onError);
    this.#queue.push({ event, resolve, reject });
    this.#running ??= this.#run();
    return promise;
  }

  /** A publish that never began. */
  refuse(error: unknown): Promise<string> {
    const { promise, reject } = HeardPromise.make<string>(this.#host.onError);
    reject(error);
    return promise;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Stops waiting for the store: publishes that it has not answered are rejected. */
  giveUp(): void {
    this.#gaveUp = true;
    for (const { reject } of this.#appending) {
      reject(new SseError("publish-uncertain", "Cannot tell whether the store has the event as the broker was closed"));
    }
    for (const { reject } of this.#queue.splice(0)) {
      reject(new SseError("broker-closed", "Cannot publish as the broker was closed before the store was there"));
    }
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    await undefined; // the publishes of one turn go together
    while (this.#queue.length > 0) {
      try {
        await this.#host.ready();
      } catch (error) {
        this.#reject(this.#take(), error);
        continue;
      }
      await this.#append(this.#take());
    }
    this.#running = undefined;
  }

  async #append(batch: readonly Publish[]): Promise<void> {
    this.#appending = batch;
    try {
      const results = await this.#host.append(batch.map(({ event }) => event));
      if (this.#gaveUp) return;
      batch.forEach((publish, i) => this.#settle(publish, results[i]!));
      this.#pending -= batch.length;
    } catch (error) {
      if (!this.#gaveUp) this.#reject(batch, error);
    }
    this.#appending = [];
  }

  #reject(batch: readonly Publish[], error: unknown): void {
    for (const { reject } of batch) reject(failed(error));
    this.#pending -= batch.length;
  }

  #settle({ event, resolve, reject }: Publish, { id, error }: AppendResult): void {
    if (error !== undefined) return reject(failed(error));
    this.#host.onPublished(event, id);
    resolve(id);
  }

  /** The next batch. */
  #take(): readonly Publish[] {
    return this.#queue.splice(0, MAX_BATCH);
  }
}

/** The error that the publisher gets: `publish-uncertain` is passed on, anything else becomes `backend-failed`. */
function failed(cause: unknown): unknown {
  if (cause instanceof SseError) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new SseError("backend-failed", `Cannot publish as the store refused: got ${why}`, { cause });
}
