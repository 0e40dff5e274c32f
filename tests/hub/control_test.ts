import { assert, assertEquals } from "@std/assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Broker, parseEvents } from "../../mod.ts";
import { tellNodes } from "../../src/broker/broker.ts";
import { createHub } from "../../src/hub/hub.ts";
import { SqliteReplayStore } from "../../src/stores/sqlite/sqlite.ts";
import { bearer, get, SECRET, statusOf, token, withHub } from "../support/hub.ts";
import { until } from "../support/until.ts";

describe("A hub's control handler", () => {
  const origin = "https://app.example";

  it("lets pages of no other origin read, whatever cors says", () =>
    withHub(async (hub) => {
      const requests: [string, RequestInit][] = [
        ["/subscribe/a", { headers: { origin } }],
        ["/subscribe/a", { method: "OPTIONS", headers: { origin, "access-control-request-method": "GET" } }],
        ["/status", { headers: { origin } }],
        ["/publish/a", { method: "POST", body: "x", headers: { origin } }],
      ];
      for (const [path, init] of requests) {
        const { headers, body } = await hub.control(new Request(`http://localhost${path}`, init));
        await body?.cancel();
        assertEquals(Array.from(headers.keys()).filter((name) => name.startsWith("access-control-")), [], path);
      }
      const { headers } = await get(hub, "/subscribe/a", { origin });
      assertEquals(headers.get("access-control-allow-origin"), origin); // the public one does
    }, { cors: { origins: [origin] } }));

  it("redirects without what Host says", () =>
    withHub(async (hub) => {
      const response = await hub.control(new Request("http://evil.example/admin"));
      assertEquals([response.status, response.headers.get("location")], [308, "/admin/"]);
    }));
});

describe("Hubs on one store", () => {
  it("report and drop what another node cannot mean, and go on", { timeout: 30_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "freshet-nodes-"));
    const stores = [0, 1].map(() => new SqliteReplayStore(join(folder, "db")));
    const reported: unknown[] = [];
    const brokers = stores.map((store) => new Broker({ store, onError: (error) => reported.push(error) }));
    const [one, two] = brokers.map((broker) => createHub({ broker, tokens: { secret: SECRET } }));
    const made = bearer(await token({ sub: "ann", freshet: { subscribe: ["a/**"] } }));
    const events = parseEvents(await get(two!, "/subscribe/a", made));
    const next = events.next();
    const malformed = ["null", "{", "[]", "{}", '{"user":null}', '{"id":1}', '{"id":"x","user":"ann"}', "1", ""];
    for (const data of malformed) await tellNodes(brokers[0]!, "$hub/end", data);
    await one!.control(new Request("http://localhost/connections?user=ann", { method: "DELETE" }));
    const { value } = await next;
    assertEquals([value?.type, value?.data], ["close", '{"reason":"kicked"}']);
    await until(() => reported.length >= malformed.length * 2);
    assertEquals(reported.length, malformed.length * 2); // by each node
    assert(reported.every((error) => error instanceof TypeError));
    for (const hub of [one!, two!]) await hub.close();
    for (const broker of brokers) await broker.close();
    for (const store of stores) await store.close();
    rmSync(folder, { recursive: true });
  });
});

describe("A place among a hub's streams", () => {
  it("is given back whatever becomes of the request", () =>
    withHub(async (hub) => {
      const ask = (path: string, init: RequestInit = {}) =>
        hub.public(new Request(`http://hub.example${path}`, init), { remoteAddress: "192.0.2.1" });
      const many = Array.from({ length: 65 }, (_, i) => `topic=a/${i}`).join("&");
      const deep = "a/".repeat(40) + "*";
      assertEquals(await statusOf(ask(`/subscribe?${many}`)), 400);
      assertEquals(await statusOf(ask(`/subscribe?topic=${deep}`)), 400);
      assertEquals(await statusOf(ask("/subscribe/a", { method: "HEAD" })), 200);
      assertEquals(await statusOf(ask("/subscribe/a", { headers: { accept: "text/html" } })), 406);
      const response = await ask("/subscribe/a");
      const reader = response.body!.getReader();
      const { value } = await reader.read();
      assert(!new TextDecoder().decode(value).startsWith("retry:"), "it is taken for full");
      await reader.cancel();
    }, { tokens: undefined, anonymous: ["**"], maxConnections: 1, maxConnectionsPerAddress: 1 }));
});
