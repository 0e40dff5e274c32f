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
 * assertEquals(await store.locate(id), 1);
 * ```
 *
 * @module
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
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
} from "../broker/replay_store.ts";
import { STORE_ID, storeId } from "../broker/store_id.ts";
import { matchesAny, matchesTopic } from "../broker/topic.ts";
import { SseError } from "../errors.ts";
import { closed } from "./closed.ts";
import { type CheckedOptions, checkOptions, type SqliteReplayStoreOptions } from "./sqlite_options.ts";
import { bodyOf, eventOf, type Stored } from "./event_body.ts";
import { announceIn } from "./sqlite_nodes.ts";
import { openSchema, sizeOf } from "./sqlite_schema.ts";

export type { SqliteReplayStoreOptions } from "./sqlite_options.ts";

/** How many events one transaction takes: it holds the event loop for 10 ms or so (`bench/sqlite_bench.ts`). */
const BATCH_EVENTS = 128;
/** How many rows one read looks at, for the same reason. */
const EXAMINED_ROWS = 1_000;
/** How many rows one transaction removes beside what it adds. */
const REMOVED_ROWS = 2 * BATCH_EVENTS;
/** Of how many topics the newest removed position is kept; beyond, they share one. How often that is looked at, in commits. */
const REMOVED_TOPICS = { max: 100_000, every: 1_000 };
/** Under which they share it: no topic is empty. */
const ALL_TOPICS = "";
/** How long an append waits for another process that writes, in milliseconds, and how often it asks. */
const BUSY = { max: 5_000, step: 5 };

interface Pending {
  readonly events: readonly NewEvent[];
  readonly resolve: (results: readonly AppendResult[]) => void;
  readonly reject: (error: unknown) => void;
  /** Since when it waits. */
  readonly since: number;
}

/**
 * Keeps events in an SQLite file with a write-ahead log.
 *
 * Publishes of one turn are one transaction; `publish` resolves after its
 * commit. Several processes on one file see each other's events within
 * `pollInterval`. While another process writes, appends wait for five seconds
 * at most, without holding up the event loop, and then fail with
 * `backend-failed`.
 */
export class SqliteReplayStore implements ReplayStore {
  readonly #db: DatabaseSync;
  readonly #ownsDb: boolean;
  readonly #epoch: string;
  readonly #limits: Pick<CheckedOptions, "maxEvents" | "maxAge" | "maxBytes">;
  readonly #pollInterval: number;
  readonly #statements = new Map<string, StatementSync>();
  readonly #tails = new Map<TailHandlers, number>();
  #pending: Pending[] = [];
  #flushing = false;
  #poll: ReturnType<typeof setInterval> | undefined;
  #dataVersion = 0;
  #removals = 0;
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
    const { durability, pollInterval, ...limits } = checkOptions(options);
    this.#limits = limits;
    this.#pollInterval = pollInterval;
    this.#ownsDb = typeof database === "string";
    this.#db = typeof database === "string" ? new DatabaseSync(database) : database;
    this.#epoch = openSchema(this.#db, durability);
  }

  /** Stores events; see {@linkcode ReplayStore.append}. An own ID of the store's form is refused with `id-taken`. */
  append(events: readonly NewEvent[]): Promise<readonly AppendResult[]> {
    if (this.#closed) return Promise.reject(closed("append"));
    return new Promise((resolve, reject) => {
      this.#pending.push({ events, resolve, reject, since: performance.now() });
      if (this.#flushing) return;
      this.#flushing = true;
      setTimeout(() => this.#flush());
    });
  }

  /** Reads retained events; see {@linkcode ReplayStore.read}. */
  read(after: number, { topics, limit, maxLength = Infinity }: ReadOptions): Promise<ReadResult> {
    return this.#run("read", () => {
      const removed = this.#oldest() - 1;
      const from = Math.max(after, removed);
      const events: StoredEvent[] = [];
      let position = from;
      let left = maxLength;
      let names = { text: "[]", topics: [] as readonly string[] }; // which often are those of the event before
      const rows = this.#prepare(
        "SELECT position, own_id AS ownId, topics, body, time FROM events WHERE position > ? ORDER BY position LIMIT ?",
      );
      // No more at once than may be wanted
      const step = Math.min(limit, EXAMINED_ROWS);
      for (let examined = 0; examined < EXAMINED_ROWS && events.length < limit && left > 0; examined += step) {
        const page = rows.all(position, step) as unknown as Stored[];
        for (const row of page) {
          if (left <= 0) return { events, position, removed };
          position = row.position;
          if (names.text !== row.topics) names = { text: row.topics, topics: JSON.parse(row.topics) };
          if (topics !== undefined && !matchesAny(topics, names.topics)) continue;
          const event = eventOf(row, this.#epoch, names.topics);
          events.push(event);
          left -= event.data.length;
        }
        if (page.length < step) return { events, position: Math.max(position, this.#newest()), removed };
      }
      return { events, position, removed };
    });
  }

  /** Hands over new events; see {@linkcode ReplayStore.tail}. */
  tail(handlers: TailHandlers): Promise<Tail> {
    return this.#run("tail", () => {
      const own: TailHandlers = {
        onEvents: (events) => handlers.onEvents(events),
        onError: (error) => handlers.onError(error),
        onLost: (position) => handlers.onLost(position),
      };
      const position = this.#newest();
      this.#tails.set(own, position);
      if (this.#poll === undefined) {
        this.#dataVersion = this.#version();
        this.#poll = setInterval(() => this.#look(), this.#pollInterval);
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

  /** The ID of a position; see {@linkcode ReplayStore.idAt}. */
  idAt(position: number): string {
    return storeId(this.#epoch, position);
  }

  /** The position of an ID; see {@linkcode ReplayStore.locate}. */
  locate(id: string): Promise<number | undefined> {
    return this.#run("locate", () => {
      const [, epoch, digits] = STORE_ID.exec(id) ?? [];
      if (digits !== undefined) {
        return epoch === this.#epoch && Number(digits) <= this.#newest() ? Number(digits) : undefined;
      }
      const row = this.#prepare("SELECT position FROM events WHERE own_id = ? AND position >= ?").get(
        id,
        this.#oldest(),
      );
      return row?.["position"] as number | undefined;
    });
  }

  /** The position to begin after; see {@linkcode ReplayStore.seek}. */
  seek(target: SeekTarget): Promise<number> {
    return this.#run("seek", () => {
      const oldest = this.#oldest();
      if ("since" in target) {
        const row = this.#prepare("SELECT position FROM events WHERE time >= ? ORDER BY time, position LIMIT 1")
          .get(target.since);
        return Math.max(oldest - 1, row === undefined ? this.#newest() : row["position"] as number - 1);
      }
      let left = target.last;
      let before = this.#newest() + 1;
      const rows = this.#prepare(
        "SELECT position, topics FROM events WHERE position < ? AND position >= ? ORDER BY position DESC LIMIT ?",
      );
      for (;;) {
        const page = rows.all(before, oldest, EXAMINED_ROWS) as unknown as Stored[];
        for (const { position, topics } of page) {
          before = position;
          if (matchesAny(target.topics, JSON.parse(topics)) && --left === 0) return position - 1;
        }
        if (page.length < EXAMINED_ROWS) return oldest - 1;
      }
    });
  }

  /** The newest removed position; see {@linkcode ReplayStore.removed}. */
  removed(topics: readonly string[]): Promise<number> {
    return this.#run("read", () => {
      const oldest = this.#oldest();
      // What is too old and still there is removed for everybody: later is allowed
      const aged = this.#prepare("SELECT min(position) AS position FROM events").get()?.["position"] as number | null;
      let newest = aged !== null && aged < oldest ? oldest - 1 : 0;
      for (const pattern of [ALL_TOPICS, ...topics]) {
        if (pattern.includes("*")) {
          const rows = this.#prepare("SELECT topic, position FROM removed WHERE position > ?").all(newest);
          for (const { topic, position } of rows as unknown as { topic: string; position: number }[]) {
            if (matchesTopic(pattern, topic)) newest = Math.max(newest, position);
          }
        } else {
          const row = this.#prepare("SELECT position FROM removed WHERE topic = ?").get(pattern);
          newest = Math.max(newest, row?.["position"] as number | undefined ?? 0);
        }
      }
      return newest;
    });
  }

  /** What the processes that have the file open say; see {@linkcode ReplayStore.announce}. */
  async announce(node: string, says: string | undefined, ttl: number): Promise<ReadonlyMap<string, string>> {
    for (const since = performance.now();;) {
      try {
        return await this.#run("announce", () => announceIn(this.#db, node, says, ttl));
      } catch (error) {
        if (!isBusy((error as Error).cause) || performance.now() - since > BUSY.max) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, BUSY.step));
    }
  }

  /** Ends every tail, lets appends that wait fail, and closes the file if it was opened here. */
  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    this.#stopPolling();
    this.#tails.clear();
    for (const { reject } of this.#pending.splice(0)) reject(closed("append"));
    this.#statements.clear();
    if (this.#ownsDb) this.#db.close();
    return Promise.resolve();
  }

  /** One transaction of what waits; what does not fit comes with the next turn. */
  #flush(): void {
    if (this.#closed || this.#pending.length === 0) return void (this.#flushing = false);
    const batch: Pending[] = [];
    for (let events = 0; this.#pending.length > 0 && events < BATCH_EVENTS;) {
      const next = this.#pending.shift()!;
      batch.push(next);
      events += next.events.length;
    }
    let wait = 0;
    try {
      const answered = this.#commit(batch);
      batch.forEach(({ resolve }, i) => resolve(answered[i]!));
      this.#handOver();
    } catch (error) {
      if (isBusy(error) && performance.now() - batch[0]!.since < BUSY.max) {
        this.#pending.unshift(...batch);
        wait = BUSY.step;
      } else {
        const why = error instanceof Error ? error.message : String(error);
        const failure = new SseError("backend-failed", `Cannot append to the SQLite file: got ${why}`, {
          cause: error,
        });
        for (const { reject } of batch) reject(failure);
      }
    }
    setTimeout(() => this.#flush(), wait);
  }

  /** All of it, or an error and nothing. */
  #commit(batch: readonly Pending[]): AppendResult[][] {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      const last = this.#prepare("SELECT time, upto FROM events ORDER BY position DESC LIMIT 1").get();
      const time = Math.max(last?.["time"] as number | undefined ?? 0, Date.now()); // a clock set back must not unsort it
      let upto = last?.["upto"] as number | undefined ?? 0;
      const insert = this.#prepare(
        "INSERT INTO events (own_id, topics, body, time, start, upto) VALUES (?, ?, ?, ?, ?, ?)",
      );
      const find = this.#prepare("SELECT position FROM events WHERE own_id = ?");
      const oldest = this.#oldest();
      const results = batch.map(({ events }) =>
        events.map((event): AppendResult => {
          const { id, topics } = event;
          if (id !== undefined) {
            if (STORE_ID.test(id)) {
              return {
                error: new SseError("id-taken", `Cannot publish as IDs of this form are the store's: got "${id}"`),
              };
            }
            const found = find.get(id)?.["position"] as number | undefined;
            if (found !== undefined && found >= oldest) return { id };
            if (found !== undefined) this.#prepare("UPDATE events SET own_id = NULL WHERE position = ?").run(found);
          }
          const body = bodyOf(event);
          const names = JSON.stringify(topics);
          const start = upto;
          upto += sizeOf(names, body, id);
          const { lastInsertRowid } = insert.run(id ?? null, names, body, time, start, upto);
          return { id: id ?? this.idAt(Number(lastInsertRowid)) };
        })
      );
      this.#retain();
      this.#db.exec("COMMIT");
      return results;
    } catch (error) {
      try {
        this.#db.exec("ROLLBACK");
      } catch {
        // SQLite has rolled it back itself
      }
      throw error;
    }
  }

  /** Removes what the limits no longer allow, some at a time, and notes of which topics. */
  #retain(): void {
    const first = this.#prepare("SELECT min(position) AS position FROM events").get()?.["position"] as number | null;
    if (first === null) return;
    const newest = this.#newest();
    const { maxEvents, maxBytes } = this.#limits;
    let cut = Math.max(newest - maxEvents, this.#oldest() - 1);
    const total = this.#prepare("SELECT upto FROM events WHERE position = ?").get(newest)?.["upto"] as number;
    if (maxBytes < Infinity) {
      const row = this.#prepare("SELECT position FROM events WHERE start < ? ORDER BY start DESC LIMIT 1").get(
        total - maxBytes,
      );
      cut = Math.max(cut, row?.["position"] as number | undefined ?? 0);
    }
    cut = Math.min(cut, first + REMOVED_ROWS - 1);
    if (cut < first) return;
    this.#prepare(
      "INSERT INTO removed (topic, position) SELECT value, max(position) FROM events, json_each(events.topics) " +
        "WHERE position <= ? GROUP BY value ON CONFLICT (topic) DO UPDATE SET position = excluded.position",
    ).run(cut);
    this.#prepare("DELETE FROM events WHERE position <= ?").run(cut);
    if (this.#removals++ % REMOVED_TOPICS.every > 0) return;
    const { count } = this.#prepare("SELECT count(*) AS count FROM removed").get() as { count: number };
    if (count <= REMOVED_TOPICS.max) return;
    this.#db.exec("DELETE FROM removed");
    this.#prepare("INSERT INTO removed (topic, position) VALUES (?, ?)").run(ALL_TOPICS, cut);
  }

  /** The oldest position that is retained: the newest and one more if none is. */
  #oldest(): number {
    const { maxAge, maxEvents } = this.#limits;
    const newest = this.#newest();
    const row = maxAge === Infinity
      ? this.#prepare("SELECT min(position) AS position FROM events").get()
      : this.#prepare("SELECT position FROM events WHERE time >= ? ORDER BY time, position LIMIT 1").get(
        Date.now() - maxAge,
      );
    return Math.max(row?.["position"] as number | null | undefined ?? newest + 1, newest - maxEvents + 1);
  }

  #newest(): number {
    return this.#prepare("SELECT seq FROM sqlite_sequence WHERE name = 'events'").get()?.["seq"] as
      | number
      | undefined ?? 0;
  }

  /** Counts the changes of other connections. */
  #version(): number {
    return this.#prepare("PRAGMA data_version").get()?.["data_version"] as number;
  }

  /** Whether another process has written, and what. */
  #look(): void {
    try {
      const version = this.#version();
      if (version === this.#dataVersion) return;
      this.#dataVersion = version;
      this.#handOver();
    } catch (error) {
      for (const { onError } of this.#tails.keys()) onError(error);
    }
  }

  /** Hands over to each tail what it has not had. */
  #handOver(): void {
    for (const tail of this.#tails.keys()) {
      try {
        for (let at = this.#tails.get(tail); at !== undefined; at = this.#tails.get(tail)) {
          const rows = this.#prepare(
            "SELECT position, own_id AS ownId, topics, body, time FROM events WHERE position > ? ORDER BY position LIMIT ?",
          )
            .all(at, EXAMINED_ROWS) as unknown as Stored[];
          if (rows.length === 0) break;
          // Retention has been faster than this tail
          if (rows[0]!.position > at + 1) tail.onLost(rows[0]!.position - 1);
          this.#tails.set(tail, rows.at(-1)!.position);
          tail.onEvents(rows.map((row) => eventOf(row, this.#epoch)));
        }
      } catch (error) {
        tail.onError(error);
      }
    }
  }

  #stopPolling(): void {
    clearInterval(this.#poll);
    this.#poll = undefined;
  }

  // deno-lint-ignore require-await
  async #run<T>(call: string, work: () => T): Promise<T> {
    if (this.#closed) throw closed(call);
    try {
      return work();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new SseError("backend-failed", `Cannot ${call} from the SQLite file: got ${why}`, { cause: error });
    }
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, statement = this.#db.prepare(sql));
    return statement;
  }
}

/** Whether another connection has the file. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && /database (?:table )?is (?:locked|busy)/i.test(error.message);
}
