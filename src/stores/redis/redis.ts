/**
 * A replay store in Redis Streams: many processes, one order. For clients of
 * the packages `redis` and `ioredis`, connected by you.
 *
 * An event survives what the server's settings make it survive. Redis answers
 * once it is in memory and written to the append-only file: `appendonly yes`
 * alone keeps it when the server's process dies, `appendfsync always` also when
 * the machine does; with `everysec` up to a second is lost then, and without an
 * append-only file everything since the last snapshot. A replica that takes
 * over may lack what was acknowledged last, as replication is asynchronous:
 * `min-replicas-to-write` narrows that. Where events are lost in such a way,
 * or all of them by `FLUSHALL`, subscribers are told by a `gap`. Set
 * `maxmemory-policy noeviction`.
 *
 * @example Two brokers, of any two processes
 * ```ts ignore
 * import { Broker } from "@freshet/sse";
 * import { RedisReplayStore } from "@freshet/sse/redis";
 * import { createClient } from "redis";
 *
 * const client = createClient({ url: "redis://127.0.0.1:6379" });
 * client.on("error", console.error);
 * await client.connect();
 * const store = new RedisReplayStore(client, { maxEvents: 100_000 });
 * const broker = new Broker({ store });
 * await broker.publish("pets/dogs", { data: "woof" });
 * ```
 *
 * @module
 */
import type {
  AppendResult,
  NewEvent,
  ReadOptions,
  ReadResult,
  ReplayStore,
  SeekTarget,
  Tail,
  TailHandlers,
} from "../replay_store.ts";
import { checkEngineOptions, type EngineStoreOptions } from "../log/engine_options.ts";
import { LogReplayStore } from "../log/store.ts";
import { connectionOf, type IoredisClient, type NodeRedisClient } from "./client.ts";
import { RedisEngine } from "./engine.ts";

export type { EngineStoreOptions } from "../log/engine_options.ts";
export type { IoredisClient, NodeRedisClient } from "./client.ts";

/** Options for {@linkcode RedisReplayStore}. */
export type RedisReplayStoreOptions = EngineStoreOptions;

/**
 * Keeps events in a Redis stream, and reads new ones with one connection of its
 * own for each process. Needs Redis 7 or later, or Valkey.
 *
 * Its keys begin with `freshet:{name}:`, all in one slot of a cluster. While
 * the server is away, publishes wait up to `timeout`, streams stay open, and
 * afterwards all goes on where it was.
 */
export class RedisReplayStore implements ReplayStore {
  readonly #log: LogReplayStore;

  /**
   * Makes a store. Nothing is sent before the first call.
   *
   * @param client A client of `redis` or `ioredis`. The store makes a second connection from it, and closes that alone.
   * @param options The name, and how much to keep.
   * @throws {TypeError} If the client is neither, or an option is unknown, as `maxEventsPerTopic` is here.
   * @throws {RangeError} If a number is out of bounds.
   */
  constructor(client: NodeRedisClient | IoredisClient, options: RedisReplayStoreOptions = {}) {
    const checked = checkEngineOptions("RedisReplayStore", options);
    this.#log = new LogReplayStore(new RedisEngine(connectionOf(client), checked), checked);
  }

  /** Stores events; see {@linkcode ReplayStore.append}. An own ID of the store's form is refused with `id-taken`. */
  append(events: readonly NewEvent[]): Promise<readonly AppendResult[]> {
    return this.#log.append(events);
  }

  /** Reads retained events; see {@linkcode ReplayStore.read}. Topics are compared here, not by the server. */
  read(after: number, options: ReadOptions): Promise<ReadResult> {
    return this.#log.read(after, options);
  }

  /** Hands over new events; see {@linkcode ReplayStore.tail}. */
  tail(handlers: TailHandlers): Promise<Tail> {
    return this.#log.tail(handlers);
  }

  /**
   * The ID of a position; see {@linkcode ReplayStore.idAt}.
   *
   * @throws {SseError} `backend-failed` before any other call has resolved: the engine knows the log's name for itself.
   */
  idAt(position: number): string {
    return this.#log.idAt(position);
  }

  /** The position of an ID; see {@linkcode ReplayStore.locate}. */
  locate(id: string): Promise<number | undefined> {
    return this.#log.locate(id);
  }

  /** The position to begin after; see {@linkcode ReplayStore.seek}. */
  seek(target: SeekTarget): Promise<number> {
    return this.#log.seek(target);
  }

  /** The newest removed position, whatever the topics; see {@linkcode ReplayStore.removed}. */
  removed(_topics: readonly string[]): Promise<number> {
    return this.#log.removed();
  }

  /** What the nodes on this log say; see {@linkcode ReplayStore.announce}. */
  announce(node: string, says: string | undefined, ttl: number): Promise<ReadonlyMap<string, string>> {
    return this.#log.announce(node, says, ttl);
  }

  /** Ends every tail, lets appends that wait fail, and closes the connection that was made here. */
  close(): Promise<void> {
    return this.#log.close();
  }
}
