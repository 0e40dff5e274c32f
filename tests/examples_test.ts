import { assertEquals } from "@std/assert";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import process from "node:process";
import { describe, it } from "node:test";
import { runtimeFlags } from "./support/runtime.ts";

/** What each example prints; one that is not here fails. */
const prints: Readonly<Record<string, string>> = {
  "own_replay_store.ts": 'journal [{"topics":["pets/dogs"],"data":"woof"}]\npets/dogs woof\n',
  "progress.ts": "progress 0\nprogress 25\nprogress 50\nprogress 75\nprogress 100\ndone report.pdf\n",
};

describe("The examples", () => {
  for (const file of readdirSync("examples")) {
    it(`${file} runs`, { timeout: 60_000 }, () => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [...runtimeFlags, `examples/${file}`], {
        encoding: "utf8",
        timeout: 30_000,
      });
      assertEquals([status, stdout], [0, prints[file]!], stderr);
    });
  }
});
