import { assertEquals } from "@std/assert";
import { spawn } from "node:child_process";
import process from "node:process";
import { describe, it } from "node:test";
import { runtime } from "./support/runtime.ts";

/** What may be taken for all of it, in milliseconds: generous ten times over. */
const BOUND_MS = 240_000;

/** How this runtime runs a program that can collect its garbage. */
const flags: readonly string[] = {
  deno: ["run", "-A", "--quiet", "--v8-flags=--expose-gc"],
  bun: [],
  node: ["--expose-gc", "--import", "./tests/support/resolve.mjs"],
}[runtime];

describe(`leaks on ${runtime}`, () => {
  for (const [what, items] of [["subscriptions", 20_000], ["connections", 2_000]] as const) {
    it(`${items} ${what}, come and gone in every way, leave nothing`, { timeout: BOUND_MS + 10_000 }, async () => {
      const { code, text } = await play(what, items);
      assertEquals(code, 0, text);
    });
  }
});

/** In a process of its own, which has to end by itself. */
async function play(what: string, items: number): Promise<{ code: number | null; text: string }> {
  const child = spawn(process.execPath, [...flags, "tests/leaks/main.ts", what, String(items), "3"]);
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
