/** How to run a script of this repository on each runtime: installed ones first, else from npm. */
import { spawnSync } from "node:child_process";
import process from "node:process";

/** The command and its arguments. */
export function commandOf(runtime: string, script: string, nodeFlags: readonly string[] = []): string[] {
  if (runtime === "deno") return [...denoCommand(), "run", "-A", "--v8-flags=--expose-gc", script];
  if (runtime === "bun") return [...runner("bun", "1.4"), script];
  return [...runner("node", "24"), "--expose-gc", ...nodeFlags, "--import", "./tests/support/resolve.mjs", script];
}

/** Deno itself when it runs this, as in a task; else whichever is found. */
function denoCommand(): string[] {
  return "Deno" in globalThis ? [process.execPath] : runner("deno", "2.9");
}

const found = new Map<string, string[]>();

/** The program of this name if it is of the wanted version, else the one that npm has. */
export function runner(name: string, version: string): string[] {
  let command = found.get(name);
  if (command === undefined) {
    const { stdout } = spawnSync(name, ["--version"], { encoding: "utf8" });
    const has = new RegExp(`(?:^|v| )${version.replace(".", "\\.")}\\.`).test(stdout ?? "");
    command = has ? [name] : ["npx", "-y", `${name}@${version}`];
    found.set(name, command);
  }
  return command;
}
