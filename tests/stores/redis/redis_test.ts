import { assertThrows } from "@std/assert";
import { Redis } from "ioredis";
import { after, before, describe, it } from "node:test";
import { createClient, createCluster, createSentinel } from "redis";
import { RedisReplayStore, type RedisReplayStoreOptions } from "../../../src/stores/redis/redis.ts";
import { engineStoreSuite } from "../../suites/engine_store_suite.ts";
import { replayStoreSuite } from "../../suites/replay_store_suite.ts";
import { type Engine, missing, redisServer, startEngine } from "../../support/engines.ts";

const skip = missing(redisServer);

describe("RedisReplayStore on redis-server", { skip }, () => {
  let engine: Engine;
  let client: ReturnType<typeof createClient>;
  let ioredis: Redis;
  let logs = 0;
  const open = (options: RedisReplayStoreOptions = {}): RedisReplayStore =>
    new RedisReplayStore(client, { name: `test-${++logs}`, ...options });

  before(async () => {
    engine = await startEngine(redisServer);
    client = createClient({ url: engine.url });
    client.on("error", () => {});
    await client.connect();
    ioredis = new Redis(engine.url);
    ioredis.on("error", () => {});
  });

  after(async () => {
    client.destroy();
    ioredis.disconnect();
    await engine.stop();
  });

  replayStoreSuite("RedisReplayStore with redis", (limits) => Promise.resolve(open(limits)), {
    removedByTopic: false,
  });
  replayStoreSuite(
    "RedisReplayStore with ioredis",
    (limits) => Promise.resolve(new RedisReplayStore(ioredis, { name: `test-${++logs}`, ...limits })),
    { removedByTopic: false },
  );

  it("takes no options that it cannot keep to", () => {
    for (const wrong of [{ maxEvents: -1 }, { timeout: 0 }, { maxAge: NaN }]) {
      assertThrows(() => open(wrong), RangeError);
    }
    for (const wrong of [{ maxEventsPerTopic: 1 }, { name: "a:b" }, { retention: "all" }]) {
      assertThrows(() => open(wrong as never), TypeError);
    }
    assertThrows(() => new RedisReplayStore({} as never), TypeError);
  });

  it("refuses a client whose commands go to several servers, when it is made", () => {
    const cluster = createCluster({ rootNodes: [{ url: engine.url }] });
    const sentinel = createSentinel({ name: "main", sentinelRootNodes: [{ host: "127.0.0.1", port: engine.port }] });
    for (const client of [cluster, sentinel]) assertThrows(() => new RedisReplayStore(client as never), TypeError);
  });
});

engineStoreSuite("RedisReplayStore", redisServer, async (url) => {
  const client = createClient({ url });
  await client.connect();
  await client.flushAll();
  client.destroy();
}, ["redis", "ioredis"]);
