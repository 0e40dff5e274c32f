import { entryOf, type LogEntry } from "../log/event_body.ts";
import type { PostgresClient } from "./client.ts";
import { migration } from "./schema.ts";

/** A row, as the client brings it: everything is text. */
export type Row = Record<string, unknown>;

/** An entry but for its position, as `entryOfRow` reads it: a client takes its time for each column. */
export const LINES: string = "CASE WHEN tells_loss THEN '!' ELSE '' END || time || E'\\n' || coalesce(own_id, '') || " +
  "E'\\n' || topics || E'\\n' || body AS lines";

/** Asks the tables, which are made or migrated before the first question. */
export class Tables {
  readonly #client: PostgresClient;
  #migrated: Promise<unknown> | undefined;

  constructor(client: PostgresClient) {
    this.#client = client;
  }

  async query(query: string, parameters: (string | null)[]): Promise<readonly Row[]> {
    this.#migrated ??= Promise.resolve(this.#client.unsafe(migration())).catch((error) => {
      this.#migrated = undefined;
      throw error;
    });
    await this.#migrated;
    return await this.#client.unsafe(query, parameters, { prepare: this.#client.options.prepare ?? true });
  }
}

/** The entry of a row that has its position and its lines. */
export function entryOfRow({ position, lines }: Row): LogEntry {
  const text = lines as string;
  const tellsLoss = text.startsWith("!");
  return entryOf(Number(position), tellsLoss ? text.slice(1) : text, tellsLoss);
}

/** An array as PostgreSQL reads it from text. */
export function arrayOf(items: readonly string[]): string {
  return `{${items.map((item) => `"${item.replaceAll(/["\\]/g, "\\$&")}"`).join(",")}}`;
}
