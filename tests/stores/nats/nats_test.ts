import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { after, before, describe, it } from "node:test";
import type { SseError } from "../../../mod.ts";
import { NatsReplayStore, type NatsReplayStoreOptions } from "../../../src/stores/nats/nats.ts";
import { engineStoreSuite } from "../../suites/engine_store_suite.ts";
import { replayStoreSuite } from "../../suites/replay_store_suite.ts";
import { type Engine, missing, natsServer, startEngine } from "../../support/engines.ts";

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

  replayStoreSuite("NatsReplayStore", (limits) => Promise.resolve(open(limits)), {
    removedByTopic: false,
  });

  it("keeps so many events of each topic, and tells readers of a topic alone what it has lost", async () => {
    const store = open({ maxEventsPerTopic: 2 });
    await store.append(["a", "b/c", "a", "a", "a"].map((topic, i) => ({ topics: [topic], data: String(i) })));
    await store.append([{ topics: ["a", "b/c"], data: "both" }, { topics: ["a"], data: "own", id: "own" }]);
    const { events, removed } = await store.read(0, { limit: 100 });
    assertEquals(events.map(({ data }) => data), ["1", "3", "4", "both", "own"]);
    assertEquals(removed, events[1]!.position - 1);
    const last = await store.seek({ last: 2, topics: ["a"] });
    assertEquals((await store.read(last, { topics: ["a"], limit: 9 })).events.map(({ data }) => data), ["both", "own"]);
    await store.close();
  });

  it("takes over a stream that was made with other limits, lower ones too", async () => {
    const before = open();
    await before.append([{ topics: ["a"], data: "1" }, { topics: ["a"], data: "2" }]);
    const after = new NatsReplayStore(jetstream(connection), { name: `test-${logs}`, maxAge: 60_000, maxEvents: 1 });
    assertEquals((await after.read(0, { limit: 9 })).events.map(({ data }) => data), ["2"]);
    await before.close();
    await after.close();
  });

  it("refuses an event above max_payload, says why, and takes the others", async () => {
    const store = open();
    const results = await store.append([
      { topics: ["a"], data: "1" },
      { topics: ["a"], data: "x".repeat(5 << 20) },
      { topics: ["a"], data: "2" },
    ]);
    assertEquals((results[1]!.error as SseError).code, "backend-failed");
    assertStringIncludes(results[1]!.error!.message, "max_payload");
    assertEquals((await store.read(0, { limit: 9 })).events.map(({ data }) => data), ["1", "2"]);
    await store.close();
  });

  it("stores in the order of the calls, from the first on, though several batches are under way", async () => {
    const store = open();
    const data = Array.from({ length: 1_000 }, (_, i) => String(i));
    const results = await Promise.all(data.map((data) => store.append([{ topics: ["a"], data }])));
    const events = [];
    for (let at = 0; events.length < data.length;) {
      const { events: more, position } = await store.read(at, { limit: 1_000 });
      events.push(...more);
      at = position;
    }
    assertEquals(events.map(({ data }) => data), data);
    assertEquals(events.map(({ id }) => id), results.map(([result]) => result!.id!));
    await store.close();
  });

  it("gives no two topics one subject", async () => {
    const store = open();
    const topics = ["a/b", "a.b", "a=2Fb", "a", "a/", "/a", "é/ü", "A", "a b", ">", "a>"];
    await store.append(topics.map((topic) => ({ topics: [topic], data: topic })));
    const { streams } = await jetstreamManager(connection);
    const { state } = await streams.info(`freshet_test-${logs}`, { subjects_filter: ">" });
    assertEquals(Object.keys(state.subjects!).length, topics.length);
    for (const topic of topics) {
      assertEquals((await store.read(0, { topics: [topic], limit: 99 })).events.map(({ data }) => data), [topic]);
    }
    await store.close();
  });

  it("takes no options that it cannot keep to", () => {
    for (
      const wrong of [{ maxEvents: 0 }, { maxEventsPerTopic: 0.5 }, { replicas: 0 }, { timeout: 0 }, { maxAge: -1 }]
    ) {
      assertThrows(() => open(wrong), RangeError);
    }
    for (const wrong of [{ name: "A" }, { storage: "disk" }, { retention: "all" }, { other: 1 }]) {
      assertThrows(() => open(wrong as never), TypeError);
    }
    assertThrows(() => new NatsReplayStore({} as never), TypeError);
  });
});

engineStoreSuite("NatsReplayStore", natsServer, async (url, log) => {
  const connection = await connect({ servers: url });
  const { streams } = await jetstreamManager(connection);
  await streams.delete(`freshet_${log}`);
  await connection.close();
});
