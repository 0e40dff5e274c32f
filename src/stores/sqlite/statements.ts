import type { DatabaseSync, StatementSync } from "node:sqlite";
import { tablesOf } from "./schema.ts";

/**
 * Rows as arrays: the objects that `node:sqlite` makes are dictionaries, and to take their fields takes as long as SQLite
 * does. All three runtimes have it, but not Deno's types.
 */
interface ReturnsArrays {
  setReturnArrays(enabled: boolean): void;
}

/** The statements of one log: prepared once, and run in transactions. */
export class Statements {
  readonly #db: DatabaseSync;
  readonly #tables: (sql: string) => string;
  readonly #prepared = new Map<string, StatementSync>();

  constructor(db: DatabaseSync, log: string) {
    this.#db = db;
    this.#tables = tablesOf(log);
  }

  /** A statement on the log's tables, which it names `{events}` and so on. */
  prepare(sql: string): StatementSync {
    let statement = this.#prepared.get(sql);
    if (statement === undefined) this.#prepared.set(sql, statement = this.#db.prepare(this.#tables(sql)));
    return statement;
  }

  /** One whose rows are arrays. */
  prepareArrays(sql: string): StatementSync {
    const statement = this.prepare(sql) as StatementSync & ReturnsArrays;
    statement.setReturnArrays(true);
    return statement;
  }

  /** Does what writes: all of it, or an error and nothing. */
  write<T>(work: () => T): T {
    this.prepare("BEGIN IMMEDIATE").run();
    try {
      const result = work();
      this.prepare("COMMIT").run();
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.prepare("ROLLBACK").run(); // unless SQLite has rolled it back itself
      throw error;
    }
  }

  /** Does what only reads, at one moment of the file: other processes write meanwhile. */
  snapshot<T>(work: () => T): T {
    this.prepare("BEGIN").run();
    try {
      return work();
    } finally {
      if (this.#db.isTransaction) this.prepare("COMMIT").run();
    }
  }

  /** Lets go of them. */
  clear(): void {
    this.#prepared.clear();
  }
}
