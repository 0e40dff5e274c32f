import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { AppendResult, NewEvent, ReadOptions, ReadResult, SeekTarget, StoredEvent } from "../replay_store.ts";
import { STORE_ID, storeId } from "../store_id.ts";
import { matchesAny, matchesTopic } from "../../topic.ts";
import { SseError } from "../../errors.ts";
import { bodyOf, eventOf, type Stored } from "../log/event_body.ts";
import type { CheckedOptions } from "./options.ts";
import { openSchema, sizeOf, tablesOf } from "./schema.ts";

/** How many rows one read looks at: it holds the event loop for a few milliseconds. */
const EXAMINED_ROWS = 1_000;
/** How many rows one transaction removes beyond those it adds. */
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

/** What the newest row and the note of what is removed say. */
interface State {
  /** `PRAGMA data_version` when they were read. */
  readonly version: number;
  /** The newest position, 0 if there never was an event; its time; the bytes of all events up to it. */
  readonly newest: number;
  readonly time: number;
  readonly upto: number;
  /** The newest removed position, and the bytes of all events up to it. */
  readonly removed: number;
  readonly removedUpto: number;
}

/** One log in an SQLite file: its tables, and all that is asked of them. Every call may throw what SQLite throws. */
export class SqliteLog {
  readonly #db: DatabaseSync;
  readonly #limits: Pick<CheckedOptions, "maxEvents" | "maxAge" | "maxBytes">;
  readonly #tables: (sql: string) => string;
  readonly #openSchema: () => string;
  readonly #statements = new Map<string, StatementSync>();
  #epoch = ""; // until it is open
  #state: State | undefined;
  /** What is before it is known to be too old. */
  #aged = 1;
  #removals = 0;

