import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { commandLine } from "./hub_process.ts";

type Environment = Readonly<Record<string, string>>;

/** `freshet …` in a process of its own, that runs until it is stopped. */
export class CliProcess {
  stdout = "";
  stderr = "";
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  #wake = (): void => {};

  constructor(args: readonly string[], { env = {}, input }: { env?: Environment; input?: string | undefined } = {}) {
    this.#child = spawn(process.execPath, commandLine(...args), {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    this.#child.stdin!.on("error", () => {}); // who does not read it may close it
    this.#child.stdin!.end(input ?? "");
    for (const name of ["stdout", "stderr"] as const) {
      const decoder = new TextDecoder();
      this.#child[name]!.on("data", (bytes: Uint8Array) => {
        this[name] += decoder.decode(bytes, { stream: true });
        this.#wake();
      });
    }
    this.#ended = new Promise((resolve) => this.#child.once("close", resolve));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Resolves to the exit code. */
  get ended(): Promise<number | null> {
    return this.#ended;
  }

  /** Resolves when a condition holds, looked at whenever something is printed; fails when the process ends before. */
  async until(condition: (process: this) => boolean): Promise<this> {
    let isOver = false;
    void this.#ended.then(() => (isOver = true, this.#wake()));
    while (!condition(this)) {
      if (isOver) throw new Error(`freshet ended: ${this.stdout}${this.stderr}`);
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this;
  }

  /** The addresses that it says it listens on. */
  async urls(): Promise<string[]> {
    await this.until(({ stdout }) => /listens on .*\n/.test(stdout));
    return this.stdout.match(/https?:\S+\//g)!.filter((url, i, all) => all.indexOf(url) === i);
  }

  async stop(signal: "SIGINT" | "SIGTERM" = "SIGTERM"): Promise<number | null> {
    process.kill(this.#child.pid!, signal);
    return await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.stop();
  }
}

/** Runs a command to its end. */
export async function runCli(
  args: readonly string[],
  options: { env?: Environment; input?: string | undefined } = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = new CliProcess(args, options);
  const code = await child.ended;
  return { code, stdout: child.stdout, stderr: child.stderr };
}
