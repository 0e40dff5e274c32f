import { assertEquals } from "@std/assert";
import process from "node:process";
import type { Broker } from "../../mod.ts";
import type { Engine } from "../support/engines.ts";
import { reading, Worker } from "../support/store_processes.ts";

/** How many times a store's life is played, and what happens in each. */
export const FAULT_RUNS: number = Number(process.env["FRESHET_FAULT_RUNS"] ?? 1);
const FAULTS = 8;
/** How long the engine may be silent. */
const PAUSE_MS = Number(process.env["FRESHET_FAULT_PAUSE_MS"] ?? 1_500);

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Publishers, a subscriber's process and the engine are killed or paused at random moments: what was acknowledged arrives,
 * once, in one order.
 *
 * @param url Where the next process finds the store.
 * @param here A broker on it, in this process.
 */
export async function playFaults(
  name: string,
  url: () => string,
  log: string,
  here: Broker,
  engine: Pick<Engine, "kill" | "restart" | "pause" | "resume">,
  next: () => number,
): Promise<void> {
  const mine = reading(here.subscribe("**", { start: "all" }));
  const publishers = new Map<string, Worker>();
  const done = new Map([["x", 0], ["y", 0]]);
  const publish = (who: string): void =>
    void publishers.set(who, new Worker(url(), log, "publish", who, String(done.get(who))));
  const acknowledge = (who: string): void => {
    done.set(who, Math.max(done.get(who)!, Number(publishers.get(who)!.lines.at(-1) ?? 0)));
  };
  const watched: { id: string; type: string; data: string }[] = [];
  let watcher = new Worker(url(), log, "subscribe");
  const collect = (): void => void watched.push(...watcher.lines.splice(0).map((line) => JSON.parse(line)));
  for (const who of done.keys()) publish(who);
  for (let fault = 0; fault < FAULTS; fault++) {
    await pause(next() * 300);
    const what = Math.floor(next() * 4);
    if (what === 0) {
      const who = next() < 0.5 ? "x" : "y";
      await publishers.get(who)!.kill();
      acknowledge(who);
      publish(who);
    } else if (what === 1) {
      await watcher.kill();
      collect();
      watcher = new Worker(url(), log, "subscribe", watched.at(-1)?.id ?? "");
    } else if (what === 2) {
      await engine.kill();
      await pause(next() * 300);
      await engine.restart();
    } else {
      await engine.pause();
      await pause(next() * PAUSE_MS);
      engine.resume();
    }
    for (const [who, worker] of publishers) { // between faults they must get on
      const before = Number(worker.lines.at(-1) ?? 0);
      await worker.until((lines) => Number(lines.at(-1) ?? 0) > before);
      acknowledge(who);
    }
  }
  for (const [who, worker] of publishers) {
    worker.child.stdin!.write("enough\n");
    await worker.ended;
    acknowledge(who);
  }
  const count = [...done.values()].reduce((a, b) => a + b);
  await mine.until(count);
  await watcher.until((lines) => watched.length + lines.length >= count);
  await watcher.kill();
  collect();
  const order = mine.seen.map(({ id, type, data }) => ({ id, type, data }));
  const distinct = new Set(order.map(({ data }) => data));
  let lost = 0;
  for (const [who, upTo] of done) for (let n = 0; n < upTo; n++) if (!distinct.has(`${who}-${n}`)) lost++;
  const gaps = order.filter(({ type }) => type !== "message").length;
  const doubled = order.length - distinct.size;
  console.log(`${name}: ${count} events, ${FAULTS} faults, ${lost} lost, ${doubled} doubled, ${gaps} gaps`);
  assertEquals([order.length, lost, doubled, gaps], [count, 0, 0, 0]);
  assertEquals(watched, order);
}
