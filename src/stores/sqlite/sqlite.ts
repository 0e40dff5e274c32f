/**
 * A replay store in a file, by SQLite (`node:sqlite`, which Deno, Bun and Node
 * have): it outlives restarts, and the processes of one machine may share it.
 *
 * @example Events that outlive a restart
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Broker } from "@freshet/sse";
 * import { SqliteReplayStore } from "@freshet/sse/sqlite";
 *
 * const store = new SqliteReplayStore(":memory:"); // or a path
 * await using broker = new Broker({ store });
 * const id = await broker.publish("pets/dogs", { data: "woof" });
 * assertEquals(await store.locate(id, ["pets/dogs"]), 1);
 * ```
 *
 * @module
 */
import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { laterTurn } from "../../time/later_turn.ts";
import { every } from "../../time/timer.ts";
import type {
  AppendResult,
  NewEvent,
  ReadOptions,
  ReadResult,
  ReplayStore,
  SeekTarget,
  StoredEvent,
  Tail,
  TailHandlers,
} from "../replay_store.ts";
import { SseError } from "../../errors.ts";
import { closed } from "../log/closed.ts";
import { SqliteLog } from "./log.ts";
import { checkOptions, type SqliteReplayStoreOptions } from "./options.ts";

export type { SqliteReplayStoreOptions } from "./options.ts";

/** What one transaction takes, in events and UTF-16 code units: it holds the event loop for a few milliseconds. */
const BATCH = { events: 128, length: 1 << 20 };
/** How long a call waits for another process that has the file, in milliseconds, and how often it asks. */
const BUSY = { max: 5_000, step: 5 };

interface Pending {
  readonly events: readonly NewEvent[];
  readonly resolve: (results: readonly AppendResult[]) => void;
  readonly reject: (error: unknown) => void;
  /** Since when it waits. */
  readonly since: number;
}

/**
 * Keeps events in an SQLite file with a write-ahead log. A file that it makes
 * can be read by its owner alone.
 *
 * Publishes of one turn are one transaction; `publish` resolves after its
 * commit. Several processes on one file see each other's events within
 * `pollInterval`. While another process has the file, calls wait for five
 * seconds at most, without holding up the event loop, and then fail with
 * `backend-failed`; a file that is locked when the store is made is opened by
 * the first call that can.
 */
export class SqliteReplayStore implements ReplayStore {
  readonly #db: DatabaseSync;
  readonly #ownsDb: boolean;
  readonly #log: SqliteLog;
  readonly #pollInterval: number;
  readonly #tails = new Map<TailHandlers, number>();
  #pending: Pending[] = [];
  #flushing = false;
  #stopLooking: (() => void) | undefined;
  #dataVersion = 0;
  #closed = false;

