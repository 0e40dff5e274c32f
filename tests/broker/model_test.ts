import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import process from "node:process";
import { describe, it } from "node:test";
import { Broker, MemoryReplayStore, type ReplayStore, SseError } from "../../mod.ts";
import { matchesAny } from "../../src/topic.ts";
import { SEED } from "../support/seed.ts";
import { TestSink, turns } from "../support/test_sink.ts";
import { wrapStore } from "../support/wrap_store.ts";

const RUNS = Number(process.env.FRESHET_MODEL_RUNS ?? 400);
const TOPICS = ["a", "b", "a/x", "c"];
const SUBSCRIPTIONS = [["a"], ["b"], ["a/**"], ["*"], ["a", "b"], ["c", "a/*"]];

type Step =
  | { readonly do: "publish"; readonly topics: readonly string[]; readonly size: number; readonly own: boolean }
  | { readonly do: "republish" }
  | { readonly do: "subscribe"; readonly topics: readonly string[] }
  | { readonly do: "leave" | "resume" | "pause" | "drain"; readonly who: number }
  | { readonly do: "fail"; readonly how: "refuse" | "uncertain" | "read" }
  | { readonly do: "wait" };

const who = fc.nat({ max: 7 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant("publish" as const),
      topics: fc.uniqueArray(fc.constantFrom(...TOPICS), { minLength: 1, maxLength: 2 }),
      size: fc.constantFrom(1, 30, 200),
      own: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constant<Step>({ do: "republish" }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("subscribe" as const), topics: fc.constantFrom(...SUBSCRIPTIONS) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constantFrom("leave" as const, "resume", "pause", "drain"), who }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("fail" as const),
      how: fc.constantFrom("refuse" as const, "uncertain", "read"),
    }),
  },
  { weight: 4, arbitrary: fc.constant<Step>({ do: "wait" }) },
);

/** One client, over all its connections, and what the model knows of it. */
interface Client {
  readonly topics: readonly string[];
  /** Everything published before this is not its to get. */
  readonly from: number;
  sink: TestSink | undefined;
  lastEventId: string;
  /** What it received, by the number in the data; a gap as its reason. */
  readonly received: (number | string)[];
}

/** A store that fails when it is told to: refuses, or takes and does not say so. */
function failing(
  store: ReplayStore,
): { store: ReplayStore; next: { append?: "refuse" | "uncertain"; read?: boolean } } {
  const next: { append?: "refuse" | "uncertain"; read?: boolean } = {};
  return {
    next,
    store: wrapStore(store, {
      async append(events) {
        const how = next.append;
        delete next.append;
        if (how === "refuse") throw new Error("refused");
        const results = await store.append(events);
        if (how === "uncertain") throw new SseError("publish-uncertain", "Cannot tell");
        return results;
      },
      read(after, options) {
        if (next.read) {
          delete next.read;
          return Promise.reject(new Error("away"));
        }
        return store.read(after, options);
      },
    }),
  };
}

