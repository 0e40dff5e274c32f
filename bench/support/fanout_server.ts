/**
 * One contestant of the fan-out bench, in a process of its own: `fanout_server.ts NAME EVENTS_PER_TURN`. It prints its
 * port, and obeys lines on standard input: `start`, `stop`, `ack` (a turn has arrived), `report`, `exit`.
 */
import process from "node:process";
import readline from "node:readline";
import { contestants } from "./contestants.ts";

/** Turns that may be under way: enough that the server never waits for the client, and bounded. */
const TURNS_UNDER_WAY = 4;

const [name = "", perTurn = "1"] = process.argv.slice(2);
const { port, publish, flush } = await contestants[name]!();
const pad = "x".repeat(56);
let running = false;
let turns = 0;
let acked = 0;
let wake = (): void => {};

say({ port });
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  if (line === "ack") {
    acked++;
    wake();
  } else if (line === "start") {
    running = true;
    void run();
  } else if (line === "stop") {
    running = false;
    wake();
  } else if (line === "report") {
    const { user, system } = process.cpuUsage();
    say({ cpu: user + system, turns, rss: process.memoryUsage().rss });
  } else if (line === "gc") {
    // All that can be given back, pages included: what counts is what connections hold
    (globalThis as { gc?: (options: unknown) => void }).gc?.({
      type: "major",
      execution: "sync",
      flavor: "last-resort",
    });
    (globalThis as { Bun?: { gc(force: boolean): void } }).Bun?.gc(true);
    say({});
  } else if (line === "exit") {
    process.exit(0);
  }
});

async function run(): Promise<void> {
  while (running) {
    turns++;
    for (let i = 0; i < Number(perTurn); i++) publish(`{"t":"${String(Date.now()).padStart(16)}","pad":"${pad}"}`);
    flush?.();
    // The turn ends, and with it what waits for its end: nobody gathers two turns in one write
    for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve));
    while (running && turns - acked >= TURNS_UNDER_WAY) await new Promise<void>((resolve) => wake = resolve);
  }
}

function say(what: unknown): void {
  process.stdout.write(JSON.stringify(what) + "\n");
}
