/** Everything that is checked beside the tests: `deno task check`. The first failure ends it. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";

const { exports } = JSON.parse(readFileSync("deno.json", "utf8")) as { exports: Record<string, string> };
const entries = Object.values(exports);

const checks: ReadonlyArray<readonly [what: string, ...args: string[]]> = [
  ["format", "fmt", "--check", "--quiet"],
  ["lint", "lint", "--quiet"],
  ["types", "check", "--quiet", ".", ...entries],
  [
    "types of the core, where no runtime's globals exist",
    "check",
    "--quiet",
    "--config",
    "tests/web.json",
    "mod.ts",
    "src/client/mod.ts",
  ],
  ["documentation of every symbol", "doc", "--lint", "--quiet", ...entries],
  ["examples in the documentation", "test", "--doc", "-A", "--quiet", "mod.ts", "src", "README.md"],
  ["what is published, without slow types", "publish", "--dry-run", "--allow-dirty", "--quiet"],
];

for (const [what, ...args] of checks) {
  console.log(`check: ${what}`);
  try {
    execFileSync(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    console.log(`${stdout}${stderr}\ncheck failed: ${what} (deno ${args.join(" ")})`);
    process.exit(1);
  }
}
console.log("all checks passed");
