import { assertEquals, assertStringIncludes } from "@std/assert";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { Broker, parseEvents } from "../../mod.ts";
import { SqliteReplayStore } from "../../src/stores/sqlite/sqlite.ts";
import { createHub, type Hub } from "../../src/hub/hub.ts";
import { childrenOf, type Engine, missing, redisServer, startEngine } from "../support/engines.ts";
import { commandLine } from "../support/hub_process.ts";
import { runtime, serve } from "../support/runtime.ts";

const folder = mkdtempSync(join(tmpdir(), "freshet-nodes-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

/** Waits until something is so: nodes tell each other once a second. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 15_000; !await isSo();) {
    if (Date.now() > end) throw new Error("it did not come to be");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe("Brokers on one store", () => {
  it("count each other's subscribers, by topic and by pattern, and forget a broker that is closed", async () => {
    const file = join(folder, "count.db");
    const stores = [new SqliteReplayStore(file), new SqliteReplayStore(file)];
    const [one, two] = stores.map((store) => new Broker({ store })) as [Broker, Broker];
    one.subscribe("pets/dogs");
    two.subscribe("pets/*");
    two.subscribe(["pets/dogs", "news"]);
    await until(async () => await one.count("pets/dogs") === 3 && await two.count("pets/dogs") === 3);
    assertEquals(await one.count("pets/cats"), 1);
    assertEquals(await one.count("pets/**"), 2); // the third subscribes to news as well
    assertEquals(await one.count("**"), 3);
    assertEquals(one.stats().nodes, 2);
    await two.close();
    await until(async () => await one.count("**") === 1);
    assertEquals(one.stats().nodes, 1);
    await one.close();
    for (const store of stores) await store.close();
  });
});

describe("Hubs on one store", () => {
  const form = { method: "POST", headers: { "content-type": "application/x-www-form-urlencoded" } };
  const token = async (hub: Hub): Promise<string> => {
    const body = new URLSearchParams({ userId: "ann", channel: "c", exp: "60" });
    return await (await hub.control(new Request("http://localhost/token/", { ...form, body }))).text();
  };

  it("end a user's streams on every node, and are not told of that as events", async () => {
    const file = join(folder, "kick.db");
    const stores = [new SqliteReplayStore(file), new SqliteReplayStore(file)];
    const brokers = stores.map((store) => new Broker({ store }));
    const [one, two] = brokers.map((broker, i) =>
      createHub({ broker, node: `node-${i}`, tokens: { secret: "s".repeat(32) } })
    ) as [Hub, Hub];
    const headers = { authorization: `Bearer ${await token(one)}` };
    const response = await two.public(new Request("http://localhost/events/", { headers }), { remoteAddress: "::1" });
    assertEquals(response.status, 200);
    const events = parseEvents(response);
    const first = events.next();
    const ended = await one.control(new Request("http://localhost/connections?user=ann", { method: "DELETE" }));
    assertEquals(await ended.json(), { ended: 0 }); // here; the other node has it
    const { value } = await first;
    assertEquals([value?.type, JSON.parse(value!.data)], ["close", { reason: "kicked" }]);
    const status = await (await two.control(new Request("http://localhost/status"))).json();
    assertEquals([status.node, status.subscribers], ["node-1", 0]);
    const metrics = await (await two.control(new Request("http://localhost/metrics"))).text();
    assertStringIncludes(metrics, 'freshet_info{node="node-1"} 1');
    assertStringIncludes(metrics, "freshet_nodes ");
    for (const hub of [one, two]) await hub.close();
    for (const broker of brokers) await broker.close();
    for (const store of stores) await store.close();
  });
});

/** A command that runs until it is told to stop. */
class Command {
  readonly child: ChildProcess;
  #text = "";

  constructor(...args: string[]) {
    this.child = spawn(process.execPath, commandLine(...args), { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.on("data", (bytes: Uint8Array) => this.#text += new TextDecoder().decode(bytes));
    }
  }

  async says(pattern: RegExp): Promise<string> {
    let found: RegExpExecArray | null = null;
    await until(() => {
      found = pattern.exec(this.#text);
      if (found === null && this.child.exitCode !== null) throw new Error(`it ended: ${this.#text}`);
      return Promise.resolve(found !== null);
    });
    return found![1] ?? found![0];
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    const ended = new Promise<number | null>((resolve) => this.child.once("exit", resolve));
    process.kill(this.child.pid!, signal);
    return await ended;
  }
}

// Deno.serve needs --unstable-net for it, which the tests run without
if (runtime !== "deno") {
  describe("serve() with reusePort", () => {
    it("lets two servers listen on one port", async () => {
      const one = await serve(() => new Response("one"), { port: 0, reusePort: true });
      const { port } = new URL(one.url);
      const two = await serve(() => new Response("two"), { port: Number(port), reusePort: true });
      const answers = new Set<string>();
      await until(async () => {
        answers.add(
          await (await fetch(one.url, { headers: { "x-try": String(answers.size) }, keepalive: false })).text(),
        );
        if (answers.size === 1) await one.close(); // the system need not spread a few over both
        return answers.has("two");
      });
      await two.close();
    });
  });
}

describe("freshet serve --workers", () => {
  it("is refused with a store that each would have for itself", async () => {
    const command = new Command("serve", "--dev", "--workers", "2");
    await command.says(/--workers needs a --store that processes can share.*got memory/);
  });

  describe("on Redis", { skip: missing(redisServer) }, () => {
    let engine: Engine;
    before(async () => {
      engine = await startEngine(redisServer);
    });
    after(() => engine.stop());

    it("share a port and a log: who subscribes to one hears what is published to any; one that dies is replaced", {
      timeout: 60_000,
    }, async () => {
      const secret = join(folder, "secret");
      writeFileSync(secret, "s".repeat(32));
      const command = new Command(
        ...["serve", "--port", "0", "--bind-control", "127.0.0.1:0", "--anonymous", "**", "--secret-file", secret],
        ...["--workers", "3", "--store", engine.url, "--drain", "0"],
      );
      const [, hub = "", control = ""] = /^(\S+) and (\S+),/.exec(await command.says(/listens on (.* workers)/))!;
      const close = { connection: "close" }; // each request may come to another worker
      const node = async (): Promise<{ node: string; nodes: number }> =>
        await (await fetch(`${control}status`, { headers: close })).json();
      const nodes = new Set<string>();
      await until(async () => {
        const status = await node();
        nodes.add(status.node);
        return nodes.size === 3 && status.nodes === 3;
      });
      const readers = await Promise.all(
        Array.from({ length: 6 }, async () => parseEvents(await fetch(`${hub}subscribe/t`))),
      );
      const next = readers.map((reader) => reader.next());
      for (const data of ["1", "2", "3"]) {
        const response = await fetch(`${control}publish/t`, { method: "POST", body: data, headers: close });
        assertEquals(response.status, 201);
        await response.body?.cancel();
      }
      for (const [i, reader] of readers.entries()) {
        const seen = [
          (await next[i]!).value?.data,
          (await reader.next()).value?.data,
          (await reader.next()).value?.data,
        ];
        assertEquals(seen, ["1", "2", "3"]);
      }
      const [worker] = childrenOf(command.child.pid!);
      process.kill(worker!, "SIGKILL");
      const number = await command.says(/worker (\d) ended with SIGKILL and is replaced/);
      // The dead one cannot answer: who does under its name has taken its place
      await until(async () => (await node().catch(() => ({ node: "" }))).node.endsWith(`-${number}`));
      for (const reader of readers) await reader.return?.().catch(() => {});
      assertEquals(await command.stop(), 0);
    });
  });
});
