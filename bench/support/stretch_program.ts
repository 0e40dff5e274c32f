/**
 * One case of the stretch bench on one tree, in a process of its own: `stretch_program.ts ROOT CASE`. It prints a line of
 * JSON: how long the event loop was held, and whether the work was done in time.
 */
import process from "node:process";
import type { Broker, Chunk, Sink } from "../../mod.ts";
import { quantile } from "./compare.ts";

/** How long a case may take, in milliseconds. */
const MOST_MS = 40_000;
const LIVE = { subscribers: 20_000, events: 50 };
const CATCH_UP = { subscribers: 1_000, events: 200_000 };
const REMOVED = { topics: 100_000, events: 1_000, subscribers: 100 };

const [root = ".", name = ""] = process.argv.slice(2);
const core: typeof import("../../mod.ts") = await import(`${root}/mod.ts`);

/** What is measured, once everything is set up. */
type Work = () => Promise<unknown>;

const cases: Readonly<Record<string, () => Promise<Work>>> = {
  "fan-out, sinks": () => fanOut((broker, onEvent) => read(broker, "t", onEvent)),
  "fan-out, loops": () => fanOut((broker, onEvent) => loop(broker, "t", onEvent)),
  "catch-up, 64 patterns for all": () => catchUp(64, () => 0),
  "catch-up, 64 patterns each": () => catchUp(64, (i) => i),
  "catch-up, 256 patterns for all": () => catchUp(256, () => 0),
  "catch-up, 256 patterns each": () => catchUp(256, (i) => i),
  "catch-up, 64 patterns each that reach all": () => catchUp(64, (i) => i, greedy),
  "catch-up, one topic, loops": () => catchUp(1, () => 0, () => ["**"], loop),
  "catch-up, in the window, sinks": () => catchUp(1, () => 0, () => ["**"], read, 20_000),
  "catch-up, in the window, a topic each": () => catchUp(1, (i) => i, (i) => ["**", `own/${i}`], read, 20_000),
  "unknown ID, 64 topics": () => unknownId((i) => `removed/${i}/x`),
  "unknown ID, 64 patterns **": () => unknownId((i) => `removed/${i}/**`),
  "unknown ID, 64 patterns *": () => unknownId((i) => `removed/*/${i}`),
};

const work = await cases[name]!();
const { stretches, collected, done } = await meter(work);
console.log(JSON.stringify({
  p50: quantile(stretches, 0.5),
  p999: quantile(stretches, 0.999),
  max: stretches.reduce((most, ms) => Math.max(most, ms), 0),
  collected,
  ms: stretches.reduce((sum, ms) => sum + ms, 0),
  done,
}));
process.exit(0);

/** One event at a time to 20,000 who read. */
async function fanOut(subscribe: (broker: Broker, onEvent: () => void) => void): Promise<Work> {
  const broker = new core.Broker({ heartbeat: 0 });
  let left = 0;
  let wake = (): void => {};
  for (let i = 0; i < LIVE.subscribers; i++) subscribe(broker, () => --left === 0 && wake());
  const publish = (): Promise<void> => {
    left = LIVE.subscribers;
    return new Promise<void>((resolve) => {
      wake = resolve;
      void broker.publish("t", { data: "x".repeat(100) });
    });
  };
  await publish();
  return async () => {
    for (let i = 0; i < LIVE.events; i++) await publish();
  };
}

/** Those who begin at the log's beginning, until they have the last event. */
async function catchUp(
  count: number,
  set: (i: number) => number,
  patternsOf: (set: number, count: number) => readonly string[] = patterns,
  subscribe: typeof read | typeof loop = read,
  events = CATCH_UP.events,
): Promise<Work> {
  const broker = new core.Broker({
    heartbeat: 0,
    store: new core.MemoryReplayStore({ maxBytes: 1 << 29 }),
    maxTopics: 1_000,
  });
  const first = await publishMany(broker, events, (i) => `a/${i % 1_000}/${i % 7}`);
  await broker.publish("end", { data: "end" });
  return async () => {
    const all = Promise.withResolvers<void>();
    let left = CATCH_UP.subscribers;
    for (let i = 0; i < CATCH_UP.subscribers; i++) {
      const topics = ["end", ...patternsOf(set(i), count).slice(0, count)];
      subscribe(broker, topics, (data) => data === "end" && --left === 0 && all.resolve(), first);
      if (i % 10 === 9) await new Promise<void>((resolve) => setImmediate(resolve)); // they do not come all at once
    }
    await all.promise;
  };
}

/** Patterns of one set, each of which reaches a few events. */
function patterns(set: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `a/${(set * 7 + i) % 1_000}/*`);
}

/** Patterns of one set, each of which reaches all events. */
function greedy(set: number, count: number): string[] {
  const own = `own/${set}/`;
  const some = ["**", "a/**", "*/**", "*/*/**", "a/*/**", "*/*/*", "a/*/*"];
  return [...some, ...Array.from({ length: count }, (_, i) => `${own}${i}/**`)];
}

