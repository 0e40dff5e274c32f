/**
 * What the regression bench measures, written against the public names of any tree of this repository. Each case is a server
 * or a loop, made once in a process of its own, that does a round of work again and again.
 */
import type { Chunk, MemoryReplayStoreOptions, Sink } from "../../mod.ts";
import type { ServeHandler, ServeOptions, Server } from "../../src/server/serve_options.ts";

/** A tree's public names. */
export interface Tree {
  readonly core: typeof import("../../mod.ts");
  readonly serve: (handler: ServeHandler, options: ServeOptions) => Promise<Server>;
}

/** What the client says while a round is under way. */
export interface Told {
  /** How many turns have arrived, since the process began. */
  readonly acked: number;
  /** Resolves when it says more. */
  more(): Promise<void>;
}

export interface Case {
  /** The port, if it is a server. */
  readonly port?: number;
  /** The ID after which clients resume, for cases of resuming. */
  readonly resume?: string;
  /** Does a round of work, and resolves with how much that was. */
  round(told: Told): Promise<number>;
}

/** How long a round of publishing lasts, in milliseconds. */
const ROUND_MS = 500;
/** Turns that may be under way: enough that the server never waits for the client, and bounded. */
const TURNS_UNDER_WAY = 4;
/** Events of a batch that is published in one turn of the event loop, in the cases without sockets. */
const BATCH = 100;
/** What clients that resume have missed, in events. */
const MISSED = { window: 200, deep: 100_000 };
/** How many subscribers come back at once, in the case without sockets. */
const RESUMING = 1_000;
const DATA = `{"t":"${"0".repeat(16)}","pad":"${"x".repeat(56)}"}`;

/** By name. Those of real sockets are read by as many clients as `clients` says. */
export const cases: Readonly<Record<string, (tree: Tree, clients: number) => Promise<Case>>> = {
  "fan-out": (tree, clients) => fanOut(tree, clients, 1),
  "fan-out-16": (tree, clients) => fanOut(tree, clients, 16),
  "publish": publishToNobody,
  "publish-loop": publishToLoop,
  "resume-window": resumeWindow,
  "resume-sinks": resumeSinks,
  "resume-deep": resumeDeep,
  "idle": (tree, clients) => fanOut(tree, clients, 1),
};

/** Publishes so many events a turn for half a second, to whatever the clients' paths subscribe to. */
async function fanOut({ core, serve }: Tree, clients: number, perTurn: number): Promise<Case> {
  const broker = new core.Broker({ heartbeat: 0 });
  const topics = (request: Request): string[] => new URL(request.url).searchParams.getAll("topic");
  const { url } = await serve(core.createHandler(broker, { topics }), { port: 0 });
  let turns = 0;
  const round = async (told: Told): Promise<number> => {
    const before = turns;
    for (const end = performance.now() + ROUND_MS; performance.now() < end;) {
      turns++;
      for (let i = 0; i < perTurn; i++) void broker.publish("global", { data: DATA });
      // The turn ends, and with it what waits for its end: nobody gathers two turns in one write
      for (let i = 0; i < 2; i++) await new Promise<void>((resolve) => setImmediate(resolve));
      while (turns - told.acked >= TURNS_UNDER_WAY) await told.more();
    }
    while (told.acked < turns) await told.more();
    return (turns - before) * perTurn * clients;
  };
  return { port: Number(new URL(url).port), round };
}

// deno-lint-ignore require-await
async function publishToNobody({ core }: Tree): Promise<Case> {
  const broker = new core.Broker({ heartbeat: 0, store: smallStore(core) });
  return { round: () => publishing((calls) => Promise.all(calls), broker) };
}

// deno-lint-ignore require-await
async function publishToLoop({ core }: Tree): Promise<Case> {
  const broker = new core.Broker({ heartbeat: 0, store: smallStore(core) });
  let got = 0;
  let wanted = 0;
  let wake = (): void => {};
  const subscriber = broker.subscribe("t");
  void (async () => {
    for await (const _ of subscriber) if (++got === wanted) wake();
  })();
  const arrived = (calls: readonly Promise<string>[]): Promise<void> => {
    wanted += calls.length;
    return new Promise<void>((resolve) => wake = resolve);
  };
  return { round: () => publishing(arrived, broker) };
}

