/**
 * Every bench, each on each runtime: `deno task bench [NAME…]`. Half an hour for all. Two compare this tree with an older
 * commit, and are run only by name: `deno task bench regress [--base COMMIT] [CASE…]`, and `stretch`.
 */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { commandOf, runner } from "./support/runtimes.ts";

const RUNTIMES = ["node", "bun", "deno"];
const inEach = ["parse", "parse_body", "encode_stream", "publish", "client", "sqlite", "stores"];
/** These measure a process of each runtime from outside, in Bun. */
const fromOutside = ["fanout", "idle"];
/** These compare this tree with an older commit, and take arguments of their own. */
const besideAnother = ["regress", "stretch"];

const wanted = process.argv.slice(2);
if (besideAnother.includes(wanted[0] ?? "")) {
  for (const runtime of RUNTIMES) {
    start([...runner("bun", "1.4"), `bench/${wanted[0]}_bench.ts`, runtime, ...wanted.slice(1)]);
  }
  process.exit(0);
}
for (const name of [...inEach, ...fromOutside].filter((name) => wanted.length === 0 || wanted.includes(name))) {
  for (const runtime of RUNTIMES) {
    start(
      inEach.includes(name)
        ? commandOf(runtime, `bench/${name}_bench.ts`)
        : [...runner("bun", "1.4"), `bench/${name}_bench.ts`, runtime],
    );
  }
}

function start([command, ...args]: string[]): void {
  const { status } = spawnSync(command!, args, { stdio: "inherit" });
  if (status !== 0) process.exit(1);
}
