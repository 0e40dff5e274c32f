/**
 * The long form of the format's random tests, by hand: `deno task fuzz [--seed N] [--streams N] [--events N]`. Each batch
 * draws from its own place in the seed, so a run that was stopped goes on with `--stream-batch` and `--event-batch`, as its
 * last line says.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { fuzzEvents } from "./fuzz_events.ts";
import { fuzzStreams } from "./fuzz_streams.ts";

const STREAM_BATCH = 10_000;
const EVENT_BATCH = 200;
/** How often a line is printed, in milliseconds. */
const PROGRESS_MS = 10_000;

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    streams: { type: "string", default: "10000000" },
    events: { type: "string", default: "1000000" },
    "stream-batch": { type: "string", default: "0" },
    "event-batch": { type: "string", default: "0" },
  },
});
const seed = wholeNumber("seed");
const progress = { streams: wholeNumber("stream-batch"), events: wholeNumber("event-batch") };
const start = performance.now();
let printed = start;
const totals: Record<string, number> = {};

console.log(`fuzz: seed ${seed}`);
for (const batches = Math.ceil(wholeNumber("streams") / STREAM_BATCH); progress.streams < batches; progress.streams++) {
  report();
  for (const [what, count] of Object.entries(fuzzStreams(seed, progress.streams, STREAM_BATCH))) {
    totals[what] = (totals[what] ?? 0) + count;
  }
}
for (const batches = Math.ceil(wholeNumber("events") / EVENT_BATCH); progress.events < batches; progress.events++) {
  report();
  totals["events that four parsers read"] = (totals["events that four parsers read"] ?? 0) + EVENT_BATCH;
  totals["of them with data"] = (totals["of them with data"] ?? 0) +
    await fuzzEvents(seed, progress.events, EVENT_BATCH);
}
console.log(`fuzz: no difference; seed ${seed}, ${seconds()} s`);
for (const [what, count] of Object.entries(totals)) console.log(`${what}: ${count.toLocaleString("en")}`);

function report(): void {
  if (performance.now() - printed < PROGRESS_MS) return;
  printed = performance.now();
  const { streams, events } = progress;
  console.log(
    `${seconds()} s: ${(streams * STREAM_BATCH).toLocaleString("en")} streams, ` +
      `${(events * EVENT_BATCH).toLocaleString("en")} events; ` +
      `to go on from here: --seed ${seed} --stream-batch ${streams} --event-batch ${events}`,
  );
}

function seconds(): string {
  return ((performance.now() - start) / 1_000).toFixed(0);
}

function wholeNumber(name: keyof typeof values): number {
  const number = Number(values[name].replaceAll("_", ""));
  if (Number.isSafeInteger(number) && number >= 0) return number;
  console.error(`Option --${name} must be a whole number: got ${values[name]}`);
  process.exit(2);
}
