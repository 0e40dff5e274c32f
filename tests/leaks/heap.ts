import { readdirSync } from "node:fs";
import process from "node:process";
import { runningTimers } from "../chaos/own_timers.ts";

/** What a process holds at one moment, after its garbage was collected. */
export interface Holding {
  /** Bytes of the heap, and of what its objects hold outside it. */
  readonly heap: number;
  /** Bytes of the whole process. */
  readonly rss: number;
  /** Open files and sockets; `undefined` where the system does not tell. */
  readonly descriptors: number | undefined;
  readonly timers: number;
  /** What keeps the process, by kind, where the runtime tells. */
  readonly resources: readonly string[] | undefined;
}

/** How often the garbage is collected: what only finalizers let go of is garbage the next time. */
const COLLECTIONS = 3;

const { gc, Bun } = globalThis as {
  readonly gc?: (options?: unknown) => void;
  readonly Bun?: { gc(force: boolean): void };
};

/** Collects the garbage, and measures. */
export async function holding(): Promise<Holding> {
  if (gc === undefined && Bun === undefined) throw new Error("Cannot measure as there is no gc(): want --expose-gc");
  for (let i = 0; i < COLLECTIONS; i++) {
    await turn();
    if (Bun !== undefined) Bun.gc(true);
    else gc!({ type: "major", execution: "sync" });
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  const resources = "Bun" in globalThis || "Deno" in globalThis ? undefined : process.getActiveResourcesInfo();
  return { heap: heapUsed + external, rss, descriptors: descriptors(), timers: runningTimers().length, resources };
}

/** How many files and sockets are open; `undefined` where the system does not tell. */
export function descriptors(): number | undefined {
  return process.platform === "linux" ? readdirSync("/proc/self/fd").length : undefined;
}

/** A later turn of the event loop: what waits for promises and sockets has had its turn. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
