import { assert, assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, type Chunk, MemoryReplayStore, type SubscribeOptions, type Subscriber } from "../../mod.ts";
import { TestSink, turns } from "../support/test_sink.ts";

/** Where code of one subscriber, or of the application, is called in the middle of others' business. */
const PLACES = [
  "filter",
  "map",
  "key",
  "snapshot",
  "write of the sink",
  "end of the sink",
  "onSubscribe",
  "onUnsubscribe",
  "onPublish",
  "onGap",
  "onError",
] as const;

type Place = typeof PLACES[number];

const POLICIES = ["replay", "close", "drop-oldest", "conflate"] as const;

/** What that code does there, once. */
const DEEDS: Readonly<Record<string, (scene: Scene) => void>> = {
  "throws": () => {
    throw new Error("thrown by the test");
  },
  "closes itself": ({ culprit }) => void culprit?.close("gone"),
  "closes another": ({ other }) => void other.close("gone"),
  "aborts its signal": ({ signals }) => signals.culprit.abort(),
  "aborts another's signal": ({ signals }) => signals.other.abort(),
  "publishes": ({ broker }) => void broker.publish("a", { data: "published by a deed" }),
  "subscribes": ({ broker, newcomers }) => {
    newcomers.push(new WatchedSink(broker.subscribe("a")));
  },
  "leaves": ({ sinks }) => sinks.culprit?.leave(),
  "lets another leave": ({ sinks }) => sinks.other.leave(),
};

/** A sink that knows when it is written to after its end: the outlet catches what a sink throws. */
class WatchedSink extends TestSink {
  writesAfterEnd = 0;
  onWrite = (): void => {};
  onEnd = (): void => {};

  override write(chunk: Chunk): void {
    if (this.ended || this.aborted) this.writesAfterEnd++;
    super.write(chunk);
    if (chunk.entries.length > 0) this.onWrite();
  }

  override end(): void {
    if (this.ended || this.aborted) this.writesAfterEnd++;
    super.end();
    this.onEnd();
  }
}

interface Scene {
  readonly broker: Broker;
  /** Whose code does the deed. */
  culprit: Subscriber | undefined;
  /** Whom a deed may harm on purpose. */
  readonly other: Subscriber;
  readonly signals: { readonly culprit: AbortController; readonly other: AbortController };
  readonly sinks: { culprit: WatchedSink | undefined; readonly other: WatchedSink };
  /** Those whom a deed has subscribed. */
  readonly newcomers: WatchedSink[];
}

/** Everybody else must get every event, whatever is done in a place, and nothing is written after an end. */
async function play(place: Place, deed: (scene: Scene) => void, overflow: typeof POLICIES[number]): Promise<void> {
  const store = new MemoryReplayStore();
  const log: string[] = [];
  await store.tail({
    onEvents: (events) => log.push(...events.map(({ data }) => data)),
    onError: () => {},
    onLost: () => {},
  });
  let isArmed = false;
  let hasDone = false;
  const at = (here: Place): void => {
    if (here !== place || !isArmed || hasDone) return;
    hasDone = true;
    deed(scene);
  };
  const broker = new Broker({
    store,
    heartbeat: 0,
    onSubscribe: (subscriber) => {
      if (isArmed) scene.culprit ??= subscriber;
      at("onSubscribe");
    },
    onUnsubscribe: () => at("onUnsubscribe"),
    onPublish: () => at("onPublish"),
    onGap: () => at("onGap"),
    onError: () => at("onError"),
  });
  const signals = { culprit: new AbortController(), other: new AbortController() };
  const bystand = (topics: string): WatchedSink => new WatchedSink(broker.subscribe(topics, { overflow }));
  const bystanders = [bystand("a"), bystand("*")];
  const other = broker.subscribe("a", { overflow, signal: signals.other.signal });
  const sinks = { culprit: undefined as WatchedSink | undefined, other: new WatchedSink(other) };
  const scene: Scene = { broker, culprit: undefined, other, signals, sinks, newcomers: [] };

  await broker.publish("a", { data: "0" }); // all are live now
  await turns(2);
  isArmed = true;
  const options: SubscribeOptions = {
    overflow,
    signal: signals.culprit.signal,
    maxBufferedBytes: 200,
    filter: () => {
      at("filter");
      if (place === "onError") throw new Error("what onError is told of");
      return true;
    },
    map: ({ data }) => {
      at("map");
      return { data };
    },
    ...(overflow === "conflate" && {
      key: (delivery) => {
        at("key");
        return delivery.data;
      },
    }),
    ...(place === "snapshot" && {
      snapshot: () => {
        at("snapshot");
        return [{ data: "state" }];
      },
    }),
    ...(place === "onGap" && { lastEventId: "never heard of" }),
  };
  scene.culprit = broker.subscribe("a", options);
  if (!hasDone || place !== "onSubscribe" || !scene.culprit.attached) {
    sinks.culprit = new WatchedSink(scene.culprit, { paused: place === "key" });
    sinks.culprit.onWrite = () => at("write of the sink");
    sinks.culprit.onEnd = () => at("end of the sink");
  }
  bystanders.push(bystand("a"), bystand("**"));

  await broker.publish("a", { data: "1" });
  await turns(1);
  for (let i = 2; i <= 6; i++) void broker.publish("a", { data: `${i}`.padEnd(60) }); // one turn: more than its budget
  await turns(2);
  if (place === "end of the sink" || place === "onUnsubscribe") void scene.culprit.close("kicked");
  for (let i = 7; i <= 12; i++) await broker.publish("a", { data: `${i}`.padEnd(60) });
  sinks.culprit?.drain();
  await broker.publish("a", { data: "13" });
  for (let left = 200; left > 0 && bystanders.some(({ data }) => data.at(-1) !== log.at(-1)); left--) await turns(1);

  assert(hasDone || place === "key" && overflow !== "conflate", "the deed was never done");
  bystanders.forEach(({ data }, i) => assertEquals(data, log.slice(i < 2 ? 0 : 1), `bystander ${i}`));
  for (const { data } of scene.newcomers) assertEquals(data, log.slice(log.length - data.length), "a newcomer");
  const harmed = sinks.other.events.filter(({ type }) => type === "message").map(({ data }) => data);
  assertEquals(harmed, log.slice(0, harmed.length), "another");
  const all = [...bystanders, ...scene.newcomers, sinks.other, ...(sinks.culprit ? [sinks.culprit] : [])];
  for (const sink of all) {
    assertEquals(sink.writesAfterEnd, 0, "written to after its end");
    const end = sink.events.findIndex(({ type }) => type === "close");
    assert(end === -1 || end === sink.events.length - 1, "events after the end");
  }
  await broker.close();
  assertEquals(broker.stats().subscribers, 0);
  await store.close();
}

describe("Broker: one subscriber and all others", () => {
  for (const place of PLACES) {
    for (const overflow of POLICIES) {
      it(`loses nobody an event, whatever is done in ${place} (${overflow})`, { timeout: 60_000 }, async () => {
        for (const [says, deed] of Object.entries(DEEDS)) {
          try {
            await play(place, deed, overflow);
          } catch (error) {
            throw new Error(`${place} ${says}: ${(error as Error).message}`, { cause: error });
          }
        }
      });
    }
  }
});
