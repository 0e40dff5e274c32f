/**
 * Changes the code in one place after the other and runs the tests that reach it: one that passes all the same has shown
 * what no test looks at. By hand, not in CI:
 *
 * ```sh
 * deno task mutate                        # wire, broker, server and client
 * deno task mutate src/wire src/client/backoff.ts
 * deno task mutate --sample 20 --seed 7   # a fifth of them
 * deno task mutate --survivors            # those again that the last run could not kill
 * ```
 *
 * What was found is kept in `.test/mutate.jsonl`: a run that is stopped goes on where it was, and a mutant is played again
 * only when its file has changed, or, if it lived, when a test has. Survivors that change nothing which can be seen stand in
 * `survivors.json`, each with its reason.
 */
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { random } from "../support/seed.ts";
import { instrument, type Mutant } from "./instrument.ts";
import { play, reachedFile } from "./play.ts";

const FOUND = ".test/mutate.jsonl";
const REPORT = ".test/mutate.json";
const GOAL = 85;

/** The folders of tests that are played for a folder of `src`; of these, those files that reach the mutant. */
const testsOf: Readonly<Record<string, readonly string[]>> = {
  wire: ["wire", "fuzz", "client"],
  broker: ["broker", "server"],
  server: ["server", "adapters", "hub"],
  client: ["client"],
};
/** What takes too long to be played thousands of times, or starts programs of its own. */
const leftOut = /bundle_test|pack_test|adapters\/(?:serve|write_timeout|closing)_test/;

interface Found {
  readonly key: string;
  readonly status: "killed" | "endless" | "survived" | "not reached";
  /** The test file that killed it. */
  readonly by?: string | undefined;
  /** The tests that it outlived. */
  readonly tests?: string | undefined;
}

interface Explained {
  readonly file: string;
  readonly at: string;
  readonly from: string;
  readonly to: string;
  readonly why: string;
}

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sample: { type: "string", default: "100" },
    seed: { type: "string", default: "1" },
    workers: { type: "string", default: String(availableParallelism()) },
    survivors: { type: "boolean", default: false },
    fresh: { type: "boolean", default: false },
  },
});
const wanted = positionals.length > 0 ? positionals : Object.keys(testsOf).map((folder) => `src/${folder}`);
const files = wanted.flatMap((path) =>
  path.endsWith(".ts")
    ? [path]
    : readdirSync(path).filter((file) => file.endsWith(".ts")).sort().map((file) =>
      `${path.replace(/\/$/, "")}/${file}`
    )
);

mkdirSync(".test", { recursive: true });
if (options.fresh) rmSync(FOUND, { force: true });
const known = new Map<string, Found>();
if (existsSync(FOUND)) {
  for (const line of readFileSync(FOUND, "utf8").split("\n").filter((line) => line !== "")) {
    const found = JSON.parse(line) as Found;
    known.set(found.key, found);
  }
}

const { root, mutants, stopCounting } = await instrument(files);
process.on("exit", () => rmSync(root, { recursive: true, force: true }));
const next = random(Number(options.seed));
const sampled = mutants.filter(() => next() * 100 < Number(options.sample));
console.log(`${sampled.length} of ${mutants.length} mutants in ${files.length} files`);

const folders = new Set(files.map((file) => file.split("/")[1]!));
const testFiles = new Map(Array.from(folders, (folder) => [folder, filesIn(testsOf[folder] ?? [folder])]));
const testsHash = new Map(Array.from(testFiles, ([folder, files]) => [folder, hashOf(files)]));

/** How long a test file takes with no mutant on, and how often it reaches each. */
interface Baseline {
  readonly runtime: string;
  readonly file: string;
  readonly ms: number;
  readonly reached: Readonly<Record<string, number>>;
}

const todo = sampled.filter(({ key, file }) => {
  const found = known.get(key);
  if (found === undefined) return !options.survivors;
  const isOutdated = found.tests !== undefined && found.tests !== testsHash.get(file.split("/")[1]!);
  return found.tests !== undefined && (isOutdated || options.survivors);
});
const baselines = todo.length === 0 ? [] : await baseline();
stopCounting();

let done = 0;
const start = performance.now();
let printed = start;
const queue = [...todo];
await Promise.all(Array.from({ length: Number(options.workers) }, async () => {
  for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
    const found = await tryOut(mutant);
    known.set(found.key, found);
    appendFileSync(FOUND, JSON.stringify(found) + "\n");
    done++;
    if (found.tests !== undefined) console.log(`${found.status}: ${describe(mutant)}`);
    if (performance.now() - printed > 30_000) {
      printed = performance.now();
      const left = ((printed - start) / done * (todo.length - done)) / 60_000;
      console.log(`… ${done} of ${todo.length}, about ${left.toFixed(0)} minutes left`);
    }
  }
}));
report();

function filesIn(folders: readonly string[]): string[] {
  return folders.flatMap((folder) =>
    (existsSync(`tests/${folder}`) ? readdirSync(`tests/${folder}`, { recursive: true, encoding: "utf8" }) : [])
      .map((file) => `tests/${folder}/${file}`)
      .filter((file) => file.endsWith("_test.ts") && !leftOut.test(file))
  );
}

/** Of all that the tests consist of: helpers too. */
function hashOf(files: readonly string[]): string {
  const hash = createHash("sha1");
  const helpers = filesUnder("tests/support").concat(filesUnder("tests/suites"), filesUnder("tests/vectors"));
  for (const file of [...files, ...helpers]) hash.update(readFileSync(file));
  return hash.digest("hex").slice(0, 12);
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder).filter((file) => file.endsWith(".ts")).map((file) => `${folder}/${file}`);
}

