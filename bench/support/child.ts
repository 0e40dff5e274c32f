/** A program in a process of its own, that is told lines and answers with lines of JSON. */
import { type ChildProcess, spawn } from "node:child_process";
import readline from "node:readline";
import { commandOf } from "./runtimes.ts";

export class Child {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterableIterator<string>;

  /** Starts a script of this repository on a runtime. */
  constructor(runtime: string, script: string, args: readonly string[]) {
    const [command, ...rest] = commandOf(runtime, script);
    this.#child = spawn(command!, [...rest, ...args], { stdio: ["pipe", "pipe", "inherit"] });
    this.#answers = readline.createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  tell(line: string): void {
    this.#child.stdin!.write(line + "\n");
  }

  /** What it says next. */
  async answer<T>(): Promise<T> {
    const { value, done } = await this.#answers.next();
    if (done) throw new Error("The program has ended");
    return JSON.parse(value);
  }

  ask<T>(line: string): Promise<T> {
    this.tell(line);
    return this.answer();
  }

  /** Tells it to exit, and waits until it has. */
  async exit(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = new Promise((resolve) => this.#child.once("exit", resolve));
    this.tell("exit");
    await exited;
  }
}
