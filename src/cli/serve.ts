import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import process from "node:process";
import { Broker } from "../broker/broker.ts";
import { createHub, type Hub, type RequestLog, type TokenOptions } from "../hub/hub.ts";
import { localOnly, namedOnly } from "../hub/local_only.ts";
import type { Server } from "../server/serve_options.ts";
import { type Address, addressOf, isLocal, listening, nativeServe, sharingServe } from "./address.ts";
import { helpOf, type Options, type OptionSpecs, readOptions, UsageError } from "./options.ts";
import { untilStopped } from "./signals.ts";
import { isShared, openStore, type StoreLimits, STORES } from "./store.ts";
import { freePort, leaveWorkers, reportListening, runWorkers, workerNumber } from "./workers.ts";

const specs: OptionSpecs = {
  dev: { help: "Without tokens, for programs and pages of this machine only" },
  bind: { value: "ADDRESS:PORT", help: "Where to listen (127.0.0.1:8080)" },
  port: { value: "PORT", number: true, help: "The same address with another port" },
  "bind-control": {
    value: "ADDRESS:PORT",
    help: "Where publishers and operators come in without a token: loopback only",
  },
  "secret-file": { value: "FILE", isSecretFile: true, help: "The secret of HS256 tokens, of at least 32 bytes" },
  secret: { value: "TEXT", help: "The same in the command line, where other users of the machine can see it" },
  jwks: { value: "FILE|URL", help: "Public keys of tokens, as a JSON Web Key Set; by https" },
  "jwks-max-stale": {
    value: "SECONDS",
    number: true,
    help: "How long fetched keys are used while they cannot be fetched again (86400)",
  },
  algorithm: {
    value: "NAME",
    multiple: true,
    help: "Algorithms that tokens may have (HS256; RS256, ES256 and EdDSA with keys)",
  },
  issuer: { value: "TEXT", help: "What a token's iss must be" },
  audience: { value: "TEXT", help: "What a token's aud must hold; without, tokens that have one are refused" },
  "allow-eternal-tokens": { help: "Tokens without exp are taken, too" },
  cookie: { value: "NAME", help: "A cookie that may hold the token, for pages of --allow-origin" },
  "token-query": { value: "NAME", help: "A query parameter that may hold the token; kept out of the log" },
  anonymous: { value: "PATTERN", multiple: true, help: "What anybody may subscribe to" },
  store: { value: STORES, help: "Where events are kept (memory); processes may share all others" },
  "store-name": { value: "NAME", help: "What separates this log from others in one database (freshet)" },
  workers: { value: "N", number: true, help: "Processes that share the port and the store" },
  "retain-events": { value: "N", number: true, help: "How many events are kept" },
  "retain-age": { value: "SECONDS", number: true, help: "How long events are kept" },
  "allow-origin": { value: "ORIGIN", multiple: true, help: "Pages of which origins may read; * for all" },
  "allow-host": {
    value: "NAME",
    multiple: true,
    help: "What Host may be, beside this machine, on a loopback address where no token is asked for",
  },
  "trust-proxy": { value: "CIDR", multiple: true, help: "Proxies whose X-Forwarded-For is believed" },
  "max-connections": { value: "N", number: true, help: "Streams that may be open (10000)" },
  "max-connections-per-ip": {
    value: "N",
    number: true,
    help: "Streams that one address, of IPv6 one /64, may have open (100)",
  },
  "max-connections-per-user": { value: "N", number: true, help: "Streams that one user may have open (100)" },
  "max-buffered-bytes": { value: "N", number: true, help: "Bytes held for a client that reads slowly (1048576)" },
  "max-body-bytes": { value: "N", number: true, help: "The largest body that may be published (1048576)" },
  "body-timeout": { value: "SECONDS", number: true, help: "How long a body may take to come (30)" },
  "unknown-id": {
    value: "all|start",
    help: "What an unknown last event ID gets: all that is kept, or what is new (all)",
  },
  heartbeat: { value: "SECONDS", number: true, help: "Between two heartbeats (15)" },
  "no-admin": { help: "No admin page" },
  "admin-password-file": {
    value: "FILE",
    isSecretFile: true,
    help: "The password of the user admin, for the admin page on the public address",
  },
  "prefix-match": { help: "/subscribe/pet hears pets and petstore too" },
  "tls-cert": { value: "FILE", help: "The certificate chain, PEM" },
  "tls-key": { value: "FILE", isSecretFile: true, help: "Its key, PEM" },
  drain: { value: "SECONDS", number: true, help: "Over how long streams are ended at SIGTERM (5)" },
  log: { value: "json|text|off", help: "A line for each request, on standard error (off)" },
};

export const serveHelp: string = helpOf("freshet serve [OPTIONS]", "Runs the hub.", specs);

