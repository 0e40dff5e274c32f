/**
 * What 1,000,000 subscriptions and 100,000 connections leave behind, on each runtime in turn: `deno task leaks [RUNTIME…]
 * [subscriptions|connections]`. It fails if something is left. The short form is in the suite: `tests/leaks_test.ts`.
 */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { commandOf } from "./support/runtimes.ts";

const RUNTIMES = ["node", "bun", "deno"];
const ITEMS = { subscriptions: "1000000", connections: "100000" };
/** In how many rounds they come: the heap is measured after each. */
const ROUNDS = "10";

const wanted = process.argv.slice(2);
const of = (names: readonly string[]): readonly string[] => {
  const some = names.filter((name) => wanted.includes(name));
  return some.length > 0 ? some : names;
};
let failed = false;
for (const what of of(Object.keys(ITEMS)) as (keyof typeof ITEMS)[]) {
  for (const runtime of of(RUNTIMES)) {
    const [command, ...args] = commandOf(runtime, "tests/leaks/main.ts");
    const { status } = spawnSync(command!, [...args, what, ITEMS[what], ROUNDS], { stdio: "inherit" });
    failed ||= status !== 0;
  }
}
process.exitCode = failed ? 1 : 0;
