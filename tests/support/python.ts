import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import process from "node:process";

/** Where packages are kept between runs: a clean `node_modules` installs them again. */
const folder = fileURLToPath(new URL("../../node_modules/", import.meta.url));

/**
 * Installs packages of Python, each with its version.
 *
 * @returns Runs a program that finds them and resolves to its output; or why that cannot be.
 */
export function python(...packages: string[]): ((...args: string[]) => Promise<string>) | string {
  const kept = `${folder}.python-${packages.join("-").replaceAll("=", "")}`;
  if (!existsSync(kept)) {
    try {
      execFileSync("python3", ["-m", "pip", "--version"], { stdio: "ignore" });
    } catch {
      return "there is no python3 with pip";
    }
    const made = mkdtempSync(`${folder}.python-`);
    try {
      execFileSync("python3", ["-m", "pip", "install", "--quiet", "--target", made, ...packages], { stdio: "ignore" });
      renameSync(made, kept);
    } catch {
      rmSync(made, { recursive: true, force: true });
      if (!existsSync(kept)) return `pip could not install ${packages.join(" ")}`;
    }
  }
  const env = { ...process.env, PYTHONPATH: kept, PYTHONDONTWRITEBYTECODE: "1" };
  return async (...args) => (await promisify(execFile)("python3", args, { env, timeout: 60_000 })).stdout;
}
