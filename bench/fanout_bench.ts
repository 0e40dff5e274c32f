/**
 * Fan-out to 1,000 connections: deliveries per second, and processor time of the server for each delivery. Runs in Bun,
 * whose sockets read fastest: `bun bench/fanout_bench.ts RUNTIME [PAIRS]` measures the contestants of one runtime, each a
 * process of its own with its own connections, in turns of one second.
 */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import readline from "node:readline";
import { median } from "./support/compare.ts";
import { commandOf } from "./support/runtimes.ts";

const CONNECTIONS = 1_000;
const BURST_MS = 1_000;

declare const Bun: {
  connect(options: {
    hostname: string;
    port: number;
    socket: { open(socket: BunSocket): void; data(socket: BunSocket, bytes: Uint8Array): void; error(): void };
  }): Promise<BunSocket>;
};
interface BunSocket {
  write(text: string): number;
  end(): void;
}

const contestantsOf: Record<string, readonly string[]> = {
  node: ["freshet", "bare-node", "better-sse"],
  deno: ["freshet", "bare-node", "bare-deno", "hono"],
  bun: ["freshet", "bare-bun", "hono"],
};

class Server {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterableIterator<string>;
  readonly #perTurn: number;
  readonly #sockets: BunSocket[] = [];
  #acked = 0;
  #witnessed = 0;

  private constructor(name: string, child: ChildProcess, perTurn: number) {
    this.name = name;
    this.#child = child;
    this.#perTurn = perTurn;
    this.#answers = readline.createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  static async start(runtime: string, name: string, perTurn: number): Promise<Server> {
    const [command, ...args] = commandOf(runtime, "bench/support/fanout_server.ts");
    const child = spawn(command!, [...args, name, String(perTurn)], { stdio: ["pipe", "pipe", "inherit"] });
    const server = new Server(name, child, perTurn);
    const { port } = await server.#answer() as { port: number };
    for (let i = 0; i < CONNECTIONS; i++) await server.#connect(port, i === CONNECTIONS - 1);
    return server;
  }

  /** One burst: deliveries per second, and microseconds of the server's processor time for each. */
  async burst(): Promise<{ perSecond: number; cpu: number }> {
    const before = await this.#report();
    const start = performance.now();
    this.#tell("start");
    await new Promise((resolve) => setTimeout(resolve, BURST_MS));
    const seconds = (performance.now() - start) / 1000;
    this.#tell("stop");
    const after = await this.#report();
    await new Promise((resolve) => setTimeout(resolve, 100)); // what is under way arrives before the next begins
    const deliveries = (after.turns - before.turns) * this.#perTurn * CONNECTIONS;
    return { perSecond: deliveries / seconds, cpu: (after.cpu - before.cpu) / deliveries };
  }

  stop(): void {
    this.#tell("exit");
    for (const socket of this.#sockets) socket.end();
  }

  async #connect(port: number, isWitness: boolean): Promise<void> {
    const opened = Promise.withResolvers<void>();
    let last = 0;
    const socket = {
      open: (socket: BunSocket) =>
        void socket.write("GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"),
      error: () => {},
      data: (_: BunSocket, bytes: Uint8Array) => {
        opened.resolve();
        if (!isWitness) return;
        for (const byte of bytes) {
          if (byte === 10 && last === 10) this.#witnessed++; // a blank line ends an event
          last = byte;
        }
        for (; this.#acked < Math.floor(this.#witnessed / this.#perTurn); this.#acked++) this.#tell("ack");
      },
    };
    this.#sockets.push(await Bun.connect({ hostname: "127.0.0.1", port, socket }));
    await opened.promise;
  }

  #tell(line: string): void {
    this.#child.stdin!.write(line + "\n");
  }

  async #answer(): Promise<unknown> {
    const { value, done } = await this.#answers.next();
    if (done) throw new Error(`${this.name} ended`);
    return JSON.parse(value);
  }

  #report(): Promise<{ cpu: number; turns: number }> {
    this.#tell("report");
    return this.#answer() as Promise<{ cpu: number; turns: number }>;
  }
}

const [runtime = "node", pairs = "10", perTurns = "1,16"] = process.argv.slice(2);
for (const perTurn of perTurns.split(",").map(Number)) {
  const servers: Server[] = [];
  for (const name of contestantsOf[runtime]!) servers.push(await Server.start(runtime, name, perTurn));
  for (const server of servers) await server.burst(); // warm up
  const bursts = new Map(servers.map((server) => [server, [] as { perSecond: number; cpu: number }[]]));
  for (let pair = 0; pair < Number(pairs); pair++) {
    for (const server of pair % 2 === 0 ? servers : servers.toReversed()) {
      bursts.get(server)!.push(await server.burst());
    }
  }
  console.log(
    `\nFan-out on ${runtime}: ${CONNECTIONS} connections, ${perTurn} events a turn, median of ${pairs} bursts\n`,
  );
  console.log("| | deliveries/s | µs of CPU a delivery | freshet: deliveries | freshet: CPU |\n|---|---|---|---|---|");
  for (const server of servers) {
    const own = bursts.get(server)!;
    const ours = bursts.get(servers.find(({ name }) => name === "freshet")!)!;
    const speed = median(own.map(({ perSecond }, i) => ours[i]!.perSecond / perSecond)).toFixed(2);
    const cpu = median(own.map(({ cpu }, i) => ours[i]!.cpu / cpu)).toFixed(2);
    const perSecond = Math.round(median(own.map(({ perSecond }) => perSecond)) / 1000);
    console.log(
      `| ${server.name} | ${perSecond} k | ${median(own.map(({ cpu }) => cpu)).toFixed(2)} | ${speed} × | ${cpu} × |`,
    );
  }
  for (const server of servers) server.stop();
}
process.exit(0);
