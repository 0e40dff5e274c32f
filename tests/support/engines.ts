/** Database engines for tests: each is started on a free port, with its data in a folder of its own. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/** An engine that runs, and what may happen to it. */
export interface Engine {
  readonly port: number;
  /** Where its clients find it. */
  readonly url: string;
  /** Ends it as a power cut would, but for what the kernel holds. */
  kill(): Promise<void>;
  /** Starts it again on the same data and port. */
  restart(): Promise<void>;
  /** Keeps a copy of its data. */
  save(): Promise<void>;
  /** Puts the copy in the place of its data: what it acknowledged since is lost. */
  lose(): Promise<void>;
  /** Stops it from running, or lets it go on: to its clients it is silent. */
  pause(): Promise<void>;
  resume(): void;
  stop(): Promise<void>;
}

/** What starts an engine. */
export interface EngineSpec {
  readonly name: string;
  /** The program, if it is on this machine. */
  readonly program: string | undefined;
  /** Fills its folder; once. */
  prepare?(folder: string): void | Promise<void>;
  command(folder: string, port: number): { args: string[]; uid?: number; gid?: number };
  url(port: number): string;
  /** What makes another server that follows one: what that acknowledges comes later. */
  readonly replica?: ReplicaSpec;
}

/** How an engine replicates. */
export interface ReplicaSpec {
  /** Fills the folder of a replica of the server at a port, and says what its command has beside the usual. */
  prepare(folder: string, primary: number): Promise<string[]>;
  /** Makes a replica the primary. */
  promote(port: number): Promise<unknown>;
  /** How far a server is, in bytes: a replica as far as its primary, once it has everything. */
  position(port: number): Promise<number>;
}

const running = new Set<ChildProcess>();
const folders = new Set<string>();
process.on("exit", () => {
  for (const child of running) process.kill(child.pid!, "SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function which(program: string): string | undefined {
  const found = spawnSync("sh", ["-c", `PATH=$PATH:/usr/sbin:/usr/local/sbin command -v ${program}`], {
    encoding: "utf8",
  });
  return found.stdout.trim() === "" ? undefined : found.stdout.trim();
}

/** Why an engine cannot be tested on this machine, for `skip`; `false` if it can. */
export function missing({ program, name }: EngineSpec): string | false {
  return program === undefined && `${name} is not installed`;
}

export const redisServer: EngineSpec = {
  name: "redis-server",
  program: which("redis-server"),
  command: (folder, port) => ({
    args: [
      ...["--port", String(port), "--bind", "127.0.0.1", "--dir", folder],
      ...["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0"],
    ],
  }),
  url: (port) => `redis://127.0.0.1:${port}`,
  replica: {
    prepare: (_folder, primary) => Promise.resolve(["--replicaof", "127.0.0.1", String(primary)]),
    promote: (port) => run("redis-cli", "-p", String(port), "REPLICAOF", "NO", "ONE"),
    async position(port) {
      const info = await run("redis-cli", "-p", String(port), "INFO", "replication");
      return Number(/master_repl_offset:(\d+)/.exec(info)![1]);
    },
  },
};

/** What a program prints. What it speaks to may be in this process. */
async function run(program: string, ...args: string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on("data", (bytes: Uint8Array) => said += new TextDecoder().decode(bytes));
  }
  const status = await new Promise((resolve) => child.once("close", resolve));
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${said}`);
  return said;
}

export const natsServer: EngineSpec = {
  name: "nats-server",
  program: which("nats-server"),
  prepare: (folder) => writeFileSync(join(folder, "nats.conf"), "max_payload: 4MB\n"),
  command: (folder, port) => ({
    args: ["-c", join(folder, "nats.conf"), "-a", "127.0.0.1", "-p", String(port), "-js", "-sd", folder],
  }),
  url: (port) => `nats://127.0.0.1:${port}`,
};

const postgresBin = ((): string | undefined => {
  const versions = existsSync("/usr/lib/postgresql") ? readdirSync("/usr/lib/postgresql") : [];
  const newest = versions.sort((a, b) => Number(b) - Number(a))[0];
  return newest === undefined ? undefined : `/usr/lib/postgresql/${newest}/bin`;
})();

/** PostgreSQL refuses to run as root. */
const postgresUser = ((): { uid?: number; gid?: number } => {
  if (process.getuid?.() !== 0) return {};
  const [uid, gid] = ["-u", "-g"].map((flag) =>
    Number(spawnSync("id", [flag, "postgres"], { encoding: "utf8" }).stdout)
  );
  return { uid: uid!, gid: gid! };
})();

export const postgresServer: EngineSpec = {
  name: "postgresql",
  program: postgresBin && `${postgresBin}/postgres`,
  prepare(folder) {
    const { uid, gid } = postgresUser;
    if (uid !== undefined) chownSync(folder, uid, gid!);
    const made = spawnSync(
      `${postgresBin}/initdb`,
      ["-D", `${folder}/data`, "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C"],
      { ...postgresUser, cwd: folder, encoding: "utf8" },
    );
    if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);
  },
  command: (folder, port) => ({
    args: ["-D", `${folder}/data`, "-p", String(port), "-h", "127.0.0.1", "-k", folder],
    ...postgresUser,
  }),
  url: (port) => `postgres://postgres@127.0.0.1:${port}/postgres`,
  replica: {
    async prepare(folder, primary) {
      const from = ["-h", "127.0.0.1", "-p", String(primary), "-U", "postgres"];
      const how = ["-D", `${folder}/data`, "-R", "-X", "stream", "-c", "fast", "-N"];
      await answering(() => run(`${postgresBin}/pg_basebackup`, ...from, ...how));
      const { uid, gid } = postgresUser;
      if (uid !== undefined) await run("chown", "-R", `${uid}:${gid}`, folder);
      return [];
    },
    promote: (port) => ask(port, "SELECT pg_promote()"),
    position: async (port) => Number(await ask(port, `SELECT pg_wal_lsn_diff(${LSN}, '0/0')`)),
  },
};

