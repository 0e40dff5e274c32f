import type { NewEvent } from "../replay_store.ts";
import { newEpoch } from "../store_id.ts";
import { AppendFailure, type Batches } from "../log/append_queue.ts";
import type { CheckedEngineOptions } from "../log/engine_options.ts";
import { ownOf, resultsOf } from "../log/own_id.ts";
import { bodyOf, entryOf, type LogEntry } from "../log/event_body.ts";
import { type LogAppended, type LogEngine, type LogPage, NEXT_MS, type WantedPage } from "../log/engine.ts";
import { type Hole, holesOf, type LogState } from "../log/state.ts";
import type { RedisConnection } from "./client.ts";
import { isAnswer, ScriptRunner } from "./script_runner.ts";
import { ANNOUNCE, APPEND, FIND, LOST, STATE } from "./scripts.ts";

/** Entries of one answer: few enough that as many large ones fit into memory. */
const PAGE_ENTRIES = 128;
/** Answers that a server gives for a while only. */
const PASSING = /^(?:LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|BUSY) /;

/** A log in a Redis stream; `scripts.ts` tells how it is kept. */
export class RedisEngine implements LogEngine {
  readonly name = "Redis";
  readonly batches: Batches = { underWay: 1, events: 1_024 };
  readonly #connection: RedisConnection;
  readonly #scripts: ScriptRunner;
  readonly #limits: readonly string[];
  readonly #prefix: string;
  readonly #writer = `writer:${crypto.randomUUID()}`;
  /** One connection for `next`, as that blocks. */
  #reader: RedisConnection | undefined;

  constructor(connection: RedisConnection, { name, maxEvents, maxAge, maxBytes }: CheckedEngineOptions) {
    this.#connection = connection;
    this.#scripts = new ScriptRunner(connection);
    this.#prefix = `freshet:{${name}}:`;
    this.#limits = [maxEvents, maxAge, maxBytes].map((limit) => limit === Infinity ? "" : String(Math.floor(limit)));
  }

  isPassing(error: unknown): boolean {
    return !isAnswer(error) || PASSING.test((error as Error).message);
  }

  async state(): Promise<LogState> {
    const [epoch, newest, oldest, holes, lost, time] = await this.#run(STATE, [newEpoch()]) as string[];
    return {
      epoch: epoch!,
      newest: Number(newest),
      oldest: oldest === "" ? undefined : positionOf(oldest!),
      holes: holesOf(holes!),
      lost: Number(lost),
      time: Number(time),
    };
  }

  async append(batch: readonly NewEvent[], sequence: number, known: number): Promise<LogAppended> {
    // A client keeps what it cannot send, for ever: nothing is given to it then
    if (!this.#connection.isReady) {
      throw new AppendFailure("the client is not connected", { retry: true, uncertain: false });
    }
    const args = [newEpoch(), String(sequence), ...this.#limits, String(known)];
    for (const event of batch) args.push(ownOf(event), JSON.stringify(event.topics), bodyOf(event));
    let reply: unknown;
    try {
      reply = await this.#run(APPEND, args, this.#key(this.#writer));
    } catch (error) {
      throw new AppendFailure(error, { retry: this.isPassing(error), uncertain: !isAnswer(error) });
    }
    const [epoch, first, others, holes] = reply as [string, string, string, string];
    const without = others === "" ? [] : others.split(" ").map(Number);
    return {
      epoch,
      holes: holes === "" ? undefined : holesOf(holes),
      ...resultsOf(batch, epoch, Number(first), without),
    };
  }

  async page(after: number, { limit }: WantedPage): Promise<LogPage> {
    const entries = await this.#range("XRANGE", `(${after}-0`, "+", limit);
    return { entries, examined: entries.at(-1)?.position ?? after, ends: entries.length < limit };
  }

  pageBack(before: number): Promise<readonly LogEntry[]> {
    return this.#range("XREVRANGE", `(${before}-0`, "-", PAGE_ENTRIES);
  }

  async entryFrom(position: number): Promise<LogEntry | undefined> {
    const [entry] = await this.#range("XRANGE", `${position}-0`, "+", 1);
    return entry;
  }

  async find(ownId: string, after: number): Promise<readonly LogEntry[]> {
    return entriesOf(await this.#run(FIND, [newEpoch(), ownId, String(after)]));
  }

  async tellLoss({ to }: Hole): Promise<number> {
    return Number(await this.#run(LOST, [newEpoch(), String(to)]));
  }

  async next(after: number): Promise<readonly LogEntry[]> {
    // Its failures make the command fail, and are told so
    this.#reader ??= this.#connection.duplicate(() => {});
    const [count, block] = [String(PAGE_ENTRIES), String(NEXT_MS)];
    return readEntriesOf(
      await this.#reader.call(
        "XREAD",
        "COUNT",
        count,
        "BLOCK",
        block,
        "STREAMS",
        this.#key("events"),
        `${after}-0`,
      ),
    );
  }

  stop(): void {
    const reader = this.#reader;
    this.#reader = undefined;
    try {
      reader?.destroy();
    } catch {
      // It was not connected
    }
  }

  async announce(node: string, says: string | undefined, ttl: number): Promise<ReadonlyMap<string, string>> {
    const args = [node, says ?? "", String(ttl)];
    const reply = await this.#scripts.run(ANNOUNCE, [this.#key("nodes")], args) as string[];
    const nodes = new Map<string, string>();
    for (let i = 0; i < reply.length; i += 2) nodes.set(reply[i]!, reply[i + 1]!);
    return nodes;
  }

  async #range(command: "XRANGE" | "XREVRANGE", from: string, to: string, count: number): Promise<LogEntry[]> {
    return entriesOf(await this.#connection.call(command, this.#key("events"), from, to, "COUNT", String(count)));
  }

  #key(part: string): string {
    return this.#prefix + part;
  }

  #run(script: string, args: readonly string[], ...more: readonly string[]): Promise<unknown> {
    return this.#scripts.run(
      script,
      [...["events", "log", "ids", "marks", "positions"].map((part) => this.#key(part)), ...more],
      args,
    );
  }
}

/** Each has one field: a client takes its time for each string. */
function entriesOf(reply: unknown): LogEntry[] {
  return (reply as [id: string, field: [name: string, lines: string]][])
    .map(([id, [name, lines]]) => entryOf(positionOf(id), lines, name === "lost"));
}

/** The entries of the one stream that XREAD was asked for: libraries and protocol versions give them in three shapes. */
function readEntriesOf(reply: unknown): LogEntry[] {
  if (reply === null || reply === undefined) return [];
  if (!Array.isArray(reply)) return entriesOf(Object.values(reply)[0]);
  return entriesOf(Array.isArray(reply[0]) ? reply[0][1] : reply[1]);
}

function positionOf(id: string): number {
  return Number(id.slice(0, id.indexOf("-")));
}
