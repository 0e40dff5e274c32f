import type { DatabaseSync, StatementSync } from "node:sqlite";
import type {
  AppendResult,
  NewEvent,
  ReadOptions,
  ReadResult,
  SeekTarget,
  StoredEvent,
} from "../broker/replay_store.ts";
import { STORE_ID, storeId } from "../broker/store_id.ts";
import { matchesAny, matchesTopic } from "../broker/topic.ts";
import { SseError } from "../errors.ts";
import { bodyOf, eventOf, type Stored } from "./event_body.ts";
import type { CheckedOptions } from "./sqlite_options.ts";
import { openSchema, sizeOf, tablesOf } from "./sqlite_schema.ts";

/** How many rows one read looks at: it holds the event loop for a few milliseconds. */
const EXAMINED_ROWS = 1_000;
/** How many rows one transaction removes beside what it adds. */
const REMOVED_ROWS = 256;
/** Of how many topics the newest removed position is kept; beyond, they share one. How often that is looked at, in commits. */
const REMOVED_TOPICS = { max: 100_000, every: 1_000 };
/** Under which they share it: no topic is empty. */
const ALL_TOPICS = "";

/**
 * Rows as arrays: the objects that `node:sqlite` makes are dictionaries, and to take their fields takes as long as SQLite
 * does. All three runtimes have it, but not Deno's types.
 */
interface ReturnsArrays {
  setReturnArrays(enabled: boolean): void;
}

/** One log in an SQLite file: its tables, and all that is asked of them. Every call may throw what SQLite throws. */
export class SqliteLog {
  readonly #db: DatabaseSync;
  readonly #limits: Pick<CheckedOptions, "maxEvents" | "maxAge" | "maxBytes">;
  readonly #tables: (sql: string) => string;
  readonly #eventTable: string;
  readonly #openSchema: () => string;
  readonly #statements = new Map<string, StatementSync>();
  #epoch = ""; // until it is open
  #removals = 0;

  constructor(db: DatabaseSync, { name, durability, ...limits }: CheckedOptions) {
    this.#db = db;
    this.#limits = limits;
    this.#tables = tablesOf(name);
    this.#eventTable = this.#tables("{events}").slice(1, -1);
    this.#openSchema = () => openSchema(db, name, durability);
  }

  /** Makes its tables where there are none; before every other call. Once it has worked, it does nothing. */
  open(): void {
    this.#epoch ||= this.#openSchema();
  }

  get isOpen(): boolean {
    return this.#epoch !== "";
  }

