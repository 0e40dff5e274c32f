/**
 * How long the event loop is held where many are served at once: this tree beside an older commit, each case a process of its
 * own. `bun bench/stretch_bench.ts RUNTIME [--base COMMIT] [CASE…]`: a case by a part of its name.
 */
import { resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { BASE, checkOut } from "./support/base_tree.ts";
import { Child } from "./support/child.ts";

const CASES = [
  "fan-out, sinks",
  "fan-out, loops",
  "catch-up, 64 patterns for all",
  "catch-up, 64 patterns each",
  "catch-up, 256 patterns for all",
  "catch-up, 256 patterns each",
  "catch-up, 64 patterns each that reach all",
  "catch-up, one topic, loops",
  "catch-up, in the window, sinks",
  "catch-up, in the window, a topic each",
  "unknown ID, 64 topics",
  "unknown ID, 64 patterns **",
  "unknown ID, 64 patterns *",
];

/** How long the event loop was held, in milliseconds. */
interface Stretches {
  readonly p50: number;
  readonly p999: number;
  readonly max: number;
  /** The longest pause of the garbage collector, where the runtime tells: it is in none of the others. */
  readonly collected: number;
  /** In all. */
  readonly ms: number;
  readonly done: boolean;
}

const { values: { base }, positionals } = parseArgs({
  options: { base: { type: "string", default: BASE } },
  allowPositionals: true,
});
const [runtime = "node", ...wanted] = positionals;
const folder = base === "none" ? undefined : checkOut(base);
console.log(`\nHow long the event loop is held on ${runtime}, in ms: p99.9 (longest); seconds in all\n`);
console.log(`| case | ${base} | this tree |\n|---|---|---|`);
for (const name of CASES) {
  if (wanted.length > 0 && !wanted.some((part) => name.includes(part))) continue;
  const before = folder === undefined ? "" : await measure(folder, name);
  console.log(`| ${name} | ${before} | ${await measure(resolve("."), name)} |`);
}
process.exit(0);

async function measure(root: string, name: string): Promise<string> {
  const child = new Child(runtime, "bench/support/stretch_program.ts", [root, name]);
  const { p999, max, collected, ms, done } = await child.answer<Stretches>();
  return `${p999.toFixed(1)} (${max.toFixed(1)}${collected > 0 ? `, collector ${collected.toFixed(1)}` : ""}); ${
    (ms / 1e3).toFixed(1)
  } s${done ? "" : ", not done"}`;
}
