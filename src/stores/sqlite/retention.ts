import { matchesTopic } from "../../topic.ts";
import { givenOut, type Hole, holesOf } from "../log/state.ts";
import type { CheckedOptions } from "./options.ts";
import type { Statements } from "./statements.ts";

/** How many rows one transaction removes beyond those it adds. */
const REMOVED_ROWS = 256;
/** Of how many topics the newest removed position is kept; beyond, they share one. How often that is looked at, in commits. */
const REMOVED_TOPICS = { max: 100_000, every: 1_000 };
/** Under which they share it: no topic is empty. */
const ALL_TOPICS = "";

/** What the newest row and the note of what is removed say. */
export interface LogExtent {
  /** `PRAGMA data_version` when they were read. */
  readonly version: number;
  /** The newest position, 0 if there never was an event; its time; the bytes of all events up to it. */
  readonly newest: number;
  readonly time: number;
  readonly upto: number;
  /** The newest removed position, and the bytes of all events up to it. */
  readonly removed: number;
  readonly removedUpto: number;
  /** Where no position was given out. */
  readonly holes: readonly Hole[];
}

/** What a log holds, and what its limits remove from it. */
export class Retention {
  readonly #statements: Statements;
  readonly #limits: Pick<CheckedOptions, "maxEvents" | "maxAge" | "maxBytes">;
  #extent: LogExtent | undefined;
  /** What is before it is known to be too old. */
  #aged = 1;
  #removals = 0;

  constructor(statements: Statements, limits: Pick<CheckedOptions, "maxEvents" | "maxAge" | "maxBytes">) {
    this.#statements = statements;
    this.#limits = limits;
  }

  /** Counts the changes of other connections. */
  version(): number {
    return this.#statements.prepare("PRAGMA data_version").get()?.["data_version"] as number;
  }

  /** What is known of the log, read again if another process has written. */
  extent(): LogExtent {
    const version = this.version();
    if (this.#extent?.version === version) return this.#extent;
    const row = this.#statements.prepare(
      "SELECT removed, removed_upto AS removedUpto, holes, coalesce(position, 0) AS newest, coalesce(time, 0) AS time, " +
        "coalesce(upto, 0) AS upto FROM {store} LEFT JOIN " +
        "(SELECT position, time, upto FROM {events} ORDER BY position DESC LIMIT 1) ON true",
    ).get() as unknown as Omit<LogExtent, "version" | "holes"> & { holes: string };
    const holes = holesOf(row.holes);
    return this.#extent = { ...row, newest: Math.max(row.newest, holes.at(-1)?.to ?? 0), holes, version };
  }

  /** Forgets what is known: what was to be written was not. */
  forget(): void {
    this.#extent = undefined;
  }

  /** Takes what a transaction has added, and removes what the limits no longer allow, some at a time. */
  take(extent: LogExtent, added: number): void {
    this.#extent = added === 0 ? extent : this.#remove(extent, added);
  }

  /** The oldest position that is retained: the newest and one more if none is. */
  oldest({ newest, removed, upto, removedUpto, holes }: LogExtent): number {
    const { maxAge, maxEvents, maxBytes } = this.#limits;
    let oldest = Math.max(removed + 1, before({ holes }, newest, maxEvents) + 1);
    if (upto - removedUpto > maxBytes) {
      oldest = Math.max(oldest, this.first("upto", upto - maxBytes, removed + 1, newest) + 1);
    }
    if (maxAge < Infinity) {
      oldest = this.#aged = this.first("time", Date.now() - maxAge, Math.max(oldest, this.#aged), newest);
    }
    return oldest;
  }

  /**
   * The first position from one on whose row has at least so much of what grows from row to row; one after the newest if
   * none has. The answer is often near where it begins to look.
   */
  first(column: "time" | "upto", least: number, from: number, newest: number): number {
    const find = this.#statements.prepare(
      `SELECT ${column} FROM {events} WHERE position >= ? ORDER BY position LIMIT 1`,
    );
    // There may be none after a position: the last ones may be in a hole
    const has = (position: number): boolean =>
      (find.get(position)?.[column] as number | undefined ?? Infinity) >= least;
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

  /** The newest removed position among those that the topics reach. */
  removed(topics: readonly string[]): number {
    const extent = this.extent();
    const cut = givenOut(extent, this.oldest(extent) - 1);
    // What the limits no longer allow and is still there is removed for everybody: later is allowed
    let newest = cut > givenOut(extent, extent.removed) ? cut : 0;
    for (const pattern of [ALL_TOPICS, ...topics]) {
      if (pattern.includes("*")) {
        const rows = this.#statements.prepare("SELECT topic, position FROM {removed} WHERE position > ?").all(newest);
        for (const { topic, position } of rows as unknown as { topic: string; position: number }[]) {
          if (matchesTopic(pattern, topic)) newest = Math.max(newest, position);
        }
      } else {
        const row = this.#statements.prepare("SELECT position FROM {removed} WHERE topic = ?").get(pattern);
        newest = Math.max(newest, row?.["position"] as number | undefined ?? 0);
      }
    }
    return newest;
  }

  /** Removes rows, and notes of which topics. */
  #remove(extent: LogExtent, added: number): LogExtent {
    const { removed, holes } = extent;
    const most = removed + added + REMOVED_ROWS;
    const hole = holes.find(({ from, to }) => from <= most && most < to);
    const cut = Math.min(this.oldest(extent) - 1, hole?.to ?? most);
    if (cut <= removed) return extent;
    this.#statements.prepare(
      "INSERT INTO {removed} (topic, position) SELECT value, max(position) FROM {events}, json_each(topics) " +
        "WHERE position > ? AND position <= ? GROUP BY value " +
        "ON CONFLICT (topic) DO UPDATE SET position = excluded.position",
    ).run(removed, cut);
    const last = this.#statements.prepare(
      "SELECT upto FROM {events} WHERE position <= ? ORDER BY position DESC LIMIT 1",
    );
    const upto = last.get(cut)?.["upto"] as number | undefined ?? extent.removedUpto;
    this.#statements.prepare(
      "DELETE FROM {events} WHERE position <= ? AND position < (SELECT max(position) FROM {events})",
    ).run(cut);
    this.#statements.prepare("UPDATE {store} SET removed = ?, removed_upto = ?").run(cut, upto);
    if (this.#removals++ % REMOVED_TOPICS.every === 0) this.#boundNotes(cut);
    return { ...extent, removed: cut, removedUpto: upto };
  }

  /** For more topics than that, one note for all. */
  #boundNotes(cut: number): void {
    const { count } = this.#statements.prepare("SELECT count(*) AS count FROM {removed}").get() as { count: number };
    if (count <= REMOVED_TOPICS.max) return;
    this.#statements.prepare("DELETE FROM {removed}").run();
    this.#statements.prepare("INSERT INTO {removed} (topic, position) VALUES (?, ?)").run(ALL_TOPICS, cut);
  }
}

/** The position that so many were given out after, up to a newest one. */
function before({ holes }: Pick<LogExtent, "holes">, newest: number, count: number): number {
  let [at, left] = [newest, count];
  for (const { from, to } of holes.toReversed()) {
    if (at - left >= to) break;
    left -= at - to;
    at = from;
  }
  return at - left;
}
