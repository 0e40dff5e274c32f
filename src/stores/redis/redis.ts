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
import { checkEngineOptions, type EngineStoreOptions } from "../log/engine_options.ts";
import { LogReplayStore, standOn } from "../log/store.ts";
import { connectionOf, type IoredisClient, type NodeRedisClient } from "./client.ts";
import { RedisEngine } from "./engine.ts";

export type { EngineStoreOptions } from "../log/engine_options.ts";
export type { LogReplayStore } from "../log/store.ts";
export type { IoredisClient, NodeRedisClient } from "./client.ts";

/** Options for {@linkcode RedisReplayStore}. */
export type RedisReplayStoreOptions = EngineStoreOptions;

/**
 * Keeps events in a Redis stream, and reads new ones with one connection of its
 * own for each process. Needs Redis 7 or later, or Valkey.
 *
 * Its keys begin with `freshet:{name}:`, all in one slot of a cluster. While
 * the server is away, publishes wait up to `timeout`, streams stay open, and
 * afterwards all goes on where it was. Readers of some topics are sent the whole
 * log: topics are compared here, not by the server.
 */
export class RedisReplayStore extends LogReplayStore {
  /**
   * Makes a store. Nothing is sent before the first call.
   *
   * @param client A client of `redis` or `ioredis`. The store makes a second connection from it, and closes that alone.
   * @param options The name, and how much to keep.
   * @throws {TypeError} If the client is neither, one of `createCluster` or `createSentinel` of `redis`, or an option is unknown, as `maxEventsPerTopic` is here.
   * @throws {RangeError} If a number is out of bounds.
   */
  constructor(client: NodeRedisClient | IoredisClient, options: RedisReplayStoreOptions = {}) {
    const checked = checkEngineOptions("RedisReplayStore", options);
    super();
    standOn(this, new RedisEngine(connectionOf(client), checked), checked);
  }
}
