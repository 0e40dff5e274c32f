import { SseError } from "../errors.ts";
import type { AppendResult, NewEvent } from "../stores/replay_store.ts";

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
 * Takes publishes in the order of the calls, one `append` under way at a time:
 * what comes meanwhile goes together in the next.
 */
export class Publisher {
  readonly #host: PublisherHost;
  readonly #maxPending: number;
  #queue: Publish[] = [];
  #pending = 0;
  #running: Promise<void> | undefined;

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
    const { promise, resolve, reject } = PublishPromise.make(this.#host.onError);
    this.#queue.push({ event, resolve, reject });
    this.#running ??= this.#run();
    return promise;
  }

  /** A publish that never began. */
  refuse(error: unknown): Promise<string> {
    const { promise, reject } = PublishPromise.make(this.#host.onError);
    reject(error);
    return promise;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    await undefined; // the publishes of one turn go together
    while (this.#queue.length > 0) {
      const batch = this.#queue.length <= MAX_BATCH ? this.#queue : this.#queue.slice(0, MAX_BATCH);
      this.#queue = this.#queue.length <= MAX_BATCH ? [] : this.#queue.slice(MAX_BATCH);
      try {
        await this.#host.ready();
        const results = await this.#host.append(batch.map(({ event }) => event));
        batch.forEach((publish, i) => this.#settle(publish, results[i]!));
      } catch (error) {
        for (const { reject } of batch) reject(failed(error));
      }
      this.#pending -= batch.length;
    }
    this.#running = undefined;
  }

  #settle({ event, resolve, reject }: Publish, { id, error }: AppendResult): void {
    if (error !== undefined) return reject(failed(error));
    this.#host.onPublished(event, id);
    resolve(id);
  }
}

/** What the publisher is told: whether the event may be there all the same, or surely is not. */
function failed(cause: unknown): unknown {
  if (cause instanceof SseError) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new SseError("backend-failed", `Cannot publish as the store refused: got ${why}`, { cause });
}

/** A promise that knows whether anybody looks at it: a failure that nobody awaits goes to `onError`. */
class PublishPromise extends Promise<string> {
  #awaited = false;

  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  static make(onError: (error: unknown) => void): PromiseWithResolvers<string> {
    let resolve!: (id: string | PromiseLike<string>) => void;
    let settle!: (error: unknown) => void;
    const promise = new PublishPromise((onResolve, onReject) => {
      resolve = onResolve;
      settle = onReject;
    });
    const reject = (error: unknown): void => {
      Promise.prototype.then.call(promise, undefined, () => {}); // never unhandled
      // One turn later: whoever awaits it does so by then
      setTimeout(() => promise.#awaited || onError(error), 0);
      settle(error);
    };
    return { promise, resolve, reject };
  }

  override then<A = string, B = never>(
    onFulfilled?: ((id: string) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#awaited = true;
    return super.then(onFulfilled, onRejected);
  }
}
