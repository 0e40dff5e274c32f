import { laterTurn } from "../../time/later_turn.ts";
import type { NewEvent } from "../replay_store.ts";
import { newEpoch, storeId } from "../store_id.ts";
import { AppendFailure, type Batches } from "../log/append_queue.ts";
import type { CheckedEngineOptions } from "../log/engine_options.ts";
import { bodyOf, entryOf, type LogEntry } from "../log/event_body.ts";
import { type LogAppended, type LogEngine, type LogPage, NEXT_MS, type WantedPage } from "../log/engine.ts";
import type { LogState } from "../log/state.ts";
import { migration } from "./schema.ts";
import { keyOf, keysOf } from "../log/topic_keys.ts";

/** What this module needs of a client of the package `postgres` (version 3). Bring your own. */
export interface PostgresClient {
  /** Runs a query. */
  unsafe(
    query: string,
    parameters?: (string | number | null)[],
    options?: { readonly prepare?: boolean },
  ): PromiseLike<readonly Record<string, unknown>[]>;
  /** Listens on a connection of its own, and again when that was lost. */
  listen(
    channel: string,
    onNotify: (payload: string) => void,
    onListen?: () => void,
  ): Promise<{ unlisten(): Promise<void> }>;
  /** How it was made. */
  readonly options: { readonly prepare?: boolean };
}

/** Entries that are followed at once, and bytes of them unless one alone has more. */
const PAGE = { limit: 512, maxLength: 1 << 22 };
/** How many are followed at once where the log ended. */
const NEAR = 64;
/** Among how many entries topics are looked for at once: doubled while few are found. */
const AMONG = { least: 256, most: 65_536 };
/** More than there are. */
const EVERY = 2 ** 40;
/** SQLSTATEs of a server that is starting, stopping, full, or has become a replica. */
const PASSING = /^(?:57P0[123]|53300|25006|40001|40P01|08...)$/;
/** Failures to connect: nothing was sent. */
const UNSENT = /^(?:ECONNREFUSED|ENOENT|ENOTFOUND|EAI_AGAIN|CONNECT_TIMEOUT|CONNECTION_ENDED)$/;

/** How often to look while notifications are not heard, in milliseconds. */
const UNHEARD_MS = 50;

/** An entry but for its position: a client takes its time for each column. */
const LINES =
  "CASE WHEN tells_loss THEN '!' ELSE '' END || time || E'\\n' || coalesce(own_id, '') || E'\\n' || topics || " +
  "E'\\n' || body AS lines";

/** A log in PostgreSQL's tables; `schema.ts` tells how it is kept. */
export class PostgresEngine implements LogEngine {
  readonly name = "PostgreSQL";
  readonly batches: Batches = { underWay: 1, events: 1_024 };
  readonly #client: PostgresClient;
  readonly #log: string;
  readonly #limits: readonly (string | null)[];
  readonly #pollInterval: number;
  readonly #listens: boolean;
  readonly #writer = crypto.randomUUID();
  #migrated: Promise<unknown> | undefined;
  #among = AMONG.least;
  #unlisten: (() => Promise<void>) | undefined;
  /** How often it has begun to listen. */
  #listened = 0;
  /** Whether notifications are heard just now. */
  #hears = false;
  #isStopped = false;
  /** What `next` waits for, while it waits. */
  #wake: (() => void) | undefined;
  #heard = false;
  /** Where the log ended when it was last followed: nothing is asked for there until something is heard. */
  #end: number | undefined;

  constructor(
    client: PostgresClient,
    { name, maxEvents, maxAge, maxBytes }: CheckedEngineOptions,
    { listen, pollInterval }: { readonly listen: boolean; readonly pollInterval: number },
  ) {
    this.#client = client;
    this.#log = name;
    this.#limits = [maxEvents, maxAge, maxBytes].map((limit) => limit === Infinity ? null : String(Math.floor(limit)));
    this.#listens = listen;
    this.#pollInterval = pollInterval;
  }

  isPassing(error: unknown): boolean {
    return !isAnswer(error) || PASSING.test(codeOf(error));
  }

  async state(): Promise<LogState> {
    const [row] = await this.#query(
      "SELECT epoch, newest, oldest, lost, holes::text FROM freshet_state($1, $2)",
      [this.#log, newEpoch()],
    );
    const { epoch, newest, oldest, lost, holes } = row as Record<string, string>;
    const ends = holes!.slice(1, -1).split(",").map(Number);
    return {
      epoch: epoch!,
      newest: Number(newest),
      oldest: Number(oldest) > Number(newest) ? undefined : Number(oldest),
      holes: Array.from({ length: ends.length / 2 }, (_, i) => ({ from: ends[2 * i]!, to: ends[2 * i + 1]! })),
      lost: Number(lost),
    };
  }

