import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, it } from "node:test";
import { pack } from "../support/pack.ts";
import { runtime } from "../support/runtime.ts";

/** Something of every entry but those of other runtimes. An error is wanted where something would be `any` otherwise. */
const USE = `
import { Broker, type CorsOptions, createHandler, eventStream, topicOfPath, withTopic } from "@freshet/sse";
import { connect, EventSource } from "@freshet/sse/client";
import { createHub } from "@freshet/sse/hub";
import { NatsReplayStore } from "@freshet/sse/nats";
import { type NodeInfo, serve, toNodeListener } from "@freshet/sse/node";
import { PostgresReplayStore } from "@freshet/sse/postgres";
import { RedisReplayStore } from "@freshet/sse/redis";
import { SqliteReplayStore } from "@freshet/sse/sqlite";

interface Bark {
  loud: boolean;
  at: Date;
}
const bark: Bark = { loud: true, at: new Date() };
const broker = new Broker();
void broker.publish("a", { data: bark });
void broker.publish("a", { data: { written: "in place", bark } });
// @ts-expect-error: a function
void broker.publish("a", { data: () => 1 });
// @ts-expect-error: a bigint
void broker.publish("a", { data: 1n });

export const handler = createHandler<{ user: string }>(broker, {
  topics: (request, { user }) => [user, topicOfPath(request, "/rooms/")],
  map: withTopic,
  headers: { a: "b" },
});
const barks = async function* () {
  yield { data: bark };
};
eventStream(barks, { headers: [["a", "b"]] });
eventStream(barks, { headers: new Headers() });
// @ts-expect-error: no headers
eventStream(barks, { headers: 7 });

const events = connect("http://localhost/", { headers: { a: "b" }, body: "text", credentials: "include" });
events.on("a", ({ data }) => data.toUpperCase());
// @ts-expect-error: no body
connect("http://localhost/", { body: 7 });
// @ts-expect-error: no headers
connect("http://localhost/", { headers: 7 });

const source = new EventSource("http://localhost/");
source.onmessage = ({ data, lastEventId }) => data.length + lastEventId.length;
source.addEventListener("tick", ({ data }) => data.toUpperCase(), { once: true });
source.addEventListener("error", { handleEvent: ({ type }) => void type });
// @ts-expect-error: no such member
source.onmessage = (event) => event.nothing;
// @ts-expect-error: no options
source.addEventListener("tick", () => {}, 7);

export const others = [createHub, NatsReplayStore, PostgresReplayStore, RedisReplayStore, SqliteReplayStore, serve];
export const listener = toNodeListener((_request, { incoming }: NodeInfo) => new Response(incoming.url ?? ""));
export type { CorsOptions };
`;

/** The oldest that README names, and the newest. Before 5.7 a Uint8Array was not generic. */
const COMPILERS = ["5.7", "6.0"];

const LIBRARIES = { "Node's types alone": "esnext", "the DOM's types as well": "esnext,dom,dom.iterable" };

// What is packed is the same whatever runs the test
if (runtime === "deno") {
  describe("The npm package's types", () => {
    const folder = mkdtempSync(join(tmpdir(), "freshet-types-"));
    const npm = (...args: string[]): unknown =>
      execFileSync("npm", args, { cwd: folder, stdio: ["ignore", "ignore", 2] });
    before(() => {
      writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", private: true }));
      writeFileSync(join(folder, "use.ts"), USE);
      const compilers = COMPILERS.map((version) => `typescript-${version}@npm:typescript@${version}`);
      npm("install", "--silent", "--no-audit", "--no-fund", resolve(pack(folder)), "@types/node@24", ...compilers);
    });
    after(() => rmSync(folder, { recursive: true }));

    for (const version of COMPILERS) {
      for (const [says, libraries] of Object.entries(LIBRARIES)) {
        it(`are whole for TypeScript ${version} with ${says}, and nothing is any`, { timeout: 300_000 }, () => {
          const compiler = join(folder, "node_modules", `typescript-${version}`, "lib", "tsc.js");
          const options = [
            "--noEmit",
            "--strict",
            "--skipLibCheck",
            "false",
            "--module",
            "nodenext",
            "--target",
            "es2022",
          ];
          execFileSync("node", [
            ...[compiler, ...options, "--types", "node", "--lib", libraries],
            "use.ts",
          ], { cwd: folder, stdio: ["ignore", 2, 2] });
        });
      }
    }
  });
}
