import { laterTurn } from "../../time/later_turn.ts";
import { AppendFailure, type Batches } from "../log/append_queue.ts";
import { type LogAppended, type LogEngine, type LogPage, NEXT_MS, type WantedPage } from "../log/engine.ts";
import type { CheckedEngineOptions } from "../log/engine_options.ts";
import { bodyOf, type LogEntry } from "../log/event_body.ts";
import { ownOf, resultsOf } from "../log/own_id.ts";
import type { Hole, LogState } from "../log/state.ts";
import { keysOf } from "../log/topic_keys.ts";
import type { NewEvent } from "../replay_store.ts";
import { newEpoch } from "../store_id.ts";
import { isPassing, isUncertain } from "./answers.ts";
import type { PostgresClient } from "./client.ts";
import { Listener } from "./listener.ts";
import { TablePages } from "./pages.ts";
import { arrayOf, entryOfRow, LINES, Tables } from "./tables.ts";

/** Entries that are followed at once, and bytes of them unless one alone has more. */
const PAGE = { limit: 512, maxLength: 1 << 22 };
/** How many are followed at once where the log ended. */
const NEAR = 64;

/** A log in PostgreSQL's tables; `schema.ts` tells how it is kept. */
export class PostgresEngine implements LogEngine {
  readonly name = "PostgreSQL";
  readonly batches: Batches = { underWay: 1, events: 1_024 };
  readonly #tables: Tables;
  readonly #pages: TablePages;
  readonly #listener: Listener;
  readonly #log: string;
  readonly #limits: readonly (string | null)[];
  readonly #listens: boolean;
  readonly #writer = crypto.randomUUID();
  #isStopped = false;
  /** Where the log ended when it was last followed: nothing is asked for there until something is heard. */
  #end: number | undefined;

  constructor(
    client: PostgresClient,
    { name, maxEvents, maxAge, maxBytes }: CheckedEngineOptions,
    { listen, pollInterval }: { readonly listen: boolean; readonly pollInterval: number },
  ) {
    this.#tables = new Tables(client);
    this.#pages = new TablePages(this.#tables, name);
    this.#listener = new Listener(client, name, pollInterval);
    this.#log = name;
    this.#limits = [maxEvents, maxAge, maxBytes].map((limit) => limit === Infinity ? null : String(Math.floor(limit)));
    this.#listens = listen;
  }

  isPassing(error: unknown): boolean {
    return isPassing(error);
  }

  async state(): Promise<LogState> {
    const [row] = await this.#tables.query(
      "SELECT epoch, newest, oldest, lost, holes::text, freshet_now() AS now FROM freshet_state($1, $2)",
      [this.#log, newEpoch()],
    );
    const { epoch, newest, oldest, lost, holes, now } = row as Record<string, string>;
    return {
      epoch: epoch!,
      newest: Number(newest),
      oldest: Number(oldest) > Number(newest) ? undefined : Number(oldest),
      holes: holesOf(holes!),
      lost: Number(lost),
      time: Number(now),
    };
  }

