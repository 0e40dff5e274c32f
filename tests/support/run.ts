/**
 * Runs every test on Deno, Bun and Node, from one source, and counts: `deno task test [RUNTIME…]`. The runtimes that are
 * not installed come from npm. The last line reads `N passed, M failed`, over all of them together.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import process from "node:process";
import { runner } from "../../bench/support/runtimes.ts";

const REPORTS = ".test";
/** Node's runner never ends when a test has left a timer or socket behind: that is how such a test is found. */
const NODE_SECONDS = 900;

const files = readdirSync("tests", { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith("_test.ts"))
  .sort()
  .map((file) => `./tests/${file}`);

const commands: Readonly<Record<string, (report: string) => string[]>> = {
  deno: (report) => [process.execPath, "test", "-A", "--quiet", `--junit-path=${report}`, ...files],
  bun: (report) => [
    ...runner("bun", "1.4"),
    "test",
    "--timeout=60000",
    "--reporter=junit",
    `--reporter-outfile=${report}`,
    ...files,
  ],
  node: (report) => [
    ...(process.platform === "win32" ? [] : ["timeout", String(NODE_SECONDS)]),
    ...runner("node", "24"),
    "--import",
    "./tests/support/resolve.mjs",
    "--test",
    "--test-concurrency=2",
    "--test-reporter=junit",
    `--test-reporter-destination=${report}`,
    "--test-reporter=dot",
    "--test-reporter-destination=stdout",
    ...files,
  ],
};

const wanted = process.argv.slice(2);
const total = { passed: 0, failed: 0, skipped: 0 };
const skipped = new Set<string>();
rmSync(REPORTS, { recursive: true, force: true });
mkdirSync(REPORTS);

const install = spawnSync(process.execPath, ["install", "--quiet"], { stdio: "inherit" });
if (install.status !== 0) process.exit(1);

for (const runtime of wanted.length > 0 ? wanted : Object.keys(commands)) {
  const report = `${REPORTS}/${runtime}.xml`;
  const [command, ...args] = commands[runtime]!(report);
  console.log(`\n# ${runtime}\n`);
  const { status } = spawnSync(command!, args, { stdio: "inherit" });
  const counts = count(report);
  if (status !== 0 && counts.failed === 0) {
    console.log(
      `${runtime} ended with ${status}, though no test failed: it did not load, or something was left running`,
    );
    counts.failed = 1;
  }
  total.skipped += counts.skipped;
  console.log(`\n${runtime}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  total.passed += counts.passed;
  total.failed += counts.failed;
}
for (const reason of skipped) console.log(`skipped: ${reason}`);
if (total.skipped > 0) console.log(`${total.skipped} skipped`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed === 0 ? 0 : 1);

/** Counts the leaves of a JUnit report: the three runners count suites differently. */
function count(report: string): { passed: number; failed: number; skipped: number } {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  let xml = "";
  try {
    xml = readFileSync(report, "utf8");
  } catch {
    return counts; // the runner did not get as far: its status tells
  }
  const cases = Array.from(
    xml.matchAll(/<testcase\b[^>]*?\bname="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g),
    ([, name = "", body = ""]) => ({ name, body }),
  );
  const names = cases.map(({ name }) => name);
  for (const { name, body } of cases) {
    if (names.some((other) => other.startsWith(`${name} &gt; `))) continue; // Deno counts the suites too
    if (/<(?:failure|error)\b/.test(body)) counts.failed++;
    else if (/<skipped\b/.test(body)) {
      counts.skipped++;
      skipped.add(`${name}: ${/<skipped[^>]*message="([^"]*)"/.exec(body)?.[1] ?? "see the test"}`);
    } else counts.passed++;
  }
  return counts;
}