  /**
   * Opens a store, and makes its tables where there are none.
   *
   * @param database A path, or a database that is open, to itself: the store sets its journal, `synchronous` and
   * busy timeout. It closes the one that it opens itself.
   * @param options How much to keep, and how safely.
   * @throws {RangeError} If a number is out of bounds.
   * @throws {TypeError} If an option is unknown here.
   * @throws {SseError} `backend-failed` if the file was written by a newer version.
   */
  constructor(database: string | DatabaseSync, options: SqliteReplayStoreOptions = {}) {
    const checked = checkOptions(options);
    this.#pollInterval = checked.pollInterval;
    this.#ownsDb = typeof database === "string";
    this.#db = typeof database === "string" ? openFile(database) : database;
    this.#log = new SqliteLog(this.#db, checked);
    try {
      this.#log.open();
    } catch (error) {
      if (saysBusy(error)) return; // every call tries again
      if (this.#ownsDb) this.#db.close();
      throw error;
    }
  }

  /**
   * Stores events; see {@linkcode ReplayStore.append}. An own ID of the store's
   * form is refused with `id-taken`, as is one that another event of the same
   * topics has.
   */
  append(events: readonly NewEvent[]): Promise<readonly AppendResult[]> {
    if (this.#closed) return Promise.reject(closed("append"));
    return new Promise((resolve, reject) => {
      this.#pending.push({ events, resolve, reject, since: performance.now() });
      if (this.#flushing) return;
      this.#flushing = true;
      laterTurn(() => this.#flush());
    });
  }

  /** Reads retained events; see {@linkcode ReplayStore.read}. */
  read(after: number, options: ReadOptions): Promise<ReadResult> {
    return this.#run("read", (log) => log.read(after, options));
  }

  /** Hands over new events; see {@linkcode ReplayStore.tail}. */
  tail(handlers: TailHandlers): Promise<Tail> {
    return this.#run("tail", (log) => {
      const own: TailHandlers = {
        onEvents: (events) => handlers.onEvents(events),
        onError: (error) => handlers.onError(error),
        onLost: (position) => handlers.onLost(position),
      };
      const version = log.version(); // first: what is written after it will be looked for
      const position = log.newest();
      this.#tails.set(own, position);
      if (this.#stopLooking === undefined) {
        this.#dataVersion = version;
        this.#stopLooking = every(this.#pollInterval, () => this.#look());
      }
      return {
        position,
        close: () => {
          this.#tails.delete(own);
          if (this.#tails.size === 0) this.#stopPolling();
          return Promise.resolve();
        },
      };
    });
  }

  /**
   * The ID of a position; see {@linkcode ReplayStore.idAt}.
   *
   * @throws {SseError} `backend-failed` if no call has found the file unlocked yet.
   */
  idAt(position: number): string {
    if (!this.#log.isOpen) {
      throw new SseError("backend-failed", "Cannot make an ID as the SQLite file is locked by another process");
    }
    return this.#log.idAt(position);
  }

  /** The position of an ID; see {@linkcode ReplayStore.locate}. */
  locate(id: string, topics: readonly string[]): Promise<number | undefined> {
    return this.#run("locate", (log) => log.locate(id, topics));
  }

  /** The position to begin after; see {@linkcode ReplayStore.seek}. */
  seek(target: SeekTarget): Promise<number> {
    return this.#run("seek", (log) => log.seek(target));
  }

  /** The newest removed position; see {@linkcode ReplayStore.removed}. */
  removed(topics: readonly string[]): Promise<number> {
    return this.#run("read", (log) => log.removed(topics));
  }

  /** What the processes that have the file open say; see {@linkcode ReplayStore.announce}. */
  announce(node: string, says: string | undefined, ttl: number): Promise<ReadonlyMap<string, string>> {
    return this.#run("announce", (log) => log.announce(node, says, ttl));
  }

  /** Ends every tail, lets appends that wait fail, and closes the file if it was opened here. */
  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    this.#stopPolling();
    this.#tails.clear();
    for (const { reject } of this.#pending.splice(0)) reject(closed("append"));
    this.#log.close();
    if (this.#ownsDb) this.#db.close();
    return Promise.resolve();
  }

  /** One transaction of what waits; what does not fit comes with the next turn. */
  #flush(): void {
    if (this.#closed || this.#pending.length === 0) return void (this.#flushing = false);
    let calls = 0;
    for (let count = 0, length = 0; calls < this.#pending.length && count < BATCH.events && length < BATCH.length;) {
      const { events } = this.#pending[calls++]!;
      count += events.length;
      for (const { data } of events) length += data.length;
    }
    const batch = this.#pending.splice(0, calls);
    let isBusy = false;
    try {
      this.#log.open();
      const { results, stored } = this.#log.append(batch.map(({ events }) => events));
      batch.forEach(({ resolve }, i) => resolve(results[i]!));
      this.#handOver(stored);
    } catch (error) {
      isBusy = saysBusy(error) && performance.now() - batch[0]!.since < BUSY.max;
      if (isBusy) {
        this.#pending.unshift(...batch);
      } else {
        const why = error instanceof Error ? error.message : String(error);
        const failure = new SseError("backend-failed", `Cannot append to the SQLite file: got ${why}`, {
          cause: error,
        });
        for (const { reject } of batch) reject(failure);
      }
    }
    if (isBusy) setTimeout(() => this.#flush(), BUSY.step);
    else laterTurn(() => this.#flush());
  }

  /** Whether another process has written, and what. */
  #look(): void {
    try {
      const version = this.#log.version();
      if (version !== this.#dataVersion && this.#handOver()) this.#dataVersion = version;
    } catch (error) {
      for (const { onError } of this.#tails.keys()) onError(error);
    }
  }

  /**
   * Hands over to each tail what it has not had; whether that worked for all.
   *
   * @param stored What was stored just now, so that nobody need read it again.
   */
  #handOver(stored: readonly StoredEvent[] = []): boolean {
    let isDone = true;
    for (const tail of this.#tails.keys()) {
      try {
        for (let at = this.#tails.get(tail); at !== undefined; at = this.#tails.get(tail)) {
          const isNewest = stored[0]?.position === at + 1;
          const events = isNewest ? stored : this.#log.next(at);
          if (events.length === 0) break;
          // Retention has been faster than this tail
          if (!this.#log.follows(at, events[0]!.position)) tail.onLost(events[0]!.position - 1);
          this.#tails.set(tail, events.at(-1)!.position);
          tail.onEvents(events);
          if (isNewest) break;
        }
      } catch (error) {
        isDone = false;
        tail.onError(error);
      }
    }
    return isDone;
  }

  #stopPolling(): void {
    this.#stopLooking?.();
    this.#stopLooking = undefined;
  }

  /** Does it now, or as soon as no other process has the file. */
  async #run<T>(call: string, work: (log: SqliteLog) => T): Promise<T> {
    for (const since = performance.now();;) {
      if (this.#closed) throw closed(call);
      try {
        this.#log.open();
        return work(this.#log);
      } catch (error) {
        if (!saysBusy(error) || performance.now() - since >= BUSY.max) {
          const why = error instanceof Error ? error.message : String(error);
          throw new SseError("backend-failed", `Cannot ${call} from the SQLite file: got ${why}`, { cause: error });
        }
      }
      await new Promise((resolve) => setTimeout(resolve, BUSY.step));
    }
  }
}

/** Opens a file; one that is made is its owner's alone, as are those that SQLite puts beside it. */
function openFile(path: string): DatabaseSync {
  if (path !== "" && path !== ":memory:") {
    try {
      closeSync(openSync(path, "wx", 0o600));
    } catch {
      // It is there already; or it cannot be made, which SQLite says too
    }
  }
  return new DatabaseSync(path);
}

/** Whether another connection has the file. */
function saysBusy(error: unknown): boolean {
  return error instanceof Error && /database (?:table )?is (?:locked|busy)/i.test(error.message);
}
