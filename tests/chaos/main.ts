/**
 * Chaos, by seed, as a program of its own: it must end by itself, as nothing may be left that keeps it.
 *
 * - `FRESHET_CHAOS_RUNS=200` runs so many seeds, the first of them `FRESHET_SEED`.
 * - `FRESHET_CHAOS_MINUTES=60` runs new seeds for so long, goes on after failures, and lists the seeds that failed.
 */
import { runningTimers, wait, watchTimers } from "./own_timers.ts";
watchTimers();
import process from "node:process";
import { runtime } from "../support/runtime.ts";
import { SEED } from "../support/seed.ts";
import { add, run, type RunResult } from "./run.ts";
import { catchAll } from "./uncaught.ts";

/** How many steps are told of a run that failed. */
const TOLD_STEPS = Number(process.env["FRESHET_CHAOS_STEPS"] ?? 40);
/** A run that takes longer hangs. */
const RUN_MS = 120_000;

const minutes = Number(process.env["FRESHET_CHAOS_MINUTES"] ?? 0);
const runs = minutes > 0 ? Infinity : Number(process.env["FRESHET_CHAOS_RUNS"] ?? 10);
const end = Date.now() + minutes * 60_000;
const counts: Record<string, number> = {};
const failed: number[] = [];

catchAll();
for (let i = 0; i < runs && (minutes === 0 || Date.now() < end); i++) {
  const seed = (SEED + i) % 2 ** 31;
  const result = await bounded(seed);
  for (const [name, count] of Object.entries(result.counts)) add(counts, name, count);
  if (result.failures.length === 0) continue;
  failed.push(seed);
  console.log(report(seed, result));
  if (minutes === 0) break;
}
console.log(`${runtime}: ${counts["runs"] ?? 0} runs from seed ${SEED}: ${JSON.stringify(counts)}`);
console.log(failed.length === 0 ? "no run failed" : `${failed.length} failed: seeds ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;

async function bounded(seed: number): Promise<RunResult> {
  const late = Promise.withResolvers<RunResult>();
  const watch = new AbortController();
  void (async () => {
    for (const from = Date.now(); !watch.signal.aborted; await wait(100)) {
      if (Date.now() - from < RUN_MS) continue;
      return late.resolve({ failures: ["the run hangs", ...runningTimers()], steps: [], counts: {} });
    }
  })();
  try {
    return await Promise.race([run(seed), late.promise]);
  } finally {
    watch.abort();
  }
}

function report(seed: number, { failures, steps }: RunResult): string {
  const first = steps.findIndex((step) => step.includes("FAILED"));
  const told = first === -1 ? steps : steps.slice(0, first + 1);
  return [
    `\nseed ${seed} failed on ${runtime}; the last steps:`,
    ...told.slice(-TOLD_STEPS).map((step) => step.slice(0, 400)),
    "failures:",
    ...failures.slice(0, 8).map((failure) => `- ${failure.slice(0, 1_500)}`),
    `again: FRESHET_SEED=${seed} FRESHET_CHAOS_RUNS=1 (tests/chaos/main.ts)`,
  ].join("\n");
}