/** `freshet serve`: runs the hub until it is told to stop; resolves to the exit code. */
export async function serveCommand(args: readonly string[]): Promise<number> {
  const options = readOptions(specs, args);
  if (options.positionals.length > 0) throw new UsageError(`serve takes options only: got ${options.positionals[0]}`);
  const isDev = options.has("dev");
  const address = addressOf("bind", options.text("bind") ?? "127.0.0.1:8080", options.text("port"));
  const control = options.text("bind-control") === undefined
    ? undefined
    : addressOf("bind-control", options.text("bind-control")!);
  const tokens = tokenOptions(options, isDev);
  const anonymous = options.list("anonymous");
  if (isDev && !isLocal(address)) {
    throw new UsageError(`--dev needs a loopback address in --bind: got ${address.hostname}`);
  }
  if (isDev && control !== undefined) {
    throw new UsageError("--dev serves all on one address: --bind-control does not go with it");
  }
  if (control !== undefined && !isLocal(control)) {
    throw new UsageError(`--bind-control must be a loopback address, as it asks for no token: got ${control.hostname}`);
  }
  if (!isDev && tokens === undefined && anonymous.length === 0) {
    throw new UsageError(
      "Who may subscribe? Give --secret-file or --jwks for tokens, --anonymous '**' for everybody, or --dev for programs " +
        "and pages of this machine",
    );
  }
  if (options.text("secret") !== undefined) {
    process.stderr.write("freshet: other users of this machine can see --secret: --secret-file is safer\n");
  }

  if (!isDev && tokens === undefined && control === undefined) {
    process.stderr.write("freshet: nobody can publish: give --bind-control, or --secret-file or --jwks for tokens\n");
  }
  const unknownId = unknownIdOf(options);
  const bodyTimeout = options.number("body-timeout");
  const where = options.text("store") ?? "memory";
  const workers = options.number("workers", 1);
  if (workers !== undefined && workerNumber() === undefined) {
    if (!Number.isInteger(workers)) throw new UsageError(`--workers must be a whole number: got ${workers}`);
    if (!isShared(where)) {
      throw new UsageError(
        `--workers needs a --store that processes can share, as each has a memory of its own: got ${where}`,
      );
    }
    const ports: Record<string, string> = {};
    if (address.port === 0) ports["FRESHET_WORKER_PORT"] = String(await freePort(address.hostname));
    if (control?.port === 0) ports["FRESHET_WORKER_CONTROL_PORT"] = String(await freePort(control.hostname));
    return await runWorkers(workers, ports, (urls) => {
      process.stdout.write(
        isDev ? greeting(urls[0]!) : `Freshet listens on ${urls.join(" and ")}, ${workers} workers\n`,
      );
    });
  }
  const onError = (error: unknown): void =>
    void process.stderr.write(`freshet: ${error instanceof Error ? error.message : error}\n`);
  /** What has been opened, and how it is closed: whatever fails between, nothing stays open and keeps the process alive. */
  const closing: (() => Promise<unknown>)[] = [];
  try {
    const { store, close: closeStore } = await openStore(where, limitsOf(options), onError);
    closing.push(closeStore);
    const broker = new Broker({ store, heartbeat: (options.number("heartbeat") ?? 15) * 1_000, onError });
    closing.push(() => broker.close());
    const hub = createHub({
      broker,
      ...(tokens && { tokens }),
      anonymous,
      ...(options.list("allow-origin").length > 0 && { cors: corsOf(options) }),
      trustedProxies: options.list("trust-proxy"),
      maxConnections: options.number("max-connections", 1),
      maxConnectionsPerAddress: options.number("max-connections-per-ip", 1),
      maxConnectionsPerUser: options.number("max-connections-per-user", 1),
      maxBufferedBytes: options.number("max-buffered-bytes"),
      maxBodyBytes: options.number("max-body-bytes", 1),
      bodyTimeout: bodyTimeout === undefined ? undefined : bodyTimeout * 1_000,
      prefixMatch: options.has("prefix-match"),
      unknownId,
      admin: options.has("no-admin") ? false : adminOf(options),
      node: [`freshet-${hostname()}`, workerNumber()].filter((part) => part !== undefined).join("-"),
      onRequest: logger(options.text("log") ?? "off"),
    });
    closing.push(() => hub.close());
    const servers: Server[] = [];
    closing.push(() => Promise.all(servers.map((server) => server.close())));
    for await (const server of listen(hub, isDev, options, address, control, tokens)) servers.push(server);
    const urls = servers.map(({ url }) => url);
    if (workerNumber() !== undefined) reportListening(urls);
    else process.stdout.write(isDev ? greeting(urls[0]!) : `Freshet listens on ${urls.join(" and ")}\n`);
    await untilStopped();
  } finally {
    for (const close of closing.reverse()) await close();
    leaveWorkers();
  }
  return 0;
}

