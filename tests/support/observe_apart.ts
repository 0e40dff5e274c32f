import { spawn } from "node:child_process";
import process from "node:process";
import { runtimeFlags } from "./runtime.ts";

/** Runs `throwing_listener.ts` in a process of its own, as a test runner takes what is uncaught for its own failure. */
export async function observeApart(observation: unknown): Promise<{ seen: string[]; uncaught: string[] }> {
  const child = spawn(process.execPath, [
    ...runtimeFlags,
    "tests/support/throwing_listener.ts",
    JSON.stringify(observation),
  ], { stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout.on("data", (bytes: Uint8Array) => out += new TextDecoder().decode(bytes));
  await new Promise((resolve) => child.once("close", resolve));
  return JSON.parse(out);
}
