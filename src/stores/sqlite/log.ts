import type { DatabaseSync } from "node:sqlite";
import { matchesAny, TopicMatcher } from "../../topic.ts";
import { bodyOf, eventOf, type Stored } from "../log/event_body.ts";
import { idTaken, ownOf, refusalOf } from "../log/own_id.ts";
import { follows, givenOut, isInHole } from "../log/state.ts";
import { LOOKED_AT } from "../own_ids.ts";
import type { AppendResult, NewEvent, ReadOptions, ReadResult, SeekTarget, StoredEvent } from "../replay_store.ts";
import { STORE_ID, storeId } from "../store_id.ts";
import { SqliteNodes } from "./nodes.ts";
import type { CheckedOptions } from "./options.ts";
import { type LogExtent, Retention } from "./retention.ts";
import { closeSchema, openSchema, sizeOf } from "./schema.ts";
import { Statements } from "./statements.ts";

/** How many rows one read looks at: it holds the event loop for a few milliseconds. */
const EXAMINED_ROWS = 1_000;

/** One log in an SQLite file: its tables, and all that is asked of them. Every call may throw what SQLite throws. */
export class SqliteLog {
  readonly #statements: Statements;
  readonly #retention: Retention;
  readonly #nodes: SqliteNodes;
  readonly #openSchema: () => string;
  readonly #closeSchema: () => void;
  #epoch = ""; // until it is open

  constructor(db: DatabaseSync, options: CheckedOptions) {
    this.#statements = new Statements(db, options.name);
    this.#retention = new Retention(this.#statements, options);
    this.#nodes = new SqliteNodes(this.#statements);
    this.#openSchema = () => openSchema(db, options);
    this.#closeSchema = () => closeSchema(db, options);
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

  newest(): number {
    return this.#retention.extent().newest;
  }

  /** Counts the changes of other connections. */
  version(): number {
    return this.#retention.version();
  }

  /** Stores the events of several calls, in one transaction: all of it, or an error and nothing. */
  append(batch: readonly (readonly NewEvent[])[]): { results: AppendResult[][]; stored: StoredEvent[] } {
    try {
      return this.#statements.write(() => {
        const extent = this.#retention.extent();
        const stored: StoredEvent[] = [];
        const results = this.#insert(batch, extent, stored);
        return { results, stored };
      });
    } catch (error) {
      this.#retention.forget();
      throw error;
    }
  }

  read(after: number, { topics, limit, maxLength = Infinity }: ReadOptions): ReadResult {
    return this.#statements.snapshot(() => {
      const extent = this.#retention.extent();
      const cut = this.#retention.oldest(extent) - 1;
      const removed = givenOut(extent, cut);
      const events: StoredEvent[] = [];
      let position = Math.max(after, cut);
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
        if (page.length < step) return { events, position: Math.max(position, extent.newest), removed };
      }
      return { events, position, removed };
    });
  }

  /** The next events, whatever their age. */
  next(after: number): StoredEvent[] {
    return this.#rows(after, EXAMINED_ROWS).map((row) => eventOf(row, this.#epoch));
  }

  locate(id: string, topics: readonly string[]): number | undefined {
    return this.#statements.snapshot(() => {
      const extent = this.#retention.extent();
      const [, epoch, digits] = STORE_ID.exec(id) ?? [];
      if (digits !== undefined) {
        const position = Number(digits);
        const wasGiven = epoch === this.#epoch && position <= extent.newest && !isInHole(extent, position);
        return wasGiven ? position : undefined;
      }
      const rows = this.#statements.prepare(
        "SELECT position, topics FROM {events} WHERE own_id = ? AND position >= ? ORDER BY position LIMIT ?",
      ).all(id, this.#retention.oldest(extent), LOOKED_AT) as unknown as Stored[];
      const matcher = new TopicMatcher(topics);
      return rows.find((row) => matcher.matches(JSON.parse(row.topics)))?.position;
    });
  }

  seek(target: SeekTarget): number {
    return this.#statements.snapshot(() => {
      const extent = this.#retention.extent();
      const oldest = this.#retention.oldest(extent);
      if ("since" in target) return this.#retention.first("time", target.since, oldest, extent.newest) - 1;
      let left = target.last;
      let before = extent.newest + 1;
      const rows = this.#statements.prepare(
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
    });
  }

  removed(topics: readonly string[]): number {
    return this.#statements.snapshot(() => this.#retention.removed(topics));
  }

  /** Says what a node says to the processes that have the log open, and what they say. */
  announce(node: string, says: string | undefined, ttl: number): ReadonlyMap<string, string> {
    return this.#nodes.announce(node, says, ttl, this.version());
  }

  /** Whether a position comes next after another. */
  follows(position: number, next: number): boolean {
    return follows(this.#retention.extent(), position, next);
  }

  /** Lets go of its statements. Never throws. */
  close(): void {
    this.#statements.clear();
    try {
      if (this.isOpen) this.#closeSchema();
    } catch {
      // It stays noted as open: at worst, positions leave more out than they must
    }
  }

  /** Writes what is new, and what became of each. */
  #insert(
    batch: readonly (readonly NewEvent[])[],
    extent: LogExtent,
    stored: StoredEvent[],
  ): AppendResult[][] {
    let oldest: number | undefined; // asked for by own IDs only
    const time = Math.max(extent.time, Date.now()); // a clock set back must not unsort it
    let { newest, upto } = extent;
    const insert = this.#statements.prepare(
      "INSERT INTO {events} (position, own_id, topics, body, time, upto, own_set) VALUES (?, ?, ?, ?, ?, ?, ?)",
    );
    const results = batch.map((events) =>
      events.map((event): AppendResult => {
        const refusal = refusalOf(event.id);
        if (refusal !== undefined) return refusal;
        const own = event.id;
        const body = bodyOf(event);
        const set = own === undefined ? null : ownOf(event);
        if (own !== undefined) {
          const first = this.#statements.prepare("SELECT position, body FROM {events} WHERE own_set = ?").get(set) as
            | Pick<Stored, "position" | "body">
            | undefined;
          if (first !== undefined) {
            const isRetained = first.position >= (oldest ??= this.#retention.oldest(extent));
            if (isRetained) return first.body === body ? { id: own } : idTaken(own);
            this.#statements.prepare("UPDATE {events} SET own_id = NULL, own_set = NULL WHERE position = ?")
              .run(first.position);
          }
        }
        const topics = JSON.stringify(event.topics);
        upto += sizeOf(topics, body, own);
        insert.run(++newest, own ?? null, topics, body, time, upto, set);
        const made = eventOf({ position: newest, ownId: own, topics, body, time }, this.#epoch, event.topics);
        stored.push(made);
        return { id: made.id };
      })
    );
    this.#retention.take({ ...extent, newest, time, upto }, stored.length);
    return results;
  }

  #rows(after: number, limit: number): Stored[] {
    const statement = this.#statements.prepareArrays(
      "SELECT position, own_id, topics, body, time FROM {events} WHERE position > ? ORDER BY position LIMIT ?",
    );
    const rows = statement.all(after, limit) as unknown as [number, string | null, string, string, number][];
    return rows.map(([position, ownId, topics, body, time]) => ({ position, ownId, topics, body, time }));
  }
}