/** Opens the servers, one after another. */
async function* listen(
  hub: Hub,
  isDev: boolean,
  options: Options,
  address: Address,
  control: Address | undefined,
  tokens: TokenOptions | undefined,
): AsyncGenerator<Server> {
  const isWorker = workerNumber() !== undefined;
  const serve = listening(isWorker ? await sharingServe() : await nativeServe());
  if (isWorker) {
    address = { ...address, port: Number(process.env["FRESHET_WORKER_PORT"] ?? address.port) };
    control = control && { ...control, port: Number(process.env["FRESHET_WORKER_CONTROL_PORT"] ?? control.port) };
  }
  const [cert, key] = [options.file("tls-cert"), options.file("tls-key")];
  if ((cert === undefined) !== (key === undefined)) throw new UsageError("--tls-cert and --tls-key go together");
  const tls = cert !== undefined && key !== undefined ? { tls: { cert, key } } : {};
  if (isDev) return yield await serve(localOnly(hub.control), { ...address, ...tls }); // its streams may come back at once
  const drain = (options.number("drain") ?? 5) * 1_000;
  const onClosing = (): Promise<void> => hub.drain(drain);
  const isOpen = isLocal(address) && tokens === undefined;
  yield await serve(isOpen ? namedOnly(hub.public, options.list("allow-host")) : hub.public, {
    ...address,
    ...tls,
    onClosing,
  });
  if (control !== undefined) yield await serve(localOnly(hub.control), { ...control, onClosing });
}

function tokenOptions(options: Options, isDev: boolean): TokenOptions | undefined {
  const secret = options.file("secret-file") ?? options.text("secret");
  const jwks = options.text("jwks");
  if (secret === undefined && jwks === undefined) return undefined;
  if (secret === "") throw new UsageError("--secret-file must not be empty");
  const cookie = options.text("cookie");
  const maxStale = options.number("jwks-max-stale");
  return {
    ...(secret !== undefined && { secret, allowShortSecret: isDev }),
    ...(jwks !== undefined && { jwks: jwksOf(jwks) }),
    ...(options.list("algorithm").length > 0 && { algorithms: options.list("algorithm") }),
    ...(maxStale !== undefined && { jwksMaxStale: maxStale * 1_000 }),
    allowEternalTokens: options.has("allow-eternal-tokens"),
    issuer: options.text("issuer"),
    audience: options.text("audience"),
    query: options.text("token-query"),
    ...(cookie !== undefined && { cookie: { name: cookie, origins: options.list("allow-origin") } }),
  };
}

function jwksOf(jwks: string): NonNullable<TokenOptions["jwks"]> {
  if (/^https?:/.test(jwks)) return new URL(jwks);
  try {
    return JSON.parse(readFileSync(jwks, "utf8"));
  } catch (error) {
    throw new UsageError(`--jwks must be a URL or a JSON file: ${(error as Error).message}`);
  }
}

/** How much the store keeps. */
function limitsOf(options: Options): StoreLimits {
  const maxAge = options.number("retain-age", 0.001);
  return {
    name: options.text("store-name"),
    maxEvents: options.number("retain-events", 1),
    maxAge: maxAge === undefined ? undefined : maxAge * 1_000,
  };
}

function corsOf(options: Options): { origins: "*" | readonly string[]; credentials: boolean } {
  const origins = options.list("allow-origin");
  if (origins.includes("*")) {
    if (options.text("cookie") !== undefined) throw new UsageError("--cookie needs --allow-origin by name: got *");
    return { origins: "*", credentials: false };
  }
  return { origins, credentials: options.text("cookie") !== undefined };
}

function unknownIdOf(options: Options): "all" | "start" {
  const value = options.text("unknown-id") ?? "all";
  if (value !== "all" && value !== "start") throw new UsageError(`--unknown-id must be all or start: got ${value}`);
  return value;
}

function adminOf(options: Options): { password: string } | undefined {
  const password = options.file("admin-password-file");
  if (password === "") throw new UsageError("The admin's password must not be empty");
  return password === undefined ? undefined : { password };
}

function logger(kind: string): ((entry: RequestLog) => void) | undefined {
  if (kind === "off") return undefined;
  if (kind !== "json" && kind !== "text") throw new UsageError(`--log must be json, text or off: got ${kind}`);
  return (entry) => {
    const { method, path, status, address } = entry;
    const ms = Math.round(entry.ms * 10) / 10;
    const time = new Date().toISOString();
    process.stderr.write(
      kind === "json"
        ? JSON.stringify({ time, method, path, status, ms, address }) + "\n"
        : `${time} ${address} ${method} ${path} ${status} ${ms} ms\n`,
    );
  };
}

function greeting(url: string): string {
  return `Freshet listens on ${url}

  Page       ${url}
  Admin      ${url}admin/
  Subscribe  curl -N ${url}subscribe/pets
  Publish    curl -d woof ${url}publish/pets/dogs

Ctrl-C stops it.
`;
}
