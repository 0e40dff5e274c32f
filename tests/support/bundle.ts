import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { runner } from "../../bench/support/runtimes.ts";

/** Bundles a module for a browser or a worker: types taken off, imports joined. It imports `core` and `client` by these names. */
export function bundle(code: string, ...flags: string[]): string {
  const work = mkdtempSync(join(tmpdir(), "freshet-bundle-"));
  try {
    const entry = join(work, "entry.ts");
    const named = code.replaceAll('from "core"', `from ${JSON.stringify(resolve("mod.ts"))}`)
      .replaceAll('from "client"', `from ${JSON.stringify(resolve("src/client/mod.ts"))}`);
    writeFileSync(entry, named);
    const out = join(work, "bundle.js");
    const [command, ...args] = "Deno" in globalThis ? [process.execPath] : runner("deno", "2.9");
    execFileSync(command!, [...args, "bundle", "--quiet", "--platform", "browser", ...flags, "-o", out, entry]);
    return readFileSync(out, "utf8");
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