/** Plays each test file with no mutant on: on Bun, which is fastest, and on Deno, where other code runs. */
async function baseline(): Promise<Baseline[]> {
  const all = Array.from(
    new Set(Array.from(testFiles.values()).flat()),
    (file) => ["bun", "deno"].map((runtime) => ({ runtime, file })),
  ).flat();
  const baselines: Baseline[] = [];
  await Promise.all(Array.from({ length: Number(options.workers) }, async (_, worker) => {
    for (let one = all.shift(); one !== undefined; one = all.shift()) {
      const { runtime, file } = one;
      let outcome = "";
      for (let tries = 0; tries < 3 && outcome !== "passed"; tries++) {
        const played = await play({
          ...{
            root,
            runtime,
            files: [file],
            timeout: 300_000,
            testTimeout: 60_000,
            reached: reachedFile(root, worker),
          },
        });
        outcome = played.outcome;
        if (outcome === "passed") baselines.push({ runtime, file, ms: played.ms, reached: played.reached });
        else if (tries === 2) throw new Error(`${file} does not pass on ${runtime} without a mutant:\n${played.text}`);
      }
    }
  }));
  const seconds = baselines.reduce((sum, { ms }) => sum + ms, 0) / 1_000;
  console.log(`${baselines.length} test files take ${seconds.toFixed(0)} s`);
  return baselines;
}

/** Plays the test files that reach a mutant, on Bun, then those on Deno that reach it there alone. */
async function tryOut({ id, key, file }: Mutant): Promise<Found> {
  const folder = file.split("/")[1]!;
  const tests = testFiles.get(folder)!;
  const reaching = baselines.filter(({ reached, file }) => tests.includes(file) && (reached[id] ?? 0) > 0);
  const onBun = reaching.filter(({ runtime }) => runtime === "bun");
  const chosen = onBun.length > 0 ? onBun : reaching;
  for (const some of batches(chosen)) {
    const [{ runtime } = { runtime: "bun" }] = some;
    const sum = some.reduce((sum, { ms }) => sum + ms, 0);
    const { outcome } = await play({
      ...{ root, runtime, files: some.map(({ file }) => file), mutant: id },
      ...{ timeout: 10_000 + 4 * sum, testTimeout: Math.round(4_000 + 4 * sum) },
      hits: 1_000 + 100 * Math.max(...some.map(({ reached }) => reached[id]!)),
    });
    const by = some.map(({ file }) => file).join(" ");
    if (outcome === "failed") return { key, status: "killed", by };
    if (outcome !== "passed") return { key, status: "endless", by };
  }
  return {
    ...{ key, status: chosen.length === 0 ? "not reached" : "survived", tests: testsHash.get(folder) },
  };
}

/** The quick ones in one process, first; then each of the others. */
function batches(chosen: readonly Baseline[]): Baseline[][] {
  const sorted = chosen.toSorted((a, b) => a.ms - b.ms);
  const all: Baseline[][] = [];
  for (let left = sorted, most = 1_500; left.length > 0;) {
    let sum = 0;
    const count = Math.max(1, left.findIndex(({ ms }) => (sum += ms) > most));
    const some = sum <= most ? left : left.slice(0, count);
    all.push([...some]);
    left = left.slice(some.length);
  }
  return all;
}

function describe({ file, line, mutator, from, to }: Mutant): string {
  return `${file}:${line} ${mutator}: ${from} → ${to === "" ? "nothing" : to}`;
}

function report(): void {
  const explained = JSON.parse(readFileSync("tests/mutate/survivors.json", "utf8")) as readonly Explained[];
  const rows = sampled.flatMap((mutant) => {
    const found = known.get(mutant.key);
    if (found === undefined) return [];
    const why = explained.find((one) =>
      one.file === mutant.file && one.at === mutant.at && one.from === mutant.from && one.to === mutant.to
    )?.why;
    return [{ ...mutant, status: found.status, by: found.by, why }];
  });
  writeFileSync(REPORT, JSON.stringify(rows, undefined, 2));
  const isAlive = ({ status }: { status: string }): boolean => status === "survived" || status === "not reached";
  const line = (name: string, some: typeof rows): string => {
    const alive = some.filter(isAlive);
    const [killed, reasons] = [some.length - alive.length, alive.filter(({ why }) => why !== undefined).length];
    const percent = some.length === 0 ? "" : `${(killed / some.length * 100).toFixed(1)} %`;
    return [
      name.padEnd(40),
      ...[some.length, killed, percent, reasons, alive.length - reasons].map((cell) => String(cell).padStart(10)),
    ].join("");
  };
  console.log(
    `\n${"".padEnd(40)}${["mutants", "killed", "", "explained", "alive"].map((cell) => cell.padStart(10)).join("")}`,
  );
  for (const file of files) console.log(line(file, rows.filter((row) => row.file === file)));
  for (const folder of folders) {
    console.log(line(`src/${folder}`, rows.filter(({ file }) => file.startsWith(`src/${folder}/`))));
  }
  console.log(`\n${line("all", rows)}\n`);
  const killed = rows.filter((row) => !isAlive(row)).length / rows.length * 100;
  const unexplained = rows.filter((row) => isAlive(row) && row.why === undefined);
  console.log(
    `${killed.toFixed(1)} % killed, ${GOAL} % wanted; ${unexplained.length} alive without a reason: ${REPORT}`,
  );
  process.exitCode = killed >= GOAL && unexplained.length === 0 ? 0 : 1;
}
