import { assertEquals } from "@std/assert";
import { spawn } from "node:child_process";
import process from "node:process";
import { describe, it } from "node:test";
import { runtime, runtimeFlags } from "./support/runtime.ts";
import { SEED } from "./support/seed.ts";

/** How many runs: about half a second each. */
const RUNS = Number(process.env["FRESHET_CHAOS_RUNS"] ?? 12);
/** What all of them may take: generous ten times over. */
const BOUND_MS = 60_000 + RUNS * 10_000;

describe(`chaos on ${runtime}`, () => {
  it(
    `${RUNS} runs lose, double and reorder nothing without a gap, and leave nothing behind (seed ${SEED})`,
    { timeout: BOUND_MS + 30_000 },
    async () => {
      // In a process of its own, which has to end by itself: so nothing is left that keeps it
      const { code, text } = await play("tests/chaos/main.ts", {
        FRESHET_SEED: String(SEED),
        FRESHET_CHAOS_RUNS: String(RUNS),
      });
      console.log(text);
      assertEquals(code, 0, text);
    },
  );
});

async function play(script: string, env: Record<string, string>): Promise<{ code: number | null; text: string }> {
  const child = spawn(process.execPath, [...runtimeFlags, script], { env: { ...process.env, ...env } });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (bytes: Uint8Array) => text += new TextDecoder().decode(bytes));
  }
  const timer = setTimeout(() => {
    text += `\nit has not ended by itself in ${BOUND_MS} ms`;
    child.kill("SIGKILL");
  }, BOUND_MS);
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  clearTimeout(timer);
  return { code, text };
}
