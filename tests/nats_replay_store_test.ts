import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { after, before, describe } from "node:test";
import { NatsReplayStore, type NatsReplayStoreOptions } from "../src/backends/nats.ts";
import { engineStoreSuite } from "./suites/engine_store_suite.ts";
import { replayStoreSuite } from "./suites/replay_store_suite.ts";
import { type Engine, missing, natsServer, startEngine } from "./support/engines.ts";

const skip = missing(natsServer);

describe("NatsReplayStore on nats-server", { skip }, () => {
  let engine: Engine;
  let connection: NatsConnection;
  let logs = 0;
  const open = (options: NatsReplayStoreOptions = {}): NatsReplayStore =>
    new NatsReplayStore(jetstream(connection), { name: `test-${++logs}`, ...options });

  before(async () => {
    engine = await startEngine(natsServer);
    connection = await connect({ servers: engine.url, maxReconnectAttempts: -1 });
  });

  after(async () => {
    await connection.close();
    await engine.stop();
  });

  replayStoreSuite("NatsReplayStore", (limits) => Promise.resolve(open(limits)));
});

engineStoreSuite("NatsReplayStore", natsServer, async (url, log) => {
  const connection = await connect({ servers: url });
  const { streams } = await jetstreamManager(connection);
  await streams.delete(`freshet_${log}`);
  await connection.close();
});
