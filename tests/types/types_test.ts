import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import process from "node:process";
import { describe, it } from "node:test";
import { runtime } from "../support/runtime.ts";

const folder = new URL(".", import.meta.url).pathname;

// The compiler is Deno's, and what it says is the same whatever runs the test
if (runtime === "deno") {
  describe("The compiler takes what it must, and refuses what it must", () => {
    for (const file of readdirSync(folder).filter((name) => name.endsWith("_fixture.ts"))) {
      it(file, { timeout: 120_000 }, () => {
        execFileSync(process.execPath, ["check", "--quiet", folder + file], { stdio: ["ignore", "ignore", "inherit"] });
      });
    }
  });
}
