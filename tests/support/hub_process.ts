import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { runtime } from "./runtime.ts";

/** `freshet serve --dev` in a process of its own, as its user starts it. */
export class HubProcess {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#child = child;
  }

  static async start(port = 0): Promise<HubProcess> {
    const child = spawn(process.execPath, commandLine("serve", "--dev", "--port", String(port)), {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    const url = await new Promise<string>((resolve, reject) => {
      child.stdout.on("data", (bytes: Uint8Array) => {
        text += new TextDecoder().decode(bytes);
        const [, found] = /listens on (\S+)\n/.exec(text) ?? [];
        if (found !== undefined && text.includes("Ctrl-C")) resolve(found);
      });
      child.once("exit", (code) => reject(new Error(`the hub ended with ${code}: ${text}`)));
    });
    return new HubProcess(url, child);
  }

  /** Stops it as a service manager does; resolves to its exit code. */
  async stop(): Promise<number | null> {
    const ended = new Promise<number | null>((resolve) => this.#child.once("exit", resolve));
    process.kill(this.#child.pid!, "SIGTERM"); // Deno takes a child that kill() was called on for killed, whatever it does
    return await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.stop();
  }
}

/** The arguments that run the command line on this runtime. */
export function commandLine(...args: string[]): string[] {
  return [...(runtime === "deno" ? ["run", "-A", "--quiet"] : []), "src/cli/main.ts", ...args];
}
