/**
 * The stores beside the bare engine, each started here on a free port: publishing with 1, 16 and 256 under way, the time
 * until a subscriber in another process has an event, and replaying: `deno task bench stores`. FRESHET_STORES names some.
 */
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import postgres from "postgres";
import { createClient } from "redis";
import { Broker } from "../mod.ts";
import { openStore } from "../src/cli/store.ts";
import { type EngineSpec, natsServer, postgresServer, redisServer, startEngine } from "../tests/support/engines.ts";
import { runtime } from "./support/compare.ts";
import { commandOf } from "./support/runtimes.ts";

const SECONDS = Number(process.env["FRESHET_SECONDS"] ?? 2);
const REPLAYED = Number(process.env["FRESHET_REPLAYED"] ?? 1_000_000);
const UNDER_WAY = [1, 16, 256];
const LATENCIES = 400;
const DATA = "x".repeat(200);
const FOREVER = 1 << 30;

/** The least that could be right, with the bare client. */
interface Bare {
  publish(data: string): Promise<unknown>;
  /** Calls for each event that is published from now on. */
  follow(onData: (data: string) => void): Promise<void>;
  /** Stores so many events, if publishing them would take minutes. */
  fill?(count: number): Promise<unknown>;
  /** Reads all that there is, and counts. */
  replay(): Promise<number>;
}