  constructor(db: DatabaseSync, { name, durability, ...limits }: CheckedOptions) {
    this.#db = db;
    this.#limits = limits;
    this.#tables = tablesOf(name);
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
  append(batch: readonly (readonly NewEvent[])[]): { results: AppendResult[][]; stored: StoredEvent[] } {
    this.#prepare("BEGIN IMMEDIATE").run();
    try {
      const state = this.#current();
      let oldest: number | undefined; // asked for by own IDs only
      const time = Math.max(state.time, Date.now()); // a clock set back must not unsort it
      let { newest, upto } = state;
      const insert = this.#prepare(
        "INSERT INTO {events} (position, own_id, topics, body, time, upto) VALUES (?, ?, ?, ?, ?, ?)",
      );
      const stored: StoredEvent[] = [];
      const results = batch.map((events) =>
        events.map((event): AppendResult => {
          const own = event.id;
          if (own !== undefined) {
            if (STORE_ID.test(own)) {
              return {
                error: new SseError("id-taken", `Cannot publish as IDs of this form are the store's: got "${own}"`),
              };
            }
            const found = this.#prepare("SELECT position FROM {events} WHERE own_id = ?").get(own)?.["position"] as
              | number
              | undefined;
            if (found !== undefined) {
              if (found >= (oldest ??= this.#oldest(state))) return { id: own };
              this.#prepare("UPDATE {events} SET own_id = NULL WHERE position = ?").run(found);
            }
          }
          const body = bodyOf(event);
          const topics = JSON.stringify(event.topics);
          upto += sizeOf(topics, body, own);
          insert.run(++newest, own ?? null, topics, body, time, upto);
          const made = eventOf({ position: newest, ownId: own, topics, body, time }, this.#epoch, event.topics);
          stored.push(made);
          return { id: made.id };
        })
      );
      this.#state = stored.length === 0 ? state : this.#retain({ ...state, newest, time, upto }, stored.length);
      this.#prepare("COMMIT").run();
      return { results, stored };
    } catch (error) {
      this.#state = undefined;
      if (this.#db.isTransaction) this.#prepare("ROLLBACK").run(); // unless SQLite has rolled it back itself
      throw error;
    }
  }

  /** Does what only reads, at one moment of the file: other processes write meanwhile. */
  snapshot<T>(work: () => T): T {
    this.#prepare("BEGIN").run();
    try {
      return work();
    } finally {
      if (this.#db.isTransaction) this.#prepare("COMMIT").run();
    }
  }

  read(after: number, { topics, limit, maxLength = Infinity }: ReadOptions): ReadResult {
    const state = this.#current();
    const removed = this.#oldest(state) - 1;
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
      if (page.length < step) return { events, position: Math.max(position, state.newest), removed };
    }
    return { events, position, removed };
  }

  /** The next events, whatever their age. */
  next(after: number): StoredEvent[] {
    return this.#rows(after, EXAMINED_ROWS).map((row) => eventOf(row, this.#epoch));
  }

  locate(id: string): number | undefined {
    const state = this.#current();
    const [, epoch, digits] = STORE_ID.exec(id) ?? [];
    if (digits !== undefined) {
      return epoch === this.#epoch && Number(digits) <= state.newest ? Number(digits) : undefined;
    }
    const row = this.#prepare("SELECT position FROM {events} WHERE own_id = ? AND position >= ?").get(
      id,
      this.#oldest(state),
    );
    return row?.["position"] as number | undefined;
  }

  seek(target: SeekTarget): number {
    const state = this.#current();
    const oldest = this.#oldest(state);
    if ("since" in target) return this.#first("time", target.since, oldest, state.newest) - 1;
    let left = target.last;
    let before = state.newest + 1;
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
    const state = this.#current();
    const oldest = this.#oldest(state);
    // What the limits no longer allow and is still there is removed for everybody: later is allowed
    let newest = oldest - 1 > state.removed ? oldest - 1 : 0;
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
    return this.#current().newest;
  }

  /** Counts the changes of other connections. */
  version(): number {
    return this.#prepare("PRAGMA data_version").get()?.["data_version"] as number;
  }

  /** Lets go of its statements. */
  close(): void {
    this.#statements.clear();
  }

  /** What is known of the log, read again if another process has written. */
  #current(): State {
    const version = this.version();
    if (this.#state?.version === version) return this.#state;
    const row = this.#prepare(
      "SELECT removed, removed_upto AS removedUpto, coalesce(position, 0) AS newest, coalesce(time, 0) AS time, " +
        "coalesce(upto, 0) AS upto FROM {store} LEFT JOIN " +
        "(SELECT position, time, upto FROM {events} ORDER BY position DESC LIMIT 1) ON true",
    ).get() as unknown as Omit<State, "version">;
    return this.#state = { ...row, version };
  }

  /** Removes what the limits no longer allow, some at a time, and notes of which topics. */
  #retain(state: State, added: number): State {
    const { newest, removed } = state;
    const cut = Math.min(this.#oldest(state) - 1, removed + added + REMOVED_ROWS);
    if (cut <= removed) return state;
    this.#prepare(
      "INSERT INTO {removed} (topic, position) SELECT value, max(position) FROM {events}, json_each(topics) " +
        "WHERE position > ? AND position <= ? GROUP BY value " +
        "ON CONFLICT (topic) DO UPDATE SET position = excluded.position",
    ).run(removed, cut);
    const { upto } = this.#prepare("SELECT upto FROM {events} WHERE position = ?").get(cut) as { upto: number };
    this.#prepare("DELETE FROM {events} WHERE position <= ? AND position < ?").run(cut, newest);
    this.#prepare("UPDATE {store} SET removed = ?, removed_upto = ?").run(cut, upto);
    if (this.#removals++ % REMOVED_TOPICS.every === 0) this.#boundRemoved(cut);
    return { ...state, removed: cut, removedUpto: upto };
  }

  /** For more topics than that, one note for all. */
  #boundRemoved(cut: number): void {
    const { count } = this.#prepare("SELECT count(*) AS count FROM {removed}").get() as { count: number };
    if (count <= REMOVED_TOPICS.max) return;
    this.#prepare("DELETE FROM {removed}").run();
    this.#prepare("INSERT INTO {removed} (topic, position) VALUES (?, ?)").run(ALL_TOPICS, cut);
  }

  /** The oldest position that is retained: the newest and one more if none is. */
  #oldest({ newest, removed, upto, removedUpto }: State): number {
    const { maxAge, maxEvents, maxBytes } = this.#limits;
    let oldest = Math.max(removed + 1, newest - maxEvents + 1);
    if (upto - removedUpto > maxBytes) {
      oldest = Math.max(oldest, this.#first("upto", upto - maxBytes, removed + 1, newest) + 1);
    }
    if (maxAge < Infinity) {
      oldest = this.#aged = this.#first("time", Date.now() - maxAge, Math.max(oldest, this.#aged), newest);
    }
    return oldest;
  }

  /**
   * The first position from one on whose row has at least so much of what grows from row to row; one after the newest if
   * none has. The answer is often near where it begins to look.
   */
  #first(column: "time" | "upto", least: number, from: number, newest: number): number {
    const find = this.#prepare(`SELECT ${column} FROM {events} WHERE position >= ? ORDER BY position LIMIT 1`);
    const has = (position: number): boolean => (find.get(position)![column] as number) >= least;
    let high = newest + 1;
    let low = Math.min(from, high); // everything before it has less
    for (let step = 1; low < high; step *= 2) {
      const at = Math.min(low + step, high) - 1;
      if (has(at)) {
        high = at;
        break;
      }
      low = at + 1;
    }
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (has(middle)) high = middle;
      else low = middle + 1;
    }
    return low;
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
