/**
 * Memory of 10,000 idle subscribers, beside 10,000 open streams of the barest handler of that runtime: run it in Bun,
 * `bun bench/idle_bench.ts RUNTIME`. Each contestant is a process of its own; what it held before is taken off.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { connect, type Socket } from "node:net";
import process from "node:process";
import readline from "node:readline";
import { median } from "./support/compare.ts";
import { commandOf } from "./support/runtimes.ts";

const CONNECTIONS = 10_000;
const ROUNDS = 3;

const contestantsOf: Record<string, readonly (readonly [ours: string, bare: string])[]> = {
  node: [["freshet", "bare-node"]],
  deno: [["freshet", "bare-node"], ["freshet", "bare-deno"]],
  bun: [["freshet", "bare-bun"]],
};

const [runtime = "node"] = process.argv.slice(2);
console.log(`\nMemory of an idle connection on ${runtime}: ${CONNECTIONS} connections, median of ${ROUNDS} rounds\n`);
console.log("| ours | beside | kB | kB beside | ratio |\n|---|---|---|---|---|");
for (const pair of contestantsOf[runtime]!) {
  const rounds: [number, number][] = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push([await measure(pair[0]), await measure(pair[1])]);
  const [ours, bare] = [0, 1].map((i) => median(rounds.map((round) => round[i]!))) as [number, number];
  const ratio = median(rounds.map(([ours, bare]) => ours / bare));
  console.log(
    `| ${pair[0]} | ${pair[1]} | ${(ours / 1e3).toFixed(1)} | ${(bare / 1e3).toFixed(1)} | ${ratio.toFixed(2)} |`,
  );
}
process.exit(0);

/** Bytes a connection. */
async function measure(name: string): Promise<number> {
  const [command, ...args] = commandOf(runtime, "bench/support/fanout_server.ts");
  const child: ChildProcess = spawn(command!, [...args, name, "1"], { stdio: ["pipe", "pipe", "inherit"] });
  const answers = readline.createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const ask = async (line: string): Promise<{ rss: number; port: number }> => {
    if (line !== "") child.stdin!.write(line + "\n");
    return JSON.parse((await answers.next()).value ?? "null");
  };
  const settled = async (): Promise<number> => {
    for (let i = 0; i < 3; i++) await ask("gc");
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    return (await ask("report")).rss;
  };
  const { port } = await ask("");
  const warm = await open(port, 200); // what the first connections load is not theirs
  for (const socket of warm) socket.destroy();
  const before = await settled();
  const sockets = await open(port, CONNECTIONS);
  const after = await settled();
  child.stdin!.write("exit\n");
  await new Promise((resolve) => child.once("exit", resolve));
  for (const socket of sockets) socket.destroy();
  return (after - before) / CONNECTIONS;
}

async function open(port: number, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let i = 0; i < count; i += 500) {
    const batch = Array.from({ length: Math.min(500, count - i) }, () =>
      new Promise<Socket>((resolve, reject) => {
        const socket = connect({ port, host: "127.0.0.1" }, () => {
          socket.write("GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
        });
        socket.on("error", reject);
        socket.once("data", () => resolve(socket));
      }));
    sockets.push(...await Promise.all(batch));
  }
  return sockets;
}
