/** An older commit beside this tree. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/** The last commit before the broker was redrawn. */
export const BASE = "21bd1a7";

/** The folder of a commit's sources, which need nothing else here; it is removed when this process exits. */
export function checkOut(commit: string): string {
  const folder = mkdtempSync(join(tmpdir(), "freshet-base-"));
  process.on("exit", () => rmSync(folder, { recursive: true }));
  const archive = execFileSync("git", ["archive", commit, "mod.ts", "src", "tsconfig.json"], { maxBuffer: 1 << 28 });
  execFileSync("tar", ["x", "-C", folder], { input: archive });
  return folder;
}
