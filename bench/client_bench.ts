/** The client over loopback: 1,000,000 events of 200 bytes, read as applications do, beside what they use today. */
import { EventSource as EventSourcePackage } from "eventsource";
import { spawn } from "node:child_process";
import process from "node:process";
import { Stream } from "openai/core/streaming";
import { connect, EventSource } from "../src/client/mod.ts";
import { median, runtime } from "./support/compare.ts";
import { commandOf } from "./support/runtimes.ts";

const EVENTS = 1_000_000;
const ROUNDS = 5;

const [command, ...args] = commandOf("node", "bench/support/event_server.ts");
const server = spawn(command!, [...args, String(EVENTS)], { stdio: ["pipe", "pipe", "inherit"] });
const port = await new Promise<string>((resolve) =>
  server.stdout.once("data", (bytes) => resolve(String(bytes).trim()))
);
const url = `http://127.0.0.1:${port}/`;

/** Each resolves to how many events it has seen. */
const contestants: Readonly<Record<string, () => Promise<number>>> = {
  "connect(), in a loop": async () => {
    let seen = 0;
    for await (const _event of connect(url, { reconnect: false })) seen++;
    return seen;
  },
  "connect(), in a loop, JSON parsed": async () => {
    let seen = 0;
    for await (const { data } of connect(url, { reconnect: false })) {
      if (data !== "[DONE]") JSON.parse(data);
      seen++;
    }
    return seen;
  },
  "connect(), by listener": async () => {
    let seen = 0;
    const connection = connect(url, { reconnect: false });
    connection.on("message", () => seen++);
    await connection.closed;
    return seen;
  },
  "EventSource": () => listen(new EventSource(url)),
  "eventsource 5": () => listen(new EventSourcePackage(url)),
  "openai's decoder": async () => {
    const controller = new AbortController();
    let seen = 1; // it keeps [DONE] to itself
    for await (const _event of Stream.fromSSEResponse(await fetch(url, { signal: controller.signal }), controller)) {
      seen++;
    }
    return seen;
  },
};

interface Listened {
  onmessage: ((event: MessageEvent) => unknown) | null;
  close(): void;
}

function listen(source: Listened): Promise<number> {
  let seen = 0;
  return new Promise((resolve) => {
    source.onmessage = ({ data }) => {
      seen++;
      if (data !== "[DONE]") return;
      source.close();
      resolve(seen);
    };
  });
}

const only = process.argv[2] ?? "";
const names = Object.keys(contestants).filter((name) => name.includes(only));
const times: Record<string, number[]> = {};
for (let round = 0; round <= ROUNDS; round++) {
  for (const name of round % 2 === 0 ? names : names.toReversed()) {
    const start = performance.now();
    const seen = await contestants[name]!();
    if (seen !== EVENTS + 1) throw new Error(`${name} saw ${seen} events`);
    if (round > 0) (times[name] ??= []).push(performance.now() - start); // the first warms up
  }
}
server.stdin.end();

const peers = ["eventsource 5", "openai's decoder"].filter((name) => names.includes(name));
console.log(
  `\n### Client over loopback (${runtime}; 1,000,000 events of 200 bytes, median of ${ROUNDS} interleaved rounds)\n`,
);
console.log(`|  | events/s | ${peers.map((name) => `times as fast as ${name}`).join(" | ")} |`);
console.log(`|---|---|${peers.map(() => "---|").join("")}`);
for (const name of names) {
  const ratios = peers.map((peer) => median(times[name]!.map((ours, round) => times[peer]![round]! / ours)).toFixed(2));
  console.log(`| ${name} | ${(EVENTS / median(times[name]!)).toFixed(0)} k | ${ratios.join(" | ")} |`);
}
process.exit(0);
