import cluster, { type Worker } from "node:cluster";
import { createServer } from "node:net";
import process from "node:process";
import { untilStopped } from "./signals.ts";

/** How long to wait before a worker that ended is replaced, in milliseconds: one that cannot begin must not spin. */
const RESTART_MS = 1_000;

/** Which worker this process is; `undefined` if it is none. */
export function workerNumber(): number | undefined {
  return cluster.isWorker ? Number(process.env["FRESHET_WORKER"]) : undefined;
}

/** Says to the process that began the workers that this one listens. */
export function reportListening(urls: readonly string[]): void {
  process.send!({ urls });
}

/** Lets go of the process that began the workers: that alone would keep this one alive. */
export function leaveWorkers(): void {
  if (cluster.isWorker) process.disconnect();
}

/**
 * Runs this very command in so many processes, replaces those that end by themselves, and ends them when it is told to stop.
 *
 * @param ports Options whose port is `0`, and are told one that is free: `FRESHET_<NAME>`, as all workers need the same.
 * @param onListening Called once, when all of them listen.
 * @returns The exit code.
 */
export async function runWorkers(
  count: number,
  ports: Readonly<Record<string, string>>,
  onListening: (urls: readonly string[]) => void,
): Promise<number> {
  const listening = new Set<Worker>();
  let stopping = false;
  let announced = false;
  let failed = false;
  const ended = Promise.withResolvers<void>();
  const alive = (): Worker[] => Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
  const begin = (number: number): void => {
    const worker = cluster.fork({ ...ports, FRESHET_WORKER: String(number) });
    worker.on("message", ({ urls }: { urls: readonly string[] }) => {
      listening.add(worker);
      if (announced || listening.size < count) return;
      announced = true;
      onListening(urls);
    });
    worker.once("exit", (code, signal) => {
      listening.delete(worker);
      if (!announced && !stopping) failed = stopping = true; // what one cannot do, none can
      if (stopping) {
        for (const other of alive()) if (failed) process.kill(other.process.pid!, "SIGTERM");
        if (alive().filter((other) => other !== worker).length === 0) ended.resolve();
        return;
      }
      process.stderr.write(`freshet: worker ${number} ended with ${signal ?? code} and is replaced\n`);
      setTimeout(() => stopping || begin(number), RESTART_MS);
    });
  };
  for (let number = 1; number <= count; number++) begin(number);
  void untilStopped().then(() => {
    stopping = true;
    for (const { process: { pid } } of alive()) process.kill(pid!, "SIGTERM");
    if (alive().length === 0) ended.resolve();
  });
  await ended.promise;
  return failed ? 1 : 0;
}

/** A port that nothing listens on just now. */
export function freePort(hostname: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject).listen(0, hostname, () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