  async append(batch: readonly NewEvent[], sequence: number): Promise<LogAppended> {
    let rows: readonly Record<string, unknown>[];
    try {
      rows = await this.#query(
        "SELECT epoch, first, doubles::text FROM freshet_append($1, $2, $3, $4, $5, $6, $7, $8::text::text[], " +
          "$9::text::text[], $10::text::text[], $11::text::text[])",
        [
          this.#log,
          newEpoch(),
          this.#writer,
          String(sequence),
          ...this.#limits,
          arrayOf(batch.map(({ id }) => id ?? "")),
          arrayOf(batch.map(({ topics }) => JSON.stringify(topics))),
          arrayOf(batch.map(({ topics }) => keysOf(topics).join("\x1f"))), // which no topic holds
          arrayOf(batch.map(bodyOf)),
        ],
      );
    } catch (error) {
      const uncertain = !isAnswer(error) && !UNSENT.test(codeOf(error));
      throw new AppendFailure(error, { retry: this.isPassing(error), uncertain });
    }
    const { epoch, first, doubles } = rows[0] as Record<string, string>;
    const double = new Set(doubles === "{}" ? [] : doubles!.slice(1, -1).split(",").map(Number));
    let next = Number(first);
    const results = batch.map(({ id }, i) => double.has(i) ? { id: id! } : { id: id ?? storeId(epoch!, next++) });
    return { epoch: epoch!, results, newest: Number(first) + batch.length - double.size - 1 };
  }

  async page(after: number, { topics, limit, maxLength }: WantedPage): Promise<LogPage> {
    const keys = topics?.map(keyOf);
    const named = keys === undefined || keys.includes(undefined) ? undefined : keys as string[];
    // Among the next so many; where few were found, by the index, which would look at all that it finds to sort it
    const isSparse = named !== undefined && this.#among > AMONG.most;
    const among = isSparse ? EVERY : named === undefined ? limit : Math.max(limit, this.#among);
    const parameters = [this.#log, String(after), String(among), String(maxLength * Math.ceil(among / limit))];
    if (named !== undefined) parameters.push(arrayOf(named), String(limit));
    const rows = await this.#query(
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
    if (rows.length === 0) return { entries: [], examined: after, ends: true }; // the log is still to be made
    const place = rows.findIndex(({ position }) => position === "0");
    const [newest, oldest, upper = newest] = (rows[place]!["lines"] as string).split(" ").map(Number) as [
      number,
      number,
    ];
    const entries = rows.toSpliced(place, 1).map(entryOfRow).sort((a, b) => a.position - b.position);
    const isFull = named !== undefined && entries.length === limit;
    if (named !== undefined) {
      const isSmall = entries.length < limit / 2;
      this.#among = isSmall
        ? Math.min(this.#among * 2, 2 * AMONG.most)
        : isSparse
        ? AMONG.least
        : Math.max(this.#among / 2, AMONG.least);
    }
    const examined = Math.max(after, isFull ? entries.at(-1)!.position : upper);
    return { entries, examined, ends: examined >= newest, oldest };
  }

  /** The client sends in a later turn what it was asked for in this one. */
  asked(): Promise<void> {
    return new Promise((resolve) => laterTurn(() => laterTurn(resolve))); // it asks for that turn a little later
  }

  pageBack(before: number): Promise<readonly LogEntry[]> {
    return this.#entries(
      `SELECT position, ${LINES} FROM freshet_events WHERE log = (SELECT id FROM freshet_logs WHERE name = $1) AND position < $2
         ORDER BY position DESC LIMIT 128`,
      String(before),
    );
  }

  async entryFrom(position: number): Promise<LogEntry | undefined> {
    const [entry] = await this.#entries(
      `SELECT position, ${LINES} FROM freshet_events WHERE log = (SELECT id FROM freshet_logs WHERE name = $1) AND position >= $2
         ORDER BY position LIMIT 1`,
      String(position),
    );
    return entry;
  }

  async find(ownId: string): Promise<LogEntry | undefined> {
    const [entry] = await this.#entries(
      `SELECT position, ${LINES} FROM freshet_events WHERE log = (SELECT id FROM freshet_logs WHERE name = $1) AND own_id = $2`,
      ownId,
    );
    return entry;
  }

  async tellLoss({ to }: { readonly to: number }): Promise<void> {
    await this.#query("SELECT freshet_tell_loss($1, $2, $3)", [this.#log, newEpoch(), String(to)]);
  }

  async next(after: number): Promise<readonly LogEntry[]> {
    if (this.#listens) this.#listen();
    for (const until = performance.now() + NEXT_MS;;) {
      if (this.#heard || this.#end !== after) {
        const isNear = this.#end === after;
        this.#heard = false;
        const entries = isNear ? await this.#near(after) : [];
        if (entries.length > 0) return entries;
        const page = await this.page(after, PAGE);
        this.#end = page.ends ? page.examined : undefined;
        if (page.entries.length > 0) return page.entries;
      }
      const left = until - performance.now();
      if (left <= 0 || this.#isStopped) return [];
      if (!this.#heard) await this.#wait(Math.min(left, this.#hears ? this.#pollInterval : UNHEARD_MS));
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#hears = false;
    this.#unlisten?.().catch(() => {}); // a connection that is lost listens to nothing
    this.#unlisten = undefined;
    this.#hear();
  }

  async announce(node: string, says: string | undefined, ttl: number): Promise<ReadonlyMap<string, string>> {
    await this.#query(
      `WITH l AS (SELECT (freshet_state($1, $2)).id), gone AS (DELETE FROM freshet_nodes WHERE till < now() OR node = $3 AND $4::text IS NULL)
       INSERT INTO freshet_nodes SELECT l.id, $3, $4, now() + $5::integer * interval '1 ms' FROM l WHERE $4::text IS NOT NULL
       ON CONFLICT (log, node) DO UPDATE SET says = excluded.says, till = excluded.till`,
      [this.#log, newEpoch(), node, says ?? null, String(Math.ceil(ttl))],
    );
    const rows = await this.#query(
      "SELECT node, says FROM freshet_nodes WHERE till >= now() AND log = (SELECT id FROM freshet_logs WHERE name = $1)",
      [this.#log],
    );
    return new Map(rows.map(({ node, says }) => [node as string, says as string]));
  }

  /** What came just after the log's end, with the least that the server can be asked. None behind a hole. */
  async #near(after: number): Promise<readonly LogEntry[]> {
    const rows = await this.#query(
      `SELECT position, ${LINES} FROM freshet_events WHERE log = (SELECT id FROM freshet_logs WHERE name = $1)
         AND position > $2 AND position <= $3 ORDER BY position`,
      [this.#log, String(after), String(after + NEAR)],
    );
    const entries = rows.map(entryOfRow);
    this.#end = entries.length < NEAR ? entries.at(-1)?.position : undefined;
    return entries;
  }

  /** Never rejects: what is not heard is looked for. */
  #listen(): void {
    this.#isStopped = false;
    if (this.#hears || this.#unlisten !== undefined) return;
    // A client that could not listen again after it was cut off keeps that failure for the channel's name, for ever. The
    // server looks at the first 63 bytes, so that what follows them makes the name another for the client alone
    const channel = channelOf(this.#log) + (this.#listened++ === 0 ? "" : `:${this.#listened}`);
    this.#unlisten = () => Promise.resolve();
    this.#client.listen(channel, () => this.#hear(), () => {
      this.#hears = true;
      this.#hear();
    }).then(({ unlisten }) => this.#unlisten = unlisten, () => this.#unlisten = undefined);
  }

  #hear(): void {
    this.#heard = true;
    this.#wake?.();
  }

  /** Until something is heard, or it is time to look all the same. */
  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#end = undefined;
        resolve();
      }, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #entries(query: string, parameter: string): Promise<LogEntry[]> {
    return (await this.#query(query, [this.#log, parameter])).map(entryOfRow);
  }

  async #query(query: string, parameters: (string | null)[]): Promise<readonly Record<string, unknown>[]> {
    this.#migrated ??= Promise.resolve(this.#client.unsafe(migration())).catch((error) => {
      this.#migrated = undefined;
      throw error;
    });
    await this.#migrated;
    return await this.#client.unsafe(query, parameters, { prepare: this.#client.options.prepare ?? true });
  }
}

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

/** Whether the server has answered, and so done nothing. */
function isAnswer(error: unknown): boolean {
  return /^[0-9A-Z]{5}$/.test(codeOf(error));
}

function codeOf(error: unknown): string {
  return String((error as { readonly code?: unknown } | null)?.code);
}

/** What notifications of a log come by: 63 bytes, as long as a name may be. */
function channelOf(log: string): string {
  return `freshet:${log}:`.padEnd(63, "-");
}

/** An array as PostgreSQL reads it from text. */
function arrayOf(items: readonly string[]): string {
  return `{${items.map((item) => `"${item.replaceAll(/["\\]/g, "\\$&")}"`).join(",")}}`;
}

function entryOfRow({ position, lines }: Record<string, unknown>): LogEntry {
  const text = lines as string;
  const tellsLoss = text.startsWith("!");
  return entryOf(Number(position), tellsLoss ? text.slice(1) : text, tellsLoss);
}
