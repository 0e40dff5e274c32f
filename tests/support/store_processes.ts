import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import type { Delivery, Subscriber } from "../../mod.ts";
import { runtimeFlags } from "./runtime.ts";

/** How long to wait for something that must come, in milliseconds. */
const WAIT_MS = 60_000;

/** Reads a subscriber into a list, with a way to wait for its length. */
export function reading(subscriber: Subscriber): { readonly seen: Delivery[]; until(count: number): Promise<void> } {
  const seen: Delivery[] = [];
  let wake = (): void => {};
  void (async () => {
    for await (const delivery of subscriber) {
      seen.push(delivery);
      wake();
    }
  })();
  return {
    seen,
    async until(count) {
      const deadline = performance.now() + WAIT_MS;
      while (seen.length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          setTimeout(resolve, WAIT_MS / 10).unref();
        });
        if (performance.now() > deadline) throw new Error(`the subscriber got ${seen.length} of ${count} events`);
      }
    },
  };
}

/** A process on the store, and the lines that it has printed. */
export class Worker {
  readonly lines: string[] = [];
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
  #wake = (): void => {};
  #isOver = false;
  #errors = "";

  static readonly #running: Set<Worker> = new Set();

  /** Ends those that have not ended: a test may have failed. */
  static async killAll(): Promise<void> {
    for (const worker of Worker.#running) await worker.kill();
  }

  constructor(...args: string[]) {
    Worker.#running.add(this);
    this.child = spawn(process.execPath, [...runtimeFlags, "tests/support/store_worker.ts", ...args], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    let text = "";
    this.child.stdout!.on("data", (bytes: Uint8Array) => {
      text += new TextDecoder().decode(bytes);
      const lines = text.split("\n");
      text = lines.pop()!; // whole lines only: it may be killed at any time
      this.lines.push(...lines);
      this.#wake();
    });
    this.child.stderr!.on("data", (bytes: Uint8Array) => this.#errors += new TextDecoder().decode(bytes));
    this.ended = new Promise((resolve) =>
      this.child.once("close", () => {
        this.#isOver = true;
        Worker.#running.delete(this);
        resolve();
        this.#wake();
      })
    );
  }

  async until(done: (lines: readonly string[]) => boolean): Promise<void> {
    const deadline = performance.now() + WAIT_MS;
    while (!done(this.lines)) {
      if (performance.now() > deadline) {
        throw new Error(`the worker got as far as ${this.lines.length} lines: ${this.lines.at(-1)}\n${this.#errors}`);
      }
      if (this.#isOver) {
        throw new Error(`the worker ended: ${this.child.exitCode ?? this.child.signalCode}\n${this.#errors}`);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, WAIT_MS / 10).unref();
      });
    }
  }

  async kill(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) process.kill(this.child.pid!, "SIGKILL");
    await this.ended;
  }
}
