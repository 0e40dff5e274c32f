/**
 * The SQLite store: publishes a second, and how long the event loop is held, with a second process that writes to the
 * same file: run with `deno task bench sqlite`.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { SqliteReplayStore } from "../src/stores/sqlite/sqlite.ts";
import { runtime } from "./support/compare.ts";
import { commandOf } from "./support/runtimes.ts";

const EVENTS = 100_000;
const UNDER_WAY = 1_000;

if (process.argv[2] === "write") {
  const store = new SqliteReplayStore(process.argv[3]!);
  for (;;) {
    await store.append([{ topics: ["other"], data: "x".repeat(200) }]);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

console.log(`\n### SQLite store (${runtime}; ${EVENTS} events of 200 bytes, ${UNDER_WAY} under way)\n`);
console.log("| durability | beside | events/s | event loop held, ms: p50 | p99 | longest |\n|---|---|---|---|---|---|");
for (const durability of ["process", "disk"] as const) {
  for (const beside of ["nobody", "a writer"]) {
    const folder = mkdtempSync(join(tmpdir(), "freshet-bench-"));
    const file = join(folder, "events.db");
    const store = new SqliteReplayStore(file, { durability, maxEvents: 50_000 });
    let writer;
    if (beside !== "nobody") {
      const [command, ...args] = commandOf(runtime, "bench/sqlite_bench.ts");
      writer = spawn(command!, [...args, "write", file], { stdio: "inherit" });
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    const held: number[] = [];
    let running = true;
    const measure = (async () => {
      for (let last = performance.now(); running;) {
        await new Promise((resolve) => setImmediate(resolve));
        const now = performance.now();
        held.push(now - last);
        last = now;
      }
    })();
    const start = performance.now();
    let sent = 0;
    await Promise.all(Array.from({ length: UNDER_WAY }, async () => {
      while (sent++ < EVENTS) await store.append([{ topics: ["a"], data: "x".repeat(200) }]);
    }));
    const took = performance.now() - start;
    running = false;
    await measure;
    writer?.kill();
    await store.close();
    rmSync(folder, { recursive: true });
    // Turns that did something: empty ones would hide them
    const busy = held.filter((ms) => ms > 0.2).sort((a, b) => a - b);
    const at = (part: number): string => (busy[Math.floor(busy.length * part)] ?? 0).toFixed(1);
    console.log(
      `| ${durability} | ${beside} | ${(EVENTS / took).toFixed(0)} k | ${at(0.5)} | ${at(0.99)} | ${
        busy.at(-1)?.toFixed(1)
      } |`,
    );
  }
}
process.exit(0);
