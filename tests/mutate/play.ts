/** Runs test files in the copy of the tree, with a mutant turned on or with none. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { runner } from "../../bench/support/runtimes.ts";

/** How a run ended. */
export interface Play {
  readonly outcome: "passed" | "failed" | "endless" | "too much memory";
  readonly ms: number;
  /** What it printed, the end of it. */
  readonly text: string;
  /** How often each mutant's place was reached, if that was asked for. */
  readonly reached: Readonly<Record<string, number>>;
}

/** What to run and how. */
export interface Playing {
  readonly root: string;
  readonly runtime: string;
  readonly files: readonly string[];
  readonly mutant?: string;
  /** After so many milliseconds it is taken to be endless, and a test that names no time of its own too. */
  readonly timeout: number;
  readonly testTimeout: number;
  /** How often the mutant's place may be reached. */
  readonly hits?: number;
  /** Where to write what was reached. */
  readonly reached?: string;
}

/** Random tests play the same each time, and shortly. */
const SHORT: Readonly<Record<string, string>> = {
  FRESHET_SEED: "1",
  FRESHET_MODEL_RUNS: "40",
  FRESHET_CLIENT_CHAOS_RUNS: "40",
  FRESHET_FUZZ_RUNS: "2000",
};

const MAX_BYTES = 2_000_000_000;

const commands: Readonly<Record<string, (testTimeout: number) => string[]>> = {
  bun: (testTimeout) => [
    ...[...runner("bun", "1.4"), "test", "--bail", `--timeout=${testTimeout}`],
    ...["--preload", "./tests/mutate/harness.ts"],
  ],
  deno: () => [
    ...[process.execPath, "test", "-A", "--quiet", "--no-check", "--fail-fast"],
    ...["--preload", "./tests/mutate/harness.ts"],
  ],
};

const running = new Set<ChildProcess>();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    for (const child of running) kill(child);
    process.exit(1);
  });
}

/** Runs them until one fails. */
export async function play(
  { root, runtime, files, mutant, timeout, testTimeout, hits, reached }: Playing,
): Promise<Play> {
  const start = performance.now();
  const [command, ...args] = [...commands[runtime]!(testTimeout), ...files.map((file) => `./${file}`)];
  const child = spawn(command!, args, {
    cwd: root,
    detached: true, // so that it can be ended with all that it has started
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      ...SHORT,
      ...(mutant === undefined ? {} : { FRESHET_MUTANT: mutant }),
      ...(hits === undefined ? {} : { FRESHET_MUTANT_HITS: String(hits) }),
      ...(reached === undefined ? {} : { FRESHET_MUTANT_REACHED: reached }),
    },
  });
  running.add(child);
  let text = "";
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on("data", (bytes: Uint8Array) => text = (text + new TextDecoder().decode(bytes)).slice(-4_000));
  }
  let ended: Play["outcome"] | undefined;
  const end = (why: Play["outcome"]): void => {
    ended ??= why;
    kill(child);
  };
  const late = setTimeout(() => end("endless"), timeout);
  const watch = setInterval(() => bytesOf(child.pid!) > MAX_BYTES && end("too much memory"), 250);
  const status = await new Promise<number | null>((resolve) => child.once("close", resolve));
  clearTimeout(late);
  clearInterval(watch);
  kill(child); // what it has left behind
  running.delete(child);
  const found = reached !== undefined && existsSync(reached) ? JSON.parse(readFileSync(reached, "utf8")) : {};
  if (reached !== undefined) rmSync(reached, { force: true });
  return {
    outcome: ended ?? (status === 0 ? "passed" : "failed"),
    ms: performance.now() - start,
    text,
    reached: found,
  };
}

/** Where a play may write what it reached. */
export function reachedFile(root: string, worker: number): string {
  return join(root, `.reached-${worker}.json`);
}

function kill(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // all of it has ended
  }
}

/** What a process holds in memory; nothing where the system does not tell. */
function bytesOf(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