const bare: Readonly<Record<string, (url: string) => Promise<Bare>>> = {
  async redis(url) {
    const client = await createClient({ url }).on("error", () => {}).connect();
    return {
      publish: (data) => client.sendCommand(["XADD", "bare", "MAXLEN", "~", String(FOREVER), "*", "data", data]),
      async follow(onData) {
        const reader = await client.duplicate().on("error", () => {}).connect();
        let at = "$";
        void (async () => {
          for (;;) {
            const reply = await reader.xRead({ key: "bare", id: at }, { BLOCK: 5_000, COUNT: 100 });
            for (
              const { id, message }
                of (reply as { messages: { id: string; message: { data: string } }[] }[] | null)?.[0]?.messages ?? []
            ) {
              at = id;
              onData(message.data);
            }
          }
        })().catch(() => {}); // the engine is stopped in the end
      },
      async replay() {
        let count = 0;
        for (let at = "-";;) {
          const entries = (await client.xRange("bare", at === "-" ? at : `(${at}`, "+", { COUNT: 1_000 }))!;
          if (entries.length === 0) return count;
          count += entries.length;
          at = entries.at(-1)!.id;
        }
      },
    };
  },
  async nats(url) {
    const connection = await connect({ servers: url, noAsyncTraces: true });
    const client = jetstream(connection);
    const { streams } = await jetstreamManager(connection);
    await streams.add({ name: "bare", subjects: ["bare"] }).catch(() => {});
    return {
      publish: (data) => client.publish("bare", data),
      async follow(onData) {
        const consumer = await client.consumers.get("bare", { deliver_policy: "new" });
        const messages = await consumer.consume();
        void (async () => {
          for await (const message of messages) onData(message.string());
        })().catch(() => {});
      },
      async replay() {
        const { state } = await streams.info("bare");
        const messages = await (await client.consumers.get("bare")).consume({ max_messages: 1_000 });
        let count = 0;
        for await (const { seq } of messages) {
          count++;
          if (seq === state.last_seq) break;
        }
        await messages.close();
        return count;
      },
    };
  },
  async postgres(url) {
    const sql = postgres(url, { onnotice: () => {}, fetch_types: false });
    await sql`CREATE TABLE IF NOT EXISTS bare (position bigserial PRIMARY KEY, data text NOT NULL)`;
    return {
      publish: (data) =>
        sql`WITH e AS (INSERT INTO bare (data) VALUES (${data}) RETURNING position) SELECT pg_notify('bare', position::text) FROM e`,
      fill: (count) => sql`INSERT INTO bare (data) SELECT ${DATA} FROM generate_series(1, ${count}::integer)`,
      async follow(onData) {
        let [{ at }] = await sql<[{ at: string }]>`SELECT coalesce(max(position), 0) AS at FROM bare`;
        let reading = Promise.resolve();
        await sql.listen("bare", () => {
          reading = reading.then(async () => {
            for (let more = true; more;) {
              const rows =
                await sql`SELECT position, data FROM bare WHERE position > ${at} ORDER BY position LIMIT 100`;
              for (const { position, data } of rows) {
                at = position;
                onData(data);
              }
              more = rows.length === 100;
            }
          }).catch(() => {});
        });
      },
      async replay() {
        let count = 0;
        for (let at = "0";;) {
          const rows = await sql`SELECT position, data FROM bare WHERE position > ${at} ORDER BY position LIMIT 1000`;
          if (rows.length === 0) return count;
          count += rows.length;
          at = rows.at(-1)!["position"];
        }
      },
    };
  },
  // deno-lint-ignore require-await
  async sqlite(url) {
    const db = new DatabaseSync(url.slice("sqlite:".length) + "-bare");
    db.exec("PRAGMA busy_timeout = 1000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    db.exec("CREATE TABLE IF NOT EXISTS bare (position INTEGER PRIMARY KEY, data TEXT NOT NULL)");
    const insert = db.prepare("INSERT INTO bare (data) VALUES (?)");
    let waiting: [data: string, resolve: () => void][] = [];
    return {
      publish: (data) =>
        new Promise<void>((resolve) => {
          if (waiting.push([data, resolve]) > 1) return;
          setImmediate(() => {
            const batch = waiting;
            waiting = [];
            db.exec("BEGIN IMMEDIATE");
            for (const [data] of batch) insert.run(data);
            db.exec("COMMIT");
            for (const [, resolve] of batch) resolve();
          });
        }),
      // deno-lint-ignore require-await
      async follow(onData) {
        let at = Number(db.prepare("SELECT max(position) AS at FROM bare").get()?.["at"] ?? 0);
        const newer = db.prepare("SELECT * FROM bare WHERE position > ? ORDER BY position");
        setInterval(() => {
          for (const { position, data } of newer.all(at)) {
            at = position as number;
            onData(data as string);
          }
        }, 50);
      },
      async replay() {
        let count = 0;
        const page = db.prepare("SELECT * FROM bare WHERE position > ? ORDER BY position LIMIT 1000");
        for (let at = 0;;) {
          const rows = page.all(at);
          await undefined;
          if (rows.length === 0) return count;
          count += rows.length;
          at = rows.at(-1)!["position"] as number;
        }
      },
    };
  },
};

async function ours(url: string): Promise<Bare> {
  const { store } = await openStore(url, { maxBytes: Infinity }, () => {});
  const broker = new Broker({ store });
  await broker.publish("bench", { data: "begins" });
  return {
    publish: (data) => broker.publish("bench", { data }),
    // deno-lint-ignore require-await
    async follow(onData) {
      const subscriber = broker.subscribe("bench");
      void (async () => {
        for await (const { data } of subscriber) onData(data);
      })();
    },
    async replay() {
      const subscriber = broker.subscribe("bench", { start: "all" });
      let count = 0;
      for await (const { data } of subscriber) {
        if (data === "ends") break;
        else count++;
      }
      return count;
    },
  };
}

const now = (): number => performance.timeOrigin + performance.now();
const at = (values: number[], part: number): number => values.sort((a, b) => a - b)[Math.floor(values.length * part)]!;

if (process.argv[2] === "follow") {
  const [, , , engine = "", url = "", who = ""] = process.argv;
  const took: number[] = [];
  const subject = who === "bare" ? await bare[engine]!(url) : await ours(url);
  await subject.follow((data) => {
    const sent = Number(/^at (\S+)/.exec(data)?.[1]);
    if (Number.isNaN(sent)) return;
    took.push(now() - sent);
    if (took.length < LATENCIES) return;
    console.log(JSON.stringify([at(took, 0.5), at(took, 0.99)]));
    process.exit(0);
  });
  setTimeout(() => console.log("ready"), 500);
  await new Promise(() => {});
}

async function throughput({ publish }: Bare, underWay: number): Promise<number> {
  let count = 0;
  const start = performance.now();
  const end = start + SECONDS * 1_000;
  await Promise.all(Array.from({ length: underWay }, async () => {
    while (performance.now() < end) {
      await publish(DATA);
      count++;
    }
  }));
  return count / (performance.now() - start) * 1_000;
}

async function latency(
  engine: string,
  url: string,
  who: string,
  { publish }: Bare,
): Promise<[p50: number, p99: number]> {
  const [command, ...args] = commandOf(runtime, "bench/stores_bench.ts");
  const child = spawn(command!, [...args, "follow", engine, url, who], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  const says = (what: RegExp): Promise<string> =>
    new Promise((resolve) => {
      const look = (bytes?: Uint8Array): void => {
        said += bytes === undefined ? "" : new TextDecoder().decode(bytes);
        const found = what.exec(said);
        if (found !== null) resolve(found[0]);
      };
      child.stdout.on("data", look);
      look();
    });
  await says(/ready/);
  for (let i = 0; i < LATENCIES + 20; i++) {
    await publish(`at ${now()} ${DATA}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return JSON.parse(await says(/\[.*\]/));
}

const engines: Readonly<Record<string, EngineSpec | undefined>> = {
  redis: redisServer,
  nats: natsServer,
  postgres: postgresServer,
  sqlite: undefined,
};
const wanted = process.env["FRESHET_STORES"]?.split(",") ?? Object.keys(engines);
const folder = mkdtempSync(join(tmpdir(), "freshet-bench-"));
console.log(
  `\n### Stores (${runtime}; events of 200 bytes; ${SECONDS} s each, replay of ${REPLAYED}; ours / bare = ratio)\n`,
);
console.log(
  "| store | 1 under way, events/s | 16 | 256 | latency p50, ms | p99 | replay, events/s | memory of replay |",
);
console.log("|---|---|---|---|---|---|---|---|");
const k = (value: number): string =>
  value >= 10_000 ? `${(value / 1_000).toFixed(0)} k` : `${(value / 1_000).toFixed(1)} k`;
for (const name of wanted) {
  const spec = engines[name];
  const engine = spec && await startEngine(spec);
  const url = engine?.url ?? `sqlite:${join(folder, "events.db")}`;
  const subjects = { ours: await ours(url), bare: await bare[name]!(url) };
  // A process that publishes hears what there is, its own too
  const heard = { ours: "", bare: "" };
  for (const who of ["ours", "bare"] as const) await subjects[who].follow((data) => void (heard[who] = data));
  const cells: string[] = [];
  for (const underWay of UNDER_WAY) {
    const rates = { ours: 0, bare: 0 };
    for (const round of [0, 1]) { // interleaved
      for (const who of ["ours", "bare"] as const) {
        const rate = await throughput(subjects[who], underWay);
        if (round === 1 || rate > rates[who]) rates[who] = Math.max(rates[who], rate);
      }
    }
    cells.push(`${k(rates.ours)} / ${k(rates.bare)} = ${(rates.ours / rates.bare).toFixed(2)}`);
  }
  const took = {
    ours: await latency(name, url, "ours", subjects.ours),
    bare: await latency(name, url, "bare", subjects.bare),
  };
  for (const i of [0, 1] as const) {
    cells.push(`${took.ours[i].toFixed(2)} / ${took.bare[i].toFixed(2)} = ${(took.ours[i] / took.bare[i]).toFixed(2)}`);
  }
  const rates = { ours: 0, bare: 0 };
  let grown = 0;
  for (const who of ["ours", "bare"] as const) {
    const { fill, publish } = subjects[who];
    if (fill !== undefined) await fill(REPLAYED);
    for (let i = 0; fill === undefined && i < REPLAYED; i += 1_000) {
      await Promise.all(Array.from({ length: 1_000 }, () => publish(DATA)));
    }
    await subjects[who].publish("ends");
    while (heard[who] !== "ends") await new Promise((resolve) => setTimeout(resolve, 10));
    const before = process.memoryUsage().rss;
    let most = before;
    const watching = setInterval(() => most = Math.max(most, process.memoryUsage().rss), 20);
    const start = performance.now();
    const count = await subjects[who].replay();
    rates[who] = count / (performance.now() - start) * 1_000;
    clearInterval(watching);
    if (who === "ours") grown = most - before;
  }
  cells.push(
    `${k(rates.ours)} / ${k(rates.bare)} = ${(rates.ours / rates.bare).toFixed(2)}`,
    `+${(grown / 2 ** 20).toFixed(0)} MiB`,
  );
  console.log(`| ${name} | ${cells.join(" | ")} |`);
  await engine?.stop();
}
rmSync(folder, { recursive: true });
process.exit(0);