/** 1,000 connections, say, that come back and have missed 200 events, which the window has. */
async function resumeWindow({ core, serve }: Tree, clients: number): Promise<Case> {
  const broker = new core.Broker({ heartbeat: 0 });
  const { url } = await serve(core.createHandler(broker, { topics: "t" }), { port: 0 });
  const resume = await broker.publish("t", { data: DATA });
  const missed = Array.from({ length: MISSED.window - 1 }, () => broker.publish("t", { data: DATA }));
  await Promise.all([...missed, broker.publish("t", { data: "the last" })]);
  let told = 0;
  const round = async ({ acked, more }: Told): Promise<number> => {
    if (acked === told) await more(); // once all clients have got the last event
    told++;
    return clients * MISSED.window;
  };
  return { port: Number(new URL(url).port), resume, round };
}

/** The same without sockets, which cost more than the rest. */
async function resumeSinks({ core }: Tree): Promise<Case> {
  const broker = new core.Broker({ heartbeat: 0 });
  const lastEventId = await broker.publish("t", { data: DATA });
  await Promise.all(Array.from({ length: MISSED.window }, () => broker.publish("t", { data: DATA })));
  const round = async (): Promise<number> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    let reading = RESUMING;
    const subscribers = Array.from({ length: RESUMING }, () => {
      const subscriber = broker.subscribe("t", { lastEventId });
      let missed = MISSED.window;
      subscriber.attach(() => swift((chunk) => (missed -= chunk.entries.length) > 0 || --reading > 0 || resolve()));
      return subscriber;
    });
    await promise;
    for (const subscriber of subscribers) await subscriber.close();
    return RESUMING * MISSED.window;
  };
  return { round };
}

/** One subscriber that has missed 100,000 events, most of which are below the window. */
async function resumeDeep({ core }: Tree): Promise<Case> {
  const broker = new core.Broker({ heartbeat: 0 });
  const lastEventId = await broker.publish("t", { data: DATA });
  for (let i = 0; i < MISSED.deep; i += 1_000) {
    await Promise.all(Array.from({ length: 1_000 }, () => broker.publish("t", { data: DATA })));
  }
  const round = async (): Promise<number> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const subscriber = broker.subscribe("t", { lastEventId });
    let missed = MISSED.deep;
    subscriber.attach(() => swift((chunk) => (missed -= chunk.entries.length) > 0 || resolve()));
    await promise;
    await subscriber.close();
    return MISSED.deep;
  };
  return { round };
}

/** Publishes batches until the round is over; each waits until the one before it has arrived. */
async function publishing(
  arrived: (calls: Promise<string>[]) => Promise<unknown>,
  broker: { publish(topic: string, event: { data: string }): Promise<string> },
): Promise<number> {
  let published = 0;
  for (const end = performance.now() + ROUND_MS; performance.now() < end; published += BATCH) {
    await arrived(Array.from({ length: BATCH }, () => broker.publish("t", { data: DATA })));
  }
  return published;
}

/** Of a size that stays the same, however many events are published. */
function smallStore({ MemoryReplayStore }: Tree["core"]): InstanceType<typeof MemoryReplayStore> {
  const options: MemoryReplayStoreOptions = { maxEvents: 10_000 };
  return new MemoryReplayStore(options);
}

/** A sink that is never full. It needs the bytes, as one of a socket does. */
function swift(onChunk: (chunk: Chunk) => void): Sink {
  let bytes = 0;
  return {
    bufferedBytes: 0,
    write(chunk) {
      bytes += chunk.bytes.length;
      onChunk(chunk);
    },
    onceDrained: (callback) => queueMicrotask(callback),
    end() {},
    abort() {},
  };
}