async function run(steps: readonly Step[], maxEvents: number, windowBytes: number): Promise<void> {
  const memory = new MemoryReplayStore({ maxEvents });
  const { store, next } = failing(memory);
  const broker = new Broker({ store, windowBytes, heartbeat: 0 });
  /** The naive model: everything that the store took, in its order. */
  const log: { readonly number: number; readonly topics: readonly string[] }[] = [];
  await memory.tail({
    onEvents: (events) => events.forEach(({ data, topics }) => log.push({ number: parseInt(data), topics })),
    onError: () => {},
    onLost: () => {},
  });
  const clients: Client[] = [];
  const pick = (who: number): Client | undefined => clients[who % Math.max(1, clients.length)];
  let published = 0;
  let uncertain: { readonly topics: readonly string[]; readonly data: string; readonly id: string } | undefined;
  const pending: Promise<unknown>[] = [];

  const connect = (client: Client): void => {
    const { topics, lastEventId } = client;
    client.sink = new TestSink(broker.subscribe(topics, { lastEventId, maxBufferedBytes: 300 }), { lastEventId });
  };
  const disconnect = (client: Client): void => {
    const { sink } = client;
    if (sink === undefined) return;
    sink.leave();
    client.sink = undefined;
    client.lastEventId = sink.lastEventId;
    client.received.push(
      ...sink.events.map(({ type, data }) => type === "gap" ? JSON.parse(data).reason : parseInt(data)),
    );
  };

  for (const step of steps) {
    switch (step.do) {
      case "publish": {
        const data = `${published}`.padEnd(step.size);
        const id = step.own ? `own-${published}` : undefined;
        published++;
        const call = broker.publish(step.topics, { data, id });
        pending.push(call.catch((error) => {
          assert(error instanceof SseError);
          if (error.code === "publish-uncertain" && id !== undefined) uncertain = { topics: step.topics, data, id };
        }));
        break;
      }
      case "republish":
        if (uncertain !== undefined) {
          const { topics, data, id } = uncertain;
          uncertain = undefined;
          await Promise.all(pending.splice(0));
          // An ID names one event for good: once retention has removed that, who holds the ID could not be told apart
          const isStored = log.some(({ number }) => number === parseInt(data));
          if (isStored && await memory.locate(id, topics) === undefined) break;
          await broker.publish(topics, { data, id }).catch(() => {});
        }
        break;
      case "subscribe": {
        // Its place is fixed in this turn: what is under way has to be in the log first
        await Promise.all(pending.splice(0));
        const client: Client = {
          topics: step.topics,
          from: log.length,
          sink: undefined,
          lastEventId: "",
          received: [],
        };
        clients.push(client);
        connect(client);
        await turns(1);
        break;
      }
      case "fail":
        if (step.how === "read") next.read = true;
        else next.append = step.how;
        break;
      case "wait":
        await turns(1);
        break;
      default: {
        const client = pick(step.who);
        if (client === undefined) break;
        if (step.do === "leave") disconnect(client);
        else if (step.do === "resume") {
          disconnect(client);
          connect(client);
        } else if (step.do === "pause") client.sink?.pause();
        else client.sink?.drain({ pause: step.who % 2 === 0 });
      }
    }
    for (const { sink } of clients) assert((sink?.bufferedBytes ?? 0) <= 600, "more than its budget and one event");
  }

  // Everyone comes back, and reads to the end
  delete next.append;
  delete next.read;
  await Promise.all(pending);
  for (const client of clients) if (client.sink === undefined) connect(client);
  const end = await broker.publish(TOPICS, { data: `${published}` });
  for (const { sink } of clients) {
    for (let tries = 0; sink!.data.at(-1)?.trim() !== `${published}`; tries++) {
      assert(tries < 400, `never got the last event ${end}: got ${sink!.data}`);
      sink!.drain();
      await turns(1);
    }
  }
  for (const client of clients) disconnect(client);

  for (const { topics, from, received } of clients) {
    const due = log.slice(from).filter((event) => matchesAny(topics, event.topics)).map(({ number }) => number);
    let at = 0;
    let gap: string | undefined;
    for (const number of received) {
      if (typeof number === "string") {
        gap = number;
        continue;
      }
      const found = due.indexOf(number, at);
      assert(found !== -1, `duplicate, reordered or foreign: ${number} in ${received} of ${due}`);
      assert(
        gap !== undefined || found === at,
        `lost without a gap: ${due.slice(at, found)} before ${number} in ${received}`,
      );
      // A publisher's own ID is forgotten with its event: then nothing may be missing. Any other gap is a true one
      assert(gap !== "expired" || found > at, `a false gap before ${number} in ${received} of ${due}`);
      at = found + 1;
      gap = undefined;
    }
    assertEquals(at, due.length);
  }

  await turns(1);
  assertEquals(broker.stats().subscribers, 0);
  assertEquals(broker.stats({ topics: true }).topics!.size, 0);
  await broker.close();
}

describe("Broker: against a naive model", () => {
  it("never loses, doubles, reorders or leaks, whatever happens in whatever order", { timeout: 300_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 10, maxLength: 80 }),
        fc.constantFrom(5, 30, 1_000),
        fc.constantFrom(0, 400, 100_000),
        run,
      ),
      { numRuns: RUNS, seed: SEED },
    );
  });
});
