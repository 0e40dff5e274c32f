import { Redis } from "ioredis";
import { RedisReplayStore } from "../../src/stores/redis/redis.ts";
import { type OpenStore, openStore, type StoreLimits } from "../../src/cli/store.ts";

/** Opens a store as `--store` does, and with the client `ioredis` by `ioredis://…`. */
export function openTestStore(url: string, limits: StoreLimits): Promise<OpenStore> {
  if (!url.startsWith("ioredis:")) return openStore(url, limits, () => {});
  const client = new Redis(url.slice(2));
  client.on("error", () => {});
  const store = new RedisReplayStore(client, limits);
  return Promise.resolve({
    store,
    async close() {
      await store.close();
      client.disconnect();
    },
  });
}