  idAt(position: number): string {
    return storeId(this.#epoch, position);
  }

  /** Stores the events of several calls, in one transaction: all of it, or an error and nothing. */
  append(batch: readonly (readonly NewEvent[])[]): AppendResult[][] {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      const last = this.#prepare("SELECT time, upto FROM {events} ORDER BY position DESC LIMIT 1").get();
      const time = Math.max(last?.["time"] as number | undefined ?? 0, Date.now()); // a clock set back must not unsort it
      let upto = last?.["upto"] as number | undefined ?? 0;
      const insert = this.#prepare(
        "INSERT INTO {events} (own_id, topics, body, time, start, upto) VALUES (?, ?, ?, ?, ?, ?)",
      );
      const find = this.#prepare("SELECT position FROM {events} WHERE own_id = ?");
      const oldest = this.#oldest();
      const results = batch.map((events) =>
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
            if (found !== undefined) this.#prepare("UPDATE {events} SET own_id = NULL WHERE position = ?").run(found);
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

  /** Does what only reads, at one moment of the file: other processes write meanwhile. */
  snapshot<T>(work: () => T): T {
    this.#db.exec("BEGIN");
    try {
      return work();
    } finally {
      if (this.#db.isTransaction) this.#db.exec("COMMIT");
    }
  }

  read(after: number, { topics, limit, maxLength = Infinity }: ReadOptions): ReadResult {
    const removed = this.#oldest() - 1;
    const from = Math.max(after, removed);
    const events: StoredEvent[] = [];
    let position = from;
    let left = maxLength;
    let names = { text: "", topics: [] as readonly string[], reaches: false }; // which often are those of the event before
    // No more at once than may be wanted
    const step = Math.min(limit, EXAMINED_ROWS);
    for (let examined = 0; examined < EXAMINED_ROWS && events.length < limit && left > 0; examined += step) {
      const page = this.#rows(position, step);
      for (const row of page) {
        if (left <= 0) return { events, position, removed };
        position = row.position;
        if (names.text !== row.topics) {
          const list: string[] = JSON.parse(row.topics);
          names = { text: row.topics, topics: list, reaches: topics === undefined || matchesAny(topics, list) };
        }
        if (!names.reaches) continue;
        const event = eventOf(row, this.#epoch, names.topics);
        events.push(event);
        left -= event.data.length;
      }
      if (page.length < step) return { events, position: Math.max(position, this.newest()), removed };
    }
    return { events, position, removed };
  }

  /** The next events, whatever their age. */
  next(after: number): StoredEvent[] {
    return this.#rows(after, EXAMINED_ROWS).map((row) => eventOf(row, this.#epoch));
  }

  locate(id: string): number | undefined {
    const [, epoch, digits] = STORE_ID.exec(id) ?? [];
    if (digits !== undefined) {
      return epoch === this.#epoch && Number(digits) <= this.newest() ? Number(digits) : undefined;
    }
    const row = this.#prepare("SELECT position FROM {events} WHERE own_id = ? AND position >= ?").get(
      id,
      this.#oldest(),
    );
    return row?.["position"] as number | undefined;
  }

  seek(target: SeekTarget): number {
    const oldest = this.#oldest();
    if ("since" in target) {
      const row = this.#prepare("SELECT position FROM {events} WHERE time >= ? ORDER BY time, position LIMIT 1")
        .get(target.since);
      return Math.max(oldest - 1, row === undefined ? this.newest() : row["position"] as number - 1);
    }
    let left = target.last;
    let before = this.newest() + 1;
    const rows = this.#prepare(
      "SELECT position, topics FROM {events} WHERE position < ? AND position >= ? ORDER BY position DESC LIMIT ?",
    );
    for (;;) {
      const page = rows.all(before, oldest, EXAMINED_ROWS) as unknown as Stored[];
      for (const { position, topics } of page) {
        before = position;
        if (matchesAny(target.topics, JSON.parse(topics)) && --left === 0) return position - 1;
      }
      if (page.length < EXAMINED_ROWS) return oldest - 1;
    }
  }

  removed(topics: readonly string[]): number {
    const oldest = this.#oldest();
    // What is too old and still there is removed for everybody: later is allowed
    const aged = this.#prepare("SELECT min(position) AS position FROM {events}").get()?.["position"] as number | null;
    let newest = aged !== null && aged < oldest ? oldest - 1 : 0;
    for (const pattern of [ALL_TOPICS, ...topics]) {
      if (pattern.includes("*")) {
        const rows = this.#prepare("SELECT topic, position FROM {removed} WHERE position > ?").all(newest);
        for (const { topic, position } of rows as unknown as { topic: string; position: number }[]) {
          if (matchesTopic(pattern, topic)) newest = Math.max(newest, position);
        }
      } else {
        const row = this.#prepare("SELECT position FROM {removed} WHERE topic = ?").get(pattern);
        newest = Math.max(newest, row?.["position"] as number | undefined ?? 0);
      }
    }
    return newest;
  }

  /** Says what a node says to the processes that have the log open, and what they say. */
  announce(node: string, says: string | undefined, ttl: number): ReadonlyMap<string, string> {
    const now = Date.now();
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      this.#prepare("DELETE FROM {nodes} WHERE till < ? OR node = ?").run(now, node);
      if (says !== undefined) {
        this.#prepare("INSERT INTO {nodes} (node, says, till) VALUES (?, ?, ?)").run(node, says, now + ttl);
      }
      const rows = this.#prepare("SELECT node, says FROM {nodes}").all() as unknown as { node: string; says: string }[];
      this.#db.exec("COMMIT");
      return new Map(rows.map(({ node, says }) => [node, says]));
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  newest(): number {
    const row = this.#prepare("SELECT seq FROM sqlite_sequence WHERE name = ?").get(this.#eventTable);
    return row?.["seq"] as number | undefined ?? 0;
  }

  /** Counts the changes of other connections. */
  version(): number {
    return this.#prepare("PRAGMA data_version").get()?.["data_version"] as number;
  }

  /** Lets go of its statements. */
  close(): void {
    this.#statements.clear();
  }

  /** Removes what the limits no longer allow, some at a time, and notes of which topics. */
  #retain(): void {
    const first = this.#prepare("SELECT min(position) AS position FROM {events}").get()?.["position"] as number | null;
    if (first === null) return;
    const newest = this.newest();
    const { maxEvents, maxBytes } = this.#limits;
    let cut = Math.max(newest - maxEvents, this.#oldest() - 1);
    const total = this.#prepare("SELECT upto FROM {events} WHERE position = ?").get(newest)?.["upto"] as number;
    if (maxBytes < Infinity) {
      const row = this.#prepare("SELECT position FROM {events} WHERE start < ? ORDER BY start DESC LIMIT 1").get(
        total - maxBytes,
      );
      cut = Math.max(cut, row?.["position"] as number | undefined ?? 0);
    }
    cut = Math.min(cut, first + REMOVED_ROWS - 1);
    if (cut < first) return;
    this.#prepare(
      "INSERT INTO {removed} (topic, position) SELECT value, max(position) FROM {events}, json_each(topics) " +
        "WHERE position <= ? GROUP BY value ON CONFLICT (topic) DO UPDATE SET position = excluded.position",
    ).run(cut);
    this.#prepare("DELETE FROM {events} WHERE position <= ?").run(cut);
    if (this.#removals++ % REMOVED_TOPICS.every > 0) return;
    const { count } = this.#prepare("SELECT count(*) AS count FROM {removed}").get() as { count: number };
    if (count <= REMOVED_TOPICS.max) return;
    this.#prepare("DELETE FROM {removed}").run();
    this.#prepare("INSERT INTO {removed} (topic, position) VALUES (?, ?)").run(ALL_TOPICS, cut);
  }

  /** The oldest position that is retained: the newest and one more if none is. */
  #oldest(): number {
    const { maxAge, maxEvents } = this.#limits;
    const newest = this.newest();
    const row = maxAge === Infinity
      ? this.#prepare("SELECT min(position) AS position FROM {events}").get()
      : this.#prepare("SELECT position FROM {events} WHERE time >= ? ORDER BY time, position LIMIT 1").get(
        Date.now() - maxAge,
      );
    return Math.max(row?.["position"] as number | null | undefined ?? newest + 1, newest - maxEvents + 1);
  }

  #rows(after: number, limit: number): Stored[] {
    const statement = this.#prepare(
      "SELECT position, own_id, topics, body, time FROM {events} WHERE position > ? ORDER BY position LIMIT ?",
    ) as StatementSync & ReturnsArrays;
    statement.setReturnArrays(true);
    const rows = statement.all(after, limit) as unknown as [number, string | null, string, string, number][];
    return rows.map(([position, ownId, topics, body, time]) => ({ position, ownId, topics, body, time }));
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, statement = this.#db.prepare(this.#tables(sql)));
    return statement;
  }
}