/** Those who come with an ID that nobody knows, where so many topics' events are gone. */
async function unknownId(topicOf: (i: number) => string): Promise<Work> {
  const broker = new core.Broker({
    heartbeat: 0,
    store: new core.MemoryReplayStore({ maxEvents: REMOVED.events }),
    windowBytes: 1 << 16,
  });
  await publishMany(broker, REMOVED.topics, (i) => `removed/${i}/${i % 1_000}`);
  await publishMany(broker, REMOVED.events - 1, (i) => `others/${i}`);
  await broker.publish("end", { data: "end" });
  let come = 0;
  const some = async (count: number): Promise<void> => {
    const all = Promise.withResolvers<void>();
    let left = count;
    for (let i = 0; i < count; i++) {
      const first = 63 * come++;
      const topics = ["end", ...Array.from({ length: 63 }, (_, j) => topicOf(first + j))];
      read(broker, topics, (data) => data === "end" && --left === 0 && all.resolve(), "of-another-server");
      if (i % 10 === 9) await new Promise<void>((resolve) => setImmediate(resolve)); // they do not come all at once
    }
    await all.promise;
  };
  await some(REMOVED.subscribers); // so that the code is compiled
  return () => some(REMOVED.subscribers);
}

/** @returns The first event's ID. */
async function publishMany(broker: Broker, count: number, topicOf: (i: number) => string): Promise<string> {
  let first = "";
  for (let i = 0; i < count; i += 1_000) {
    const calls = Array.from(
      { length: Math.min(1_000, count - i) },
      (_, j) => broker.publish(topicOf(i + j), { data: String(i + j) }),
    );
    const [id] = await Promise.all(calls);
    first ||= id!;
  }
  return first;
}

/** Reads by a sink that is never full. */
function read(broker: Broker, topics: string | string[], onEvent: (data: string) => void, lastEventId = ""): void {
  broker.subscribe(topics, { lastEventId }).attach(() => ({
    bufferedBytes: 0,
    write(chunk: Chunk) {
      if (chunk.bytes.length > 0) { for (const { delivery } of chunk.entries) onEvent(delivery.data); }
    },
    onceDrained: (callback: () => void) => queueMicrotask(callback),
    end() {},
    abort() {},
  } satisfies Sink));
}

/** Reads by a loop. */
async function loop(
  broker: Broker,
  topics: string | string[],
  onEvent: (data: string) => void,
  lastEventId = "",
): Promise<void> {
  for await (const { data } of broker.subscribe(topics, { lastEventId })) onEvent(data);
}

/**
 * How long the event loop was held each time, in milliseconds, while work was done. The smaller of time and processor time:
 * on a shared machine a process also waits for others. Where the runtime tells, what the garbage collector took is not in it.
 */
async function meter(work: Work): Promise<{ stretches: number[]; collected: number; done: boolean }> {
  const stretches: { readonly begin: number; readonly end: number; readonly held: number }[] = [];
  const collector = watchCollector();
  let isOver = false;
  let last = now();
  const tick = (): void => {
    const next = now();
    stretches.push({
      begin: last.time,
      end: next.time,
      held: Math.min(next.time - last.time, next.cpu - last.cpu),
    });
    last = next;
    if (!isOver) setImmediate(tick);
  };
  setImmediate(tick);
  const done = await Promise.race([
    work().then(() => true),
    new Promise<false>((resolve) => setTimeout(resolve, MOST_MS, false)),
  ]);
  isOver = true;
  await new Promise((resolve) => setTimeout(resolve, 10));
  const pauses = collector();
  let collected = 0;
  let at = 0;
  const own = stretches.map(({ begin, end, held }) => {
    while (at < pauses.length && pauses[at]!.startTime < begin) at++;
    let rest = held;
    for (; at < pauses.length && pauses[at]!.startTime < end; at++) rest -= pauses[at]!.duration;
    collected = Math.max(collected, held - rest);
    return Math.max(0, rest);
  });
  return { stretches: own, collected, done };
}

/** @returns Tells of the garbage collector's pauses since, in order; none where the runtime does not tell. */
function watchCollector(): () => readonly { readonly startTime: number; readonly duration: number }[] {
  if (!PerformanceObserver.supportedEntryTypes.includes("gc")) return () => [];
  const pauses: PerformanceEntry[] = [];
  const observer = new PerformanceObserver((list) => void pauses.push(...list.getEntries()));
  observer.observe({ entryTypes: ["gc"] });
  return () => pauses.sort((a, b) => a.startTime - b.startTime);
}

function now(): { time: number; cpu: number } {
  const { user, system } = process.cpuUsage();
  return { time: performance.now(), cpu: (user + system) / 1_000 };
}