const LSN = "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END";

function ask(port: number, query: string): Promise<string> {
  return answering(() =>
    run(`${postgresBin}/psql`, "-h", "127.0.0.1", "-p", String(port), "-U", "postgres", "-Atc", query)
  );
}

/** Asks until it is answered: a server takes connections before it does. */
async function answering(ask: () => Promise<string>): Promise<string> {
  for (const end = Date.now() + 30_000;;) {
    try {
      return await ask();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** An engine that follows another. */
export interface Replica extends Engine {
  /** Waits until it has all that its primary has now. */
  catchUp(): Promise<void>;
  /** Makes it the primary. */
  promote(): Promise<unknown>;
}

/**
 * Starts a replica.
 *
 * @param primary What it follows.
 * @param through The port by which it does, which may lead there by way of something else.
 */
export async function startReplica(spec: EngineSpec, primary: Engine, through: number): Promise<Replica> {
  const { prepare, promote, position } = spec.replica!;
  let more: string[] = [];
  const engine = await startEngine({
    ...spec,
    async prepare(folder) {
      more = await prepare(folder, through);
    },
    command: (folder, port) => {
      const { args, ...user } = spec.command(folder, port);
      return { args: [...args, ...more], ...user };
    },
  });
  return {
    ...engine,
    promote: () => promote(engine.port),
    async catchUp() {
      const until = await position(primary.port);
      for (const end = Date.now() + 30_000;;) {
        const reached = await position(engine.port);
        if (reached >= until) return;
        if (Date.now() > end) throw new Error(`the replica got no further than ${reached} of ${until}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
  };
}

/** Starts an engine, and waits until it takes connections. */
export async function startEngine(spec: EngineSpec): Promise<Engine> {
  const folder = mkdtempSync(join(tmpdir(), "freshet-engine-"));
  const copy = `${folder}-copy`;
  folders.add(folder).add(copy);
  await spec.prepare?.(folder);
  const port = await freePort();
  let child = await start(spec, folder, port);
  const signal = (pids: readonly number[], name: NodeJS.Signals): void => {
    for (const pid of pids) {
      try {
        process.kill(pid, name);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // it has ended just now
      }
    }
  };
  /** Stops it, and then those that it has begun: one that is stopped begins no more. */
  const stopped = async (): Promise<number[]> => {
    signal([child.pid!], "SIGSTOP");
    while (!/[TtZ]/.test(stateOf(child.pid!))) await new Promise((resolve) => setTimeout(resolve, 1));
    const pids = [child.pid!, ...childrenOf(child.pid!)];
    signal(pids, "SIGSTOP");
    return pids;
  };
  const kill = async (): Promise<void> => {
    if (!running.has(child)) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    const pids = await stopped();
    signal(pids, "SIGKILL");
    await ended;
    // The next would find what those hold that have not gone yet
    while (pids.some((pid) => stateOf(pid) !== "Z")) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  return {
    port,
    url: spec.url(port),
    kill,
    async restart() {
      child = await start(spec, folder, port);
    },
    async save() {
      await kill();
      spawnSync("cp", ["-a", folder, copy]);
      child = await start(spec, folder, port);
    },
    async lose() {
      await kill();
      rmSync(folder, { recursive: true });
      spawnSync("cp", ["-a", copy, folder]);
      child = await start(spec, folder, port);
    },
    async pause() {
      await stopped();
    },
    resume: () => signal([child.pid!, ...childrenOf(child.pid!)], "SIGCONT"),
    async stop() {
      await kill();
      for (const made of [folder, copy]) {
        rmSync(made, { recursive: true, force: true });
        folders.delete(made);
      }
    },
  };
}

async function start(spec: EngineSpec, folder: string, port: number): Promise<ChildProcess> {
  const { args, ...user } = spec.command(folder, port);
  let said = "";
  const child = spawn(spec.program!, args, { ...user, cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on("data", (bytes: Uint8Array) => said = (said + new TextDecoder().decode(bytes)).slice(-4_000));
  }
  running.add(child);
  child.once("exit", () => running.delete(child));
  for (const until = Date.now() + 30_000; !await accepts(port);) {
    if (!running.has(child) || Date.now() > until) throw new Error(`${spec.name} does not start: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return child;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** The letter that the system has for a process's state; `"Z"` for one that has ended, and for none. */
function stateOf(pid: number): string {
  try {
    return /^\d+ \(.*\) (\S) /.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))![1]!;
  } catch {
    return "Z";
  }
}

/** The processes that a process has begun: PostgreSQL has one for each connection. */
export function childrenOf(pid: number): number[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((other) => {
    try {
      return Number(/^\d+ \(.*\) \S (\d+)/.exec(readFileSync(`/proc/${other}/stat`, "utf8"))?.[1]) === pid;
    } catch {
      return false; // it has ended meanwhile
    }
  });
}

/** A port that nothing listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
