import type { LogPage, WantedPage } from "../log/engine.ts";
import { keyOf } from "../log/topic_keys.ts";
import { arrayOf, entryOfRow, LINES, type Tables } from "./tables.ts";

/** Among how many entries topics are looked for at once: doubled while few are found. */
const AMONG = { least: 256, most: 65_536 };
/** More than there are. */
const EVERY = 2 ** 40;

/**
 * Up to where a page looks: among so many from its first on, and not much more than so many bytes. A range, as the server
 * would sort all that comes after a position rather than trust an index whose statistics it does not have yet.
 */
const UPPER = `CASE WHEN (
    SELECT upto FROM freshet_events WHERE log = f.id AND position < f.position + $3::bigint ORDER BY position DESC LIMIT 1
  ) <= f.upto + $4::bigint THEN least(newest, f.position + $3::bigint - 1)
  ELSE (
    SELECT max(position) FROM freshet_events
      WHERE log = f.id AND position BETWEEN f.position AND f.position + $3::bigint - 1 AND upto <= f.upto + $4::bigint
  ) END`;
const MATCHING = "AND (keys && (SELECT $5::text::text[]) OR tells_loss) ORDER BY position LIMIT $6::integer";

/** Reads a log upwards. */
export class TablePages {
  readonly #tables: Tables;
  readonly #log: string;
  #among = AMONG.least;

  constructor(tables: Tables, log: string) {
    this.#tables = tables;
    this.#log = log;
  }

  async after(position: number, { topics, limit, maxLength }: WantedPage): Promise<LogPage> {
    const keys = topics?.map(keyOf);
    const named = keys === undefined || keys.includes(undefined) ? undefined : keys as string[];
    // Among the next so many; where few were found, by the index, which would look at all that it finds to sort it
    const isSparse = named !== undefined && this.#among > AMONG.most;
    const among = isSparse ? EVERY : named === undefined ? limit : Math.max(limit, this.#among);
    const parameters = [this.#log, String(position), String(among), String(maxLength * Math.ceil(among / limit))];
    if (named !== undefined) parameters.push(arrayOf(named), String(limit));
    const rows = await this.#tables.query(
      `WITH l AS MATERIALIZED (SELECT id, newest, oldest FROM freshet_logs WHERE name = $1),
         first AS MATERIALIZED (
           SELECT l.id, l.newest, e.* FROM l CROSS JOIN LATERAL (
             SELECT position, upto FROM freshet_events WHERE log = l.id AND position > $2 ORDER BY position LIMIT 1) e),
         place AS MATERIALIZED (SELECT id, position AS lower, ${UPPER} AS upper FROM first f)
       SELECT 0 AS position, concat_ws(' ', newest, oldest, (SELECT upper FROM place)) AS lines FROM l
       UNION ALL
       SELECT e.* FROM place CROSS JOIN LATERAL (
         SELECT position, ${LINES} FROM freshet_events WHERE log = place.id AND position BETWEEN lower AND upper
           ${named === undefined ? "" : MATCHING}) e`,
      parameters,
    );
    if (rows.length === 0) return { entries: [], examined: position, ends: true }; // the log is still to be made
    const place = rows.findIndex(({ position }) => position === "0");
    const [newest, oldest, upper = newest] = (rows[place]!["lines"] as string).split(" ").map(Number) as [
      number,
      number,
    ];
    const entries = rows.toSpliced(place, 1).map(entryOfRow).sort((a, b) => a.position - b.position);
    if (named !== undefined) this.#learn(entries.length, limit, isSparse);
    const isFull = named !== undefined && entries.length === limit;
    const examined = Math.max(position, isFull ? entries.at(-1)!.position : upper);
    return { entries, examined, ends: examined >= newest, oldest };
  }

  /** Looks among more, or fewer, the next time. */
  #learn(found: number, limit: number, isSparse: boolean): void {
    this.#among = found < limit / 2
      ? Math.min(this.#among * 2, 2 * AMONG.most)
      : isSparse
      ? AMONG.least
      : Math.max(this.#among / 2, AMONG.least);
  }
}
