import { assertEquals, assertMatch } from "@std/assert";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { pack } from "./support/pack.ts";
import { runtime } from "./support/runtime.ts";

/** Uses something of every entry; each runtime has its own adapter beside those that load everywhere. */
const USE = `
import { Broker, createHandler, encodeEvent, parseEvents } from "@freshet/sse";
import { createHub } from "@freshet/sse/hub";
import { serve, toNodeListener } from "@freshet/sse/node";
import { connect, EventSource } from "@freshet/sse/client";
import { NatsReplayStore } from "@freshet/sse/nats";
import { PostgresReplayStore } from "@freshet/sse/postgres";
import { RedisReplayStore } from "@freshet/sse/redis";
import { SqliteReplayStore } from "@freshet/sse/sqlite";
import * as deno from "@freshet/sse/deno";
import * as bun from "@freshet/sse/bun";

const broker = new Broker();
const server = await serve(createHandler(broker, { topics: "news" }), { port: 0 });
const events = parseEvents(await fetch(server.url));
const next = events.next();
while (broker.stats().bytes === 0) await new Promise((resolve) => setTimeout(resolve, 5));
await broker.publish("news", { data: { packed: true } });
const { value } = await next;
if (value?.data !== '{"packed":true}') throw new Error("got " + JSON.stringify(value));
await events.return?.();
const connection = connect(server.url, { lastEventId: "0" });
for await (const { type } of connection) {
  if (type !== "gap") throw new Error("got " + type);
  break;
}
const store = new SqliteReplayStore(":memory:");
if ((await store.append([{ topics: ["a"], data: "x" }]))[0]?.id === undefined) throw new Error("SQLite");
await store.close();
for (const Store of [NatsReplayStore, PostgresReplayStore, RedisReplayStore]) {
  if (Store.name === "") throw new Error("a store");
  try {
    new Store(JSON.parse("{}"));
    throw new Error("took it");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}
if (EventSource.CLOSED !== 2) throw new Error("EventSource");
const hub = createHub({ anonymous: ["**"] });
const response = await hub.control(new Request("http://localhost/publish/a", { method: "POST", body: "x" }));
if (response.status !== 201) throw new Error("got " + response.status);
if (typeof toNodeListener !== "function" || typeof deno.serve !== "function" || typeof bun.serve !== "function") {
  throw new Error("an entry lacks its exports");
}
if (encodeEvent({ data: "a" }) !== "data: a\\n\\n") throw new Error("the encoder");
await server.close();
await broker.close();
await hub.close();
console.log("used");
`;

const IS_TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

const TSCONFIG = {
  compilerOptions: {
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    module: "nodenext",
    target: "esnext",
    lib: ["esnext", "dom", "dom.iterable"],
    types: ["node"],
  },
  files: ["use.ts"],
};

describe("The npm package", () => {
  it(
    `is installed and used in a fresh project, in JavaScript and in TypeScript, on ${runtime}`,
    { timeout: 240_000 },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "freshet-project-"));
      const run = (command: string, ...args: string[]): string =>
        execFileSync(command, args, { cwd: folder, encoding: "utf8", timeout: 120_000 }).trim();
      try {
        const tarball = pack(folder);
        writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "fresh", private: true, type: "module" }));
        writeFileSync(join(folder, "use.js"), USE);
        writeFileSync(join(folder, "use.ts"), USE);
        writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(TSCONFIG));
        if (runtime === "bun") run(process.execPath, "add", tarball);
        else run("npm", "install", "--no-audit", "--no-fund", "--silent", tarball);
        const manifest = JSON.parse(readFileSync(join(folder, "node_modules/@freshet/sse/package.json"), "utf8"));
        assertEquals([Object.keys(manifest.dependencies), Object.keys(manifest.bin)], [["jose"], ["freshet"]]);
        if (runtime === "deno") {
          // Here the types are checked, as an editor or a build does; the other two run what they strip
          run("npm", "install", "--no-audit", "--no-fund", "--silent", "typescript@5.9", "@types/node@24");
          run(join(folder, "node_modules/.bin/tsc"), "--project", ".");
          assertEquals(run(process.execPath, "run", "-A", "--quiet", "use.js"), "used");
        } else {
          assertEquals(run(process.execPath, "use.js"), "used");
          assertEquals(run(process.execPath, "use.ts"), "used");
        }
        const bin = manifestBin(folder, manifest);
        const token = ["token", "--secret", "x".repeat(32), "--subscribe", "a/**"];
        assertMatch(run(process.execPath, ...(runtime === "deno" ? ["run", "-A"] : []), bin, ...token), IS_TOKEN);
        if (runtime === "node") assertMatch(run("npx", "freshet", ...token), IS_TOKEN);
        if (runtime === "bun") {
          assertMatch(run(process.execPath, "x", "freshet", ...token), IS_TOKEN); // bunx
          run(process.execPath, "build", "--compile", bin, "--outfile", join(folder, "freshet"));
          rmSync(join(folder, "node_modules"), { recursive: true });
          assertMatch(run(join(folder, "freshet"), ...token), IS_TOKEN);
          const demo = spawn(join(folder, "freshet"), ["demo"], { env: { PORT: "0" } });
          const [said] = await once(demo.stdout, "data") as [Uint8Array];
          const [url = ""] = /http:\S+\//.exec(new TextDecoder().decode(said)) ?? [];
          assertMatch(await (await fetch(`${url}stream?count=0`)).text(), /^id: hello\n/);
          demo.kill();
          await once(demo, "exit");
        }
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  );
});

function manifestBin(folder: string, manifest: { bin: { freshet: string } }): string {
  return join(folder, "node_modules/@freshet/sse", manifest.bin.freshet);
}
