/** Every bench, each on each runtime: `deno task bench [NAME…]`. Half an hour for all. */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { commandOf, runner } from "./support/runtimes.ts";

const RUNTIMES = ["node", "bun", "deno"];
const inEach = ["parse", "parse_body", "encode_stream", "publish", "client", "sqlite", "stores"];
/** These measure a process of each runtime from outside, in Bun. */
const fromOutside = ["fanout", "idle"];

const wanted = process.argv.slice(2);
for (const name of [...inEach, ...fromOutside].filter((name) => wanted.length === 0 || wanted.includes(name))) {
  for (const runtime of RUNTIMES) {
    const [command, ...args] = inEach.includes(name)
      ? commandOf(runtime, `bench/${name}_bench.ts`)
      : [...runner("bun", "1.4"), `bench/${name}_bench.ts`, runtime];
    const { status } = spawnSync(command!, args, { stdio: "inherit" });
    if (status !== 0) process.exit(1);
  }
}
