import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { runner } from "../../bench/support/runtimes.ts";

/** Bundles these exports of the client for a browser, minified. */
export function bundleClient(names: "*" | string): string {
  const work = mkdtempSync(join(tmpdir(), "freshet-bundle-"));
  try {
    const entry = join(work, "entry.ts");
    writeFileSync(entry, `export ${names} from ${JSON.stringify(resolve("src/client/mod.ts"))};\n`);
    const out = join(work, "client.js");
    const [command, ...args] = "Deno" in globalThis ? [process.execPath] : runner("deno", "2.9");
    execFileSync(command!, [...args, "bundle", "--quiet", "--platform", "browser", "--minify", "-o", out, entry]);
    return readFileSync(out, "utf8");
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
