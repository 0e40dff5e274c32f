/**
 * One case of the regression bench on one tree, in a process of its own: `regress_program.ts ROOT ADAPTER CASE CLIENTS`. It
 * prints its port, and obeys lines on standard input: `round`, `ack` (a turn has arrived), `rss`, `exit`.
 */
import process from "node:process";
import readline from "node:readline";
import { cases, type Told, type Tree } from "./regress_cases.ts";

const [root = ".", adapter = "node", name = "", clients = "0"] = process.argv.slice(2);
const tree: Tree = {
  core: await import(`${root}/mod.ts`),
  serve: (await import(`${root}/src/adapters/${adapter}.ts`)).serve,
};
const { port, resume, round } = await cases[name]!(tree, Number(clients));
let acked = 0;
let wake = (): void => {};
const told: Told = {
  get acked() {
    return acked;
  },
  more: () => new Promise<void>((resolve) => wake = resolve),
};

say({ port, resume });
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  if (line === "ack") {
    acked++;
    wake();
  } else if (line === "round") {
    void measure();
  } else if (line === "rss") {
    collect();
    say({ rss: process.memoryUsage().rss });
  } else if (line === "exit") {
    process.exit(0);
  }
});

async function measure(): Promise<void> {
  const before = process.cpuUsage();
  const start = performance.now();
  const work = await round(told);
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(before);
  say({ work, ms, cpu: user + system });
}

/** Gives back all that can be, pages included: what counts is what connections hold. */
function collect(): void {
  const { gc, Bun } = globalThis as {
    gc?: (options: { type: string; execution: string; flavor: string }) => void;
    Bun?: { gc(force: boolean): void };
  };
  gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
  Bun?.gc(true);
}

function say(what: unknown): void {
  process.stdout.write(JSON.stringify(what) + "\n");
}