  async append(batch: readonly NewEvent[], sequence: number, known: number): Promise<LogAppended> {
    const appending = this.#tables.query(
      "SELECT epoch, holes::text, first, others::text FROM freshet_append($1, $2, $3, $4, $5, $6, $7, $8, " +
        "$9::text::text[], $10::text::text[], $11::text::text[], $12::text::text[])",
      [
        this.#log,
        newEpoch(),
        this.#writer,
        String(sequence),
        ...this.#limits,
        String(known),
        arrayOf(batch.map(ownOf)),
        arrayOf(batch.map(({ topics }) => JSON.stringify(topics))),
        arrayOf(batch.map(({ topics }) => keysOf(topics).join("\x1f"))), // which no topic holds
        arrayOf(batch.map(bodyOf)),
      ],
    );
    const [row] = await appending.catch((error) => {
      throw new AppendFailure(error, { retry: isPassing(error), uncertain: isUncertain(error) });
    });
    const { epoch, holes, first, others } = row as Record<string, string | null>;
    return {
      epoch: epoch!,
      holes: holes === null ? undefined : holesOf(holes!),
      ...resultsOf(batch, epoch!, Number(first), numbersOf(others!)),
    };
  }

  page(after: number, wanted: WantedPage): Promise<LogPage> {
    return this.#pages.after(after, wanted);
  }

  /** The client sends in a later turn what it was asked for in this one. */
  asked(): Promise<void> {
    return new Promise((resolve) => laterTurn(() => laterTurn(resolve))); // it asks for that turn a little later
  }

  pageBack(before: number): Promise<readonly LogEntry[]> {
    return this.#entries("AND position < $2 ORDER BY position DESC LIMIT 128", String(before));
  }

  async entryFrom(position: number): Promise<LogEntry | undefined> {
    const [entry] = await this.#entries("AND position >= $2 ORDER BY position LIMIT 1", String(position));
    return entry;
  }

  find(ownId: string, after: number): Promise<readonly LogEntry[]> {
    const which = "AND own_id = $2 AND position > $3 AND position >= " +
      "(SELECT oldest FROM freshet_logs WHERE name = $1) ORDER BY position LIMIT 64";
    return this.#entries(which, ownId, String(after));
  }

  async tellLoss({ to }: Hole): Promise<number> {
    const told = "SELECT freshet_tell_loss($1, $2, $3) AS position";
    const [row] = await this.#tables.query(told, [this.#log, newEpoch(), String(to)]);
    return Number(row!["position"]);
  }

  async next(after: number): Promise<readonly LogEntry[]> {
    this.#isStopped = false;
    if (this.#listens) this.#listener.listen();
    for (const until = performance.now() + NEXT_MS;;) {
      const isNear = this.#end === after;
      if (this.#listener.takeHeard() || !isNear) {
        const entries = isNear ? await this.#near(after) : [];
        if (entries.length > 0) return entries;
        const page = await this.page(after, PAGE);
        this.#end = page.ends ? page.examined : undefined;
        if (page.entries.length > 0) return page.entries;
      }
      const left = until - performance.now();
      if (left <= 0 || this.#isStopped) return [];
      if (await this.#listener.wait(left)) this.#end = undefined; // it is time to look
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#listener.stop();
  }

  async announce(node: string, says: string | undefined, ttl: number): Promise<ReadonlyMap<string, string>> {
    await this.#tables.query(
      `WITH l AS (SELECT (freshet_state($1, $2)).id), gone AS (DELETE FROM freshet_nodes WHERE till < now() OR node = $3 AND $4::text IS NULL)
       INSERT INTO freshet_nodes SELECT l.id, $3, $4, now() + $5::integer * interval '1 ms' FROM l WHERE $4::text IS NOT NULL
       ON CONFLICT (log, node) DO UPDATE SET says = excluded.says, till = excluded.till`,
      [this.#log, newEpoch(), node, says ?? null, String(Math.ceil(ttl))],
    );
    const rows = await this.#tables.query(
      "SELECT node, says FROM freshet_nodes WHERE till >= now() AND log = (SELECT id FROM freshet_logs WHERE name = $1)",
      [this.#log],
    );
    return new Map(rows.map(({ node, says }) => [node as string, says as string]));
  }

  /** What came just after the log's end, with the least that the server can be asked. None behind a hole. */
  async #near(after: number): Promise<readonly LogEntry[]> {
    const which = "AND position > $2 AND position <= $3 ORDER BY position";
    const entries = await this.#entries(which, String(after), String(after + NEAR));
    this.#end = entries.length < NEAR ? entries.at(-1)?.position : undefined;
    return entries;
  }

  async #entries(which: string, ...parameters: string[]): Promise<LogEntry[]> {
    const rows = await this.#tables.query(
      `SELECT position, ${LINES} FROM freshet_events WHERE log = (SELECT id FROM freshet_logs WHERE name = $1) ${which}`,
      [this.#log, ...parameters],
    );
    return rows.map(entryOfRow);
  }
}

/** Holes as the table has them: from, to, from, to. */
function holesOf(array: string): Hole[] {
  const ends = numbersOf(array);
  return Array.from({ length: ends.length / 2 }, (_, i) => ({ from: ends[2 * i]!, to: ends[2 * i + 1]! }));
}

/** An array as PostgreSQL writes it. */
function numbersOf(array: string): number[] {
  return array === "{}" ? [] : array.slice(1, -1).split(",").map(Number);
}
