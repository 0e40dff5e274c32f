import { SseError } from "../../errors.ts";
import { Pauses } from "../../time/pauses.ts";
import { within } from "../../time/within.ts";
import type {
  AppendResult,
  NewEvent,
  ReadOptions,
  ReadResult,
  ReplayStore,
  SeekTarget,
  Tail,
  TailHandlers,
} from "../replay_store.ts";
import { storeId } from "../store_id.ts";
import { AppendQueue } from "./append_queue.ts";
import { closed } from "./closed.ts";
import type { LogEngine } from "./engine.ts";
import { LogFollower } from "./follower.ts";
import { KnownLog } from "./known_log.ts";
import { LogReader } from "./reader.ts";

/** How long to wait before an engine that is away is asked again, in milliseconds: doubled each time, up to the last. */
const RETRY_MS = { first: 50, last: 1_000 };

/** How long events are kept, and how long the engine may take, in milliseconds. */
interface Limits {
  readonly maxAge: number;
  readonly timeout: number;
}

/**
 * Puts a store on its engine, once: for the constructors of the stores that extend {@linkcode LogReplayStore}. A parameter
 * of its own constructor would publish what an engine is.
 */
export let standOn: (store: LogReplayStore, engine: LogEngine, limits: Limits) => void;

/**
 * What the stores on Redis, NATS and PostgreSQL have in common: one log, read by
 * one follower for all tails of a process.
 */
export class LogReplayStore implements ReplayStore {
  static {
    standOn = (store, engine, limits) => store.#standOn(engine, limits);
  }

  #engine!: LogEngine;
  #timeout!: number;
  #log!: KnownLog;
  #queue!: AppendQueue;
  #reader!: LogReader;
  #follower!: LogFollower;
  readonly #pauses = new Pauses();
  #closed = false;

  /** For the stores that extend it. */
  protected constructor() {}

  #standOn(engine: LogEngine, { maxAge, timeout }: Limits): void {
    this.#engine = engine;
    this.#timeout = timeout;
    this.#log = new KnownLog(engine, timeout, {
      onChange: () => this.#reader.clear(),
      onAnother: (position) => this.#follower.restart(position),
      onError: (error) => this.#follower.error(error),
    });
    this.#reader = new LogReader(engine, this.#log, maxAge);
    this.#follower = new LogFollower(engine, this.#log, timeout);
    const send = (batch: readonly NewEvent[], sequence: number) => this.#send(batch, sequence);
    this.#queue = new AppendQueue(engine.name, timeout, engine.batches, send);
  }

  /**
   * Stores events; see {@linkcode ReplayStore.append}. An own ID of the store's
   * form is refused with `id-taken`, as is one that another event of the same
   * topics has.
   */
  append(events: readonly NewEvent[]): Promise<readonly AppendResult[]> {
    return this.#closed ? Promise.reject(closed("append")) : this.#queue.append(events);
  }

  /** Reads retained events; see {@linkcode ReplayStore.read}. */
  read(after: number, options: ReadOptions): Promise<ReadResult> {
    return this.#run("read", () => this.#reader.read(after, options));
  }

  /** Hands over new events; see {@linkcode ReplayStore.tail}. */
  async tail(handlers: TailHandlers): Promise<Tail> {
    // Only this is tried again: what was given up may still come to its end, and must not leave a second tail behind
    const { newest } = await this.#run("tail", () => this.#log.ask());
    if (this.#closed) throw closed("tail");
    return this.#follower.add(handlers, newest);
  }

  /**
   * The ID of a position; see {@linkcode ReplayStore.idAt}.
   *
   * @throws {SseError} `backend-failed` before any other call has resolved: the engine knows the log's name for itself.
   */
  idAt(position: number): string {
    const { identity } = this.#log;
    if (identity === undefined) {
      throw new SseError(
        "backend-failed",
        `Cannot make ID as ${this.#engine.name} has not been asked for anything yet`,
      );
    }
    return storeId(identity.epoch, position);
  }

  /** The position of an ID; see {@linkcode ReplayStore.locate}. */
  locate(id: string, topics: readonly string[]): Promise<number | undefined> {
    return this.#run("locate", () => this.#reader.locate(id, topics));
  }

  /** The position to begin after; see {@linkcode ReplayStore.seek}. */
  seek(target: SeekTarget): Promise<number> {
    return this.#run("seek", () => this.#reader.seek(target));
  }

  /** The newest removed position, whatever the topics; see {@linkcode ReplayStore.removed}. */
  removed(_topics: readonly string[]): Promise<number> {
    return this.#run("read", () => this.#reader.removed());
  }

  /** What the nodes on this log say; see {@linkcode ReplayStore.announce}. */
  announce(node: string, says: string | undefined, ttl: number): Promise<ReadonlyMap<string, string>> {
    return this.#run("announce", () => this.#engine.announce(node, says, ttl));
  }

  /** Ends every tail, lets appends that wait fail, and closes what was opened here; never the client. */
  close(): Promise<void> {
    this.#closed = true;
    this.#queue.close();
    this.#pauses.end();
    this.#log.close();
    this.#follower.close();
    this.#reader.clear();
    return Promise.resolve();
  }

  async #send(batch: readonly NewEvent[], sequence: number): Promise<readonly AppendResult[]> {
    const appended = await this.#engine.append(batch, sequence, this.#log.lastHole);
    await this.#log.appended(appended);
    return appended.results;
  }

  /** Does what a call asks for, again while the engine is away, until its time is over. */
  async #run<T>(call: string, work: () => Promise<T>): Promise<T> {
    const { name } = this.#engine;
    const deadline = performance.now() + this.#timeout;
    for (let wait = RETRY_MS.first;; wait = Math.min(wait * 2, RETRY_MS.last)) {
      if (this.#closed) throw closed(call);
      try {
        return await within(Math.max(1, deadline - performance.now()), work(), name);
      } catch (error) {
        if (performance.now() + wait >= deadline || !this.#engine.isPassing(error)) {
          const why = error instanceof Error ? error.message : String(error);
          throw new SseError("backend-failed", `Cannot ${call} from ${name}: got ${why}`, { cause: error });
        }
      }
      await this.#pauses.wait(wait);
    }
  }
}
