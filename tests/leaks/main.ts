/**
 * What subscribers and connections leave behind: `main.ts subscriptions|connections COUNT [TENTHS] [WAY]`, a program of its
 * own, run with `gc()` (`--expose-gc`). So many come and go in every way, in rounds. After each way and each round the garbage
 * is collected and the heap is measured. It ends by itself, with 1 if something has been left.
 *
 * - `FRESHET_LEAK=1`: an empty object is kept of each item, on purpose. This must be found.
 */
import { runningTimers, wait, watchTimers } from "../chaos/own_timers.ts";
watchTimers();
import process from "node:process";
import { runtime } from "../support/runtime.ts";
import { Connections } from "./connections.ts";
import { median, slope } from "./figures.ts";
import { descriptors, type Holding, holding } from "./heap.ts";
import type { Coming } from "./coming.ts";
import { Living } from "./living.ts";
import { Subscriptions } from "./subscriptions.ts";

/**
 * What an item may leave behind, in bytes of the heap: less than one object. And by how much the heap of a runtime differs
 * from one measurement to the next: by what a runtime has not let go of yet, for each item of a batch, and by the rest.
 */
const BOUND = { item: 8, noiseOfBatch: 2_000 };
/** Of few connections it is mostly what is compiled and cached: there the count of what is alive tells more. */
const NOISE: Readonly<Record<string, { readonly all: number; readonly way: number }>> = {
  subscriptions: { all: 600_000, way: 40_000 },
  connections: { all: 1_500_000, way: 150_000 },
};
/** How many come at once, at most. */
const BATCH: Readonly<Record<string, number>> = { subscriptions: 500, connections: 100 };
/** In how many batches a way's share of a round comes, at least: what the last one leaves until the next comes is no leak. */
const BATCHES = 4;
/** How many objects of a kind may be alive at the end: a runtime may let go of the last ones when the next come. */
const LIVING = 10;
/** Descriptors that a runtime may open for itself in the course of time. */
const OWN_DESCRIPTORS = 4;
/** How long sockets may take to close, in milliseconds. */
const SOCKETS_MS = 20_000;

const [what = "subscriptions", items = "20000", rounds = "5", only] = process.argv.slice(2);
const living = new Living();
const coming: Coming = what === "connections" ? new Connections(living) : new Subscriptions(living);
const leaks = process.env["FRESHET_LEAK"] === "1";
const leaked = new Set<object>();
const failures: string[] = [];

const ways = Object.keys(coming.ways).filter((way) => only === undefined || way === only);
const atEach = Number(items) / Number(rounds) / ways.length;
const batch = Math.max(1, Math.min(BATCH[what]!, Math.round(atEach / BATCHES)));
const batches = Math.max(BATCHES, Math.ceil(atEach / batch));
const grown = new Map<string, number[]>(ways.map((way) => [way, []]));
const points: [number, number][] = [];
let done = 0;

const atFirst = await holding();
await coming.open();
// What is compiled and cached, and buffers that have grown
for (let i = 0; i < BATCHES; i++) for (const way of ways) await go(way, 1);
const before = await holding();
let last = before;
say(`before`, before);
points.push([0, before.heap]);
for (let round = 1; round <= Number(rounds); round++) {
  for (const way of ways) {
    await go(way, 1);
    const first = await settled();
    await go(way, batches - 1);
    last = await settled();
    grown.get(way)!.push((last.heap - first.heap) / (batch * (batches - 1)));
    done += batch * batches;
  }
  points.push([done, last.heap]);
  say(`after ${done}`, last);
}
await coming.close();
await comesTrue(() => runningTimers().length === 0 && (descriptors() ?? 0) <= (atFirst.descriptors ?? 0));
const atEnd = await holding();
say("closed", atEnd);

const all = slope(points);
console.log(`${runtime}, ${what}: ${done} in ${ways.length} ways, ${all.toFixed(2)} bytes each`);
for (const [way, values] of [...grown].sort((a, b) => median(b[1]) - median(a[1])).slice(0, only ? 1 : 8)) {
  console.log(`  ${median(values).toFixed(1)} bytes each: ${way}`);
}
const bound = BOUND.item + NOISE[what]!.all / done;
check(all <= bound, `each leaves ${all.toFixed(1)} bytes, more than ${bound.toFixed(1)}`);
const boundOfWay = BOUND.item + (NOISE[what]!.way + BOUND.noiseOfBatch * batch) / (batch * (batches - 1));
for (const [way, values] of grown) {
  const each = median(values);
  check(each <= boundOfWay, `"${way}" leaves ${each.toFixed(1)} bytes each, more than ${boundOfWay.toFixed(1)}`);
}
for (const [kind, count] of living.counts) {
  check(count <= LIVING, `${count} ${kind} of ${done} are not garbage, more than ${LIVING}`);
}
check(last.timers <= before.timers, `timers are left: ${last.timers}, ${before.timers} before`);
check(atEnd.timers === 0, `timers are left at the end: ${runningTimers().slice(0, 2)}`);
check(socketsLeft() <= 0, `${socketsLeft()} descriptors are left at the end`);
for (const failure of failures) console.log(`FAILED: ${failure}`);
process.exitCode = failures.length > 0 ? 1 : 0;

async function go(way: string, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    await coming.ways[way]!(batch);
    try {
      await coming.over();
    } catch (error) {
      throw new Error(`After "${way}": ${error}`, { cause: error });
    }
    if (leaks) { for (let i = 0; i < batch; i++) leaked.add({}); }
  }
}

/** What is held, once the sockets that were closed are gone. */
async function settled(): Promise<Holding> {
  if (!await comesTrue(() => socketsLeft() <= 0)) throw new Error(`${socketsLeft()} sockets are left open`);
  return await holding();
}

/** How many more descriptors are open than before, beyond what a runtime may have opened for itself. */
function socketsLeft(): number {
  return (descriptors() ?? 0) - (before.descriptors ?? 0) - OWN_DESCRIPTORS;
}

async function comesTrue(isSo: () => boolean): Promise<boolean> {
  for (const end = Date.now() + SOCKETS_MS; !isSo(); await wait(5)) if (Date.now() > end) return false;
  return true;
}

function check(isSo: boolean, failure: string): void {
  if (!isSo) failures.push(failure);
}

function say(when: string, { heap, rss, descriptors, timers, resources }: Holding): void {
  const counts = new Map<string, number>();
  for (const name of resources ?? []) counts.set(name, (counts.get(name) ?? 0) + 1);
  const kept = resources === undefined
    ? ""
    : `, ${Array.from(counts, ([name, count]) => `${count} ${name}`).join(" ")}`;
  const mega = (bytes: number): string => (bytes / 1e6).toFixed(2);
  const alive = Array.from(living.counts, ([kind, count]) => `${count} ${kind}`).join(" ");
  const open = `${descriptors ?? "?"} descriptors, ${timers} timers`;
  console.log(
    `${runtime} ${what} ${when}: heap ${mega(heap)} MB, RSS ${mega(rss)} MB, ${open}${kept}; alive: ${alive}`,
  );
}
