/** What this module needs of a client of the package `redis` (version 5 or later). Bring your own, connected. */
export interface NodeRedisClient {
  /** Whether commands go to the server at once. */
  readonly isReady: boolean;
  /** Sends a command as it is. */
  sendCommand(args: readonly string[]): Promise<unknown>;
  /** Another client with the same options, not connected. */
  duplicate(): NodeRedisClient;
  /** Connects. */
  connect(): Promise<unknown>;
  /** Ends the connection at once. */
  destroy(): void;
  /** Listens. */
  on(event: "error", listener: (error: Error) => void): unknown;
}

/** What this module needs of a client of the package `ioredis` (version 5 or later). Bring your own. */
export interface IoredisClient {
  /** `"ready"` when commands go to the server at once. */
  readonly status: string;
  /** Sends a command as it is. */
  call(command: string, ...args: string[]): Promise<unknown>;
  /** Another client with the same options, which connects by itself. */
  duplicate(): IoredisClient;
  /** Ends the connection at once. */
  disconnect(): void;
  /** Listens. */
  on(event: "error", listener: (error: Error) => void): unknown;
}

/** One connection to a Redis server, whichever library made it. It reconnects by itself. */
export interface RedisConnection {
  readonly isReady: boolean;
  call(command: string, ...args: string[]): Promise<unknown>;
  /** A connection for itself, for commands that block. */
  duplicate(onError: (error: unknown) => void): RedisConnection;
  /** Ends a connection that was made by `duplicate`. */
  destroy(): void;
}

/**
 * Takes a client of either library: `redis` has `sendCommand`, taking a list, and `ioredis` has `call`.
 *
 * @throws {TypeError} If it is neither, or of a cluster or sentinel of `redis`, whose commands go to several servers.
 */
export function connectionOf(client: NodeRedisClient | IoredisClient): RedisConnection {
  if (typeof client !== "object" || client === null) {
    throw new TypeError(`Cannot make store as client must be one of redis or ioredis: got ${typeof client}`);
  }
  if ("call" in client && typeof client.call === "function") return ofIoredis(client);
  const made = "slots" in client ? "createCluster" : "acquire" in client ? "createSentinel" : undefined;
  if (made !== undefined) {
    throw new TypeError(
      `Cannot make store as client must be made by createClient of redis, or by ioredis: got ${made}`,
    );
  }
  if ("isReady" in client && typeof client.sendCommand === "function") return ofNodeRedis(client);
  throw new TypeError(
    "Cannot make store as client must be one of redis or ioredis: got an object without their methods",
  );
}

function ofNodeRedis(client: NodeRedisClient): RedisConnection {
  return {
    get isReady() {
      return client.isReady;
    },
    call: (...args) => client.sendCommand(args),
    duplicate(onError) {
      const own = client.duplicate();
      own.on("error", onError);
      own.connect().catch(onError);
      return ofNodeRedis(own);
    },
    destroy: () => client.destroy(),
  };
}

function ofIoredis(client: IoredisClient): RedisConnection {
  return {
    get isReady() {
      return client.status === "ready";
    },
    call: (command, ...args) => client.call(command, ...args),
    duplicate(onError) {
      const own = client.duplicate();
      own.on("error", onError);
      return ofIoredis(own);
    },
    destroy: () => client.disconnect(),
  };
}
