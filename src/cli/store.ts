import { MemoryReplayStore } from "../stores/memory.ts";
import type { ReplayStore } from "../stores/replay_store.ts";
import { UsageError } from "./options.ts";

/** How long a database may take to answer for the first time, in milliseconds. */
const REACH_MS = 10_000;
/**
 * After how much silence a client makes another connection, in milliseconds: a server may die while it is connected to, and
 * the clients wait half a minute for it, or for ever. Less than a publish waits.
 */
const SILENT_MS = 4_000;

/** What every store takes. */
export interface StoreLimits {
  readonly name?: string | undefined;
  readonly maxEvents?: number | undefined;
  readonly maxAge?: number | undefined;
  readonly maxBytes?: number | undefined;
  readonly retention?: "none" | undefined;
  readonly timeout?: number | undefined;
}

/** A store, and how to let go of it and of its client. */
export interface OpenStore {
  readonly store: ReplayStore;
  close(): Promise<void>;
}

/** What `--store` may be. */
export const STORES = "memory|sqlite:FILE|redis://…|nats://…|postgres://…";

/** Whether processes can share a store. */
export function isShared(where: string): boolean {
  return where !== "memory" && where !== "sqlite::memory:";
}

/**
 * Opens the store that a text names.
 *
 * @param onError Hears of connections that are lost, for as long as the store is open.
 * @throws {UsageError} If it names none, or its library is not installed.
 */
export async function openStore(
  where: string,
  limits: StoreLimits,
  onError: (error: unknown) => void,
): Promise<OpenStore> {
  const { maxEvents, maxAge, maxBytes } = limits;
  const [, scheme, rest] = /^(\w+):(.+)$/.exec(where) ?? [];
  if (where === "memory") return closing(new MemoryReplayStore({ maxEvents, maxAge, maxBytes }));
  switch (scheme) {
    case "sqlite": {
      const { SqliteReplayStore } = await import("../stores/sqlite/sqlite.ts"); // only who asks for it needs node:sqlite
      try {
        return closing(
          new SqliteReplayStore(rest!, { name: limits.name, maxEvents, maxAge, maxBytes, retention: limits.retention }),
        );
      } catch (error) {
        throw new Error(`Cannot open ${rest}: ${(error as Error).message}`, { cause: error });
      }
    }
    case "redis":
    case "rediss": {
      const { RedisReplayStore } = await import("../stores/redis/redis.ts");
      const { createClient } = await import("redis").catch(missing("redis"));
      const client = createClient({
        url: where,
        socket: { socketTimeout: SILENT_MS, reconnectStrategy: (retries) => Math.min(50 * 2 ** retries, 2_000) },
      });
      client.on("error", onError);
      void client.connect().catch(() => {}); // it tries again by itself, and tells onError
      // An idle connection must not be a silent one. The client's own pingInterval goes on after destroy(), for ever
      const pinging = setInterval(() => client.isReady && void client.ping().catch(() => {}), SILENT_MS / 2);
      const destroy = (): void => {
        clearInterval(pinging);
        client.destroy();
      };
      await reach(where, () => client.isReady ? Promise.resolve() : Promise.reject(new Error("it does not answer")))
        .catch((error) => {
          destroy();
          throw error;
        });
      return closing(new RedisReplayStore(client, limits), () => Promise.resolve(destroy()));
    }
    case "nats":
    case "tls": {
      const { NatsReplayStore } = await import("../stores/nats/nats.ts");
      const { connect } = await import("@nats-io/transport-node").catch(missing("@nats-io/transport-node"));
      const { jetstream } = await import("@nats-io/jetstream").catch(missing("@nats-io/jetstream"));
      const { host, username, password } = new URL(where.replace(/^\w+/, "http"));
      const user = decodeURIComponent(username);
      const options = {
        servers: `${scheme}://${host}`,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 250,
        timeout: SILENT_MS,
        noAsyncTraces: true, // NatsReplayStore says why
        ...(user !== "" && (password === "" ? { token: user } : { user, pass: decodeURIComponent(password) })),
      };
      const connection = await reach(where, () => connect(options));
      return closing(new NatsReplayStore(jetstream(connection), limits), () => connection.close());
    }
    case "postgres":
    case "postgresql": {
      const { PostgresReplayStore } = await import("../stores/postgres/postgres.ts");
      const { default: postgres } = await import("postgres").catch(missing("postgres"));
      const sql = postgres(where, {
        connect_timeout: SILENT_MS / 1_000,
        onnotice: () => {},
        fetch_types: false, // PostgresReplayStore says why
      });
      return closing(new PostgresReplayStore(sql, limits), () => sql.end({ timeout: 1 }));
    }
    default:
      throw new UsageError(`--store must be ${STORES}: got ${where}`);
  }
}

function closing(store: ReplayStore, close: () => Promise<unknown> = () => Promise.resolve()): OpenStore {
  return {
    store,
    async close() {
      await store.close();
      await close();
    },
  };
}

/** Tries until it works: whoever is started with its database need not be the second. */
async function reach<T>(where: string, attempt: () => Promise<T>): Promise<T> {
  for (const deadline = performance.now() + REACH_MS;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > deadline) {
        const why = error instanceof Error ? error.message : String(error);
        throw new Error(`Cannot reach ${where.replace(/\/\/.*@/, "//…@")}: ${why}`, { cause: error });
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** A bundler leaves out what it does not find if its absence is caught where it is imported. */
function missing(name: string): (error: unknown) => never {
  return (error) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`This store needs the package ${name}: npm install ${name} (${why})`);
  };
}
