/**
 * Runs tests on Deno, Bun and Node, from one source, and counts: `deno task test [GROUP…] [RUNTIME…] [--nothing-skipped]`,
 * the suite on every runtime unless told otherwise; `all` is every group. The runtimes that are not installed come from npm.
 * As many run side by side as there are cores. The last line reads `N passed, M failed`, over all of them together.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import process from "node:process";
import { runner } from "../../bench/support/runtimes.ts";
import { filesOf, type Group, groups } from "./groups.ts";
import { type Outcome, readReport } from "./junit.ts";

const REPORTS = ".test";

/** How each runs files and reports. None checks types: `deno task check` does. */
const commands: Readonly<Record<string, (report: string) => string[]>> = {
  deno: (report) => [
    ...[process.execPath, "test", "-A", "--quiet", "--no-check", "--reporter=dot", `--junit-path=${report}`],
  ],
  bun: (report) => [
    ...[...runner("bun", "1.4"), "test", "--timeout=60000", "--only-failures"],
    ...["--reporter=junit", `--reporter-outfile=${report}`],
  ],
  // It never ends when a test has left a timer or socket behind: that is how such a test is found
  node: (report) => [
    ...[...runner("node", "24"), "--import", "./tests/support/resolve.mjs", "--test", "--test-concurrency=2"],
    ...["--test-reporter=junit", `--test-reporter-destination=${report}`],
    ...["--test-reporter=dot", "--test-reporter-destination=stdout"],
  ],
};

const running = new Set<ChildProcess>();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    for (const child of running) kill(child);
    process.exit(1);
  });
}

const wanted = process.argv.slice(2);
const nothingSkipped = wanted.includes("--nothing-skipped");
const names = wanted.filter((name) => name !== "--nothing-skipped");
const unknown = names.find((name) => name !== "all" && !(name in groups) && !(name in commands));
if (unknown !== undefined) {
  const known = ["all", ...Object.keys(groups), ...Object.keys(commands)];
  console.log(`There is no group and no runtime of this name: got ${unknown}, want some of ${known.join(", ")}`);
  process.exit(2);
}
const chosen = names.includes("all")
  ? Object.keys(groups).filter((name) => name !== "quick")
  : names.filter((name) => name in groups);
const runtimes = names.filter((name) => name in commands);

const install = spawnSync(process.execPath, ["install", "--quiet"], { stdio: "inherit" });
if (install.status !== 0) process.exit(1);
mkdirSync(REPORTS, { recursive: true });

const total = { passed: 0, failed: [] as string[], skipped: [] as string[] };
for (const name of chosen.length > 0 ? chosen : ["suite"]) await runGroup(name, groups[name]!);

for (const reason of new Set(total.skipped)) console.log(`skipped: ${reason}`);
for (const test of total.failed) console.log(`failed: ${test}`);
if (total.skipped.length > 0) console.log(`${total.skipped.length} skipped`);
console.log(`${total.passed} passed, ${total.failed.length} failed`);
process.exit(total.failed.length === 0 ? 0 : 1);

async function runGroup(name: string, group: Group): Promise<void> {
  const start = performance.now();
  const files = filesOf(group);
  const queue = group.runtimes.filter((runtime) => runtimes.length === 0 || runtimes.includes(runtime));
  const lanes = Math.min(queue.length, availableParallelism());
  const deadline = start + group.minutes * 60_000;
  console.log(`\n# ${name}: ${files.length} files on ${queue.join(", ")}; needs ${group.needs}`);
  await Promise.all(Array.from({ length: lanes }, async () => {
    for (let runtime = queue.shift(); runtime !== undefined; runtime = queue.shift()) {
      const outcome = await runOne(name, runtime, files, group, deadline, lanes === 1);
      total.passed += outcome.passed;
      total.failed.push(...outcome.failed.map((test) => `${name} on ${runtime}: ${test}`));
      total.skipped.push(...outcome.skipped);
    }
  }));
  console.log(`\n${name} took ${seconds(start)} s of at most ${group.minutes * 60}`);
}

/** Runs files on a runtime; what it prints is shown at once if it runs alone, else when it has ended. */
async function runOne(
  name: string,
  runtime: string,
  files: readonly string[],
  { minutes }: Group,
  deadline: number,
  isAlone: boolean,
): Promise<Outcome> {
  const start = performance.now();
  const report = `${REPORTS}/${name}-${runtime}.xml`;
  const log = `${REPORTS}/${name}-${runtime}.log`;
  rmSync(report, { force: true });
  const [command, ...args] = [...commands[runtime]!(report), ...(name === "quick" ? ["--parallel"] : []), ...files];
  const output = openSync(log, "w");
  const child = spawn(command!, args, {
    stdio: isAlone ? "inherit" : ["ignore", output, output],
    detached: process.platform !== "win32", // so that it can be ended with all that it has started
  });
  running.add(child);
  let late: string | undefined;
  const timer = setTimeout(() => {
    late = `it had not ended after ${minutes} minutes: a test never ends, or has left a timer or socket behind`;
    console.log(`\n${runtime} is ended. What still ran:\n${stillRunning(child)}`);
    kill(child);
  }, Math.max(0, deadline - start));
  const status = await new Promise<number | null>((resolve) => {
    child.once("error", (error) => (console.log(String(error)), resolve(null)));
    child.once("close", resolve);
  });
  clearTimeout(timer);
  running.delete(child);
  closeSync(output);
  if (!isAlone) console.log(`\n# ${name} on ${runtime}\n\n${readFileSync(log, "utf8").trim()}`);
  const { passed, failed, skipped } = readReport(existing(report));
  const wrong = [...failed];
  if (late !== undefined) wrong.push(late);
  else if (status !== 0 && failed.length === 0) {
    wrong.push(`it ended with ${status}, though no test failed: a file did not load, or something was left running`);
  }
  if (nothingSkipped) wrong.push(...skipped.map((test) => `skipped, which nothing may be: ${test}`));
  console.log(
    `\n${name} on ${runtime}: ${passed} passed, ${wrong.length} failed, ${skipped.length} skipped, ${seconds(start)} s`,
  );
  return { passed, failed: wrong, skipped };
}

function seconds(start: number): number {
  return Math.round((performance.now() - start) / 1_000);
}

function existing(report: string): string {
  try {
    return readFileSync(report, "utf8");
  } catch {
    return ""; // the runner did not get as far: its status tells
  }
}

/** Ends a runner and what it has started. */
function kill(child: ChildProcess): void {
  try {
    if (process.platform === "win32") child.kill();
    else process.kill(-child.pid!, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // it has ended just now
  }
}

/** The commands of a runner's processes: on Node, which runs each file in one, they name the file. */
function stillRunning({ pid }: ChildProcess): string {
  const { stdout } = spawnSync("ps", ["-eo", "pgid=,etime=,args="], { encoding: "utf8" });
  return (stdout ?? "").split("\n").filter((line) => line.trim().startsWith(`${pid} `))
    .map((line) => line.trim().slice(0, 300)).join("\n");
}
