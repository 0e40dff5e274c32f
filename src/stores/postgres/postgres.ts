/**
 * A replay store in PostgreSQL: many processes, one order. For clients of the
 * package `postgres`.
 *
 * An event survives what the server's settings make it survive: with
 * `synchronous_commit` at `on` and `fsync` on, as they are by default, all but
 * the loss of the disk. With `synchronous_commit = off` a crash loses what was
 * acknowledged in the last second or so, and a replica that takes over from a
 * server that did not wait for it (`synchronous_standby_names` is empty) may
 * lack what was acknowledged last. Where events are lost in such a way,
 * subscribers are told by a `gap`.
 *
 * @example Two brokers, of any two processes
 * ```ts ignore
 * import { Broker } from "@freshet/sse";
 * import { PostgresReplayStore } from "@freshet/sse/postgres";
 * import postgres from "postgres";
 *
 * const sql = postgres("postgres://localhost/app");
 * const store = new PostgresReplayStore(sql, { maxAge: 86_400_000 });
 * const broker = new Broker({ store });
 * await broker.publish("pets/dogs", { data: "woof" });
 * ```
 *
 * @module
 */
import { checkEngineOptions, type EngineStoreOptions } from "../log/engine_options.ts";
import { LogReplayStore, standOn } from "../log/store.ts";
import type { PostgresClient } from "./client.ts";
import { PostgresEngine } from "./engine.ts";

export type { EngineStoreOptions } from "../log/engine_options.ts";
export type { LogReplayStore } from "../log/store.ts";
export type { PostgresClient } from "./client.ts";

/** Options for {@linkcode PostgresReplayStore}. */
export interface PostgresReplayStoreOptions extends EngineStoreOptions {
  /**
   * Whether to use `LISTEN`, which needs a connection of its own and no pooler
   * in between that shares connections by transaction. Events are always read
   * from the table; a notification only says that there are some.
   *
   * @default {true}
   */
  readonly listen?: boolean | undefined;
  /**
   * How often to look for events that no notification told of, in
   * milliseconds, at least 1.
   *
   * @default 1,000, and 50 without `LISTEN`
   */
  readonly pollInterval?: number | undefined;
}

/**
 * Keeps events in tables that it makes where there are none; their names begin
 * with `freshet_`. Needs PostgreSQL 13 or later, and a role that may create
 * tables and functions in the first schema of its search path, once.
 *
 * A publish locks the log's row until its commit, so that positions are
 * committed in their order; what many publish at once is one statement. While
 * the server is away, publishes wait up to `timeout`, streams stay open, and
 * afterwards all goes on where it was. Events of some topics are found by an
 * index.
 */
export class PostgresReplayStore extends LogReplayStore {
  /**
   * Makes a store. Nothing is sent before the first call.
   *
   * @param client A client of `postgres`, best made with `fetch_types: false`: when a connection breaks off while it fetches
   * types, version 3.4 leaves a rejection that nobody handles. The store never closes it.
   * @param options The name, and how much to keep.
   * @throws {TypeError} If the client is none, or an option is unknown, as `maxEventsPerTopic` is here.
   * @throws {RangeError} If a number is out of bounds.
   */
  constructor(client: PostgresClient, options: PostgresReplayStoreOptions = {}) {
    const { listen = true, pollInterval = listen ? 1_000 : 50, ...common } = options;
    const checked = checkEngineOptions("PostgresReplayStore", common);
    if (typeof client?.unsafe !== "function" || typeof client.listen !== "function") {
      throw new TypeError(`Cannot make store as client must be one of postgres: got ${typeof client}`);
    }
    if (typeof listen !== "boolean") {
      throw new TypeError(`Cannot make store as listen must be true or false: got ${listen}`);
    }
    if (typeof pollInterval !== "number" || !(pollInterval >= 1)) {
      throw new RangeError(`Cannot make store as pollInterval must be a number >= 1: got ${pollInterval}`);
    }
    super();
    standOn(this, new PostgresEngine(client, checked, { listen, pollInterval }), checked);
  }
}
