import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { Broker, parseEvents } from "../../mod.ts";
import { SqliteReplayStore } from "../../src/stores/sqlite/sqlite.ts";
import { createHub, type Hub } from "../../src/hub/hub.ts";
import { runCli } from "../support/cli.ts";
import { runtime, serve } from "../support/runtime.ts";
import { until } from "../support/until.ts";

const folder = mkdtempSync(join(tmpdir(), "freshet-nodes-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

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
    const { code, stderr } = await runCli(["serve", "--dev", "--workers", "2"]);
    assertEquals(code, 2);
    assertMatch(stderr, /--workers needs a --store that processes can share.*got memory/);
  });
});
