import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "node:test";
import { parseEvents } from "../../mod.ts";
import { createHub } from "../../src/hub/hub.ts";
import { bearer, get, statusOf, token, withHub } from "../support/hub.ts";

describe("An operator", () => {
  it("sees connections, and ends one or a user's", () =>
    withHub(async (hub) => {
      const open = async (sub: string) =>
        parseEvents(
          await get(hub, "/subscribe/a", {
            ...bearer(await token({ sub, freshet: { subscribe: ["a/**"] } })),
            "user-agent": "test",
          }, { remoteAddress: "192.0.2.1" }),
        );
      const [ann, ann2, bob] = [await open("ann"), await open("ann"), await open("bob")];
      const next = [ann.next(), ann2.next(), bob.next()];
      const admin = bearer(await token({ freshet: { admin: true } }));
      const overview = await overviewOf(await get(hub, "/admin/events", admin));
      assertEquals(overview.streams.map(({ user, address, userAgent }) => [user, address, userAgent]), [
        ["ann", "192.0.2.1", "test"],
        ["ann", "192.0.2.1", "test"],
        ["bob", "192.0.2.1", "test"],
      ]);
      const end = async (path: string): Promise<unknown> => {
        const response = await hub.public(
          new Request(`http://hub.example${path}`, { method: "DELETE", headers: admin }),
        );
        return [response.status, (await response.json()).ended];
      };
      assertEquals(await end(`/connections/${overview.streams[2]!.id}`), [200, 1]);
      assertEquals(await end("/connections?user=ann"), [200, 2]);
      for (const one of next) assertEquals((await one).value?.data, '{"reason":"kicked"}');
      assertEquals(await end("/connections/none"), [404, undefined]);
      assertEquals(await end("/connections"), [400, undefined]);
      const json = await (await get(hub, "/status", admin)).json();
      assertEquals([json.node, json.status, json.connections], ["freshet", "ok", 0]);
    }));

  it("is left by the admin page's stream when the hub closes", { timeout: 10_000 }, async () => {
    const hub = createHub({ anonymous: [] });
    const response = await hub.control(new Request("http://localhost/admin/events"));
    const ended = Array.fromAsync(parseEvents(response), ({ type }) => type);
    await hub.close();
    assertEquals((await ended)[0], "overview");
  });

  it("opens the admin page by a password, or it is turned off", async () => {
    const basic = (password: string) => ({ authorization: `Basic ${btoa(`admin:${password}`)}` });
    await withHub(async (hub) => {
      assertEquals(await statusOf(get(hub, "/admin/", basic("right"))), 200);
      assertEquals(await statusOf(get(hub, "/admin/", basic("wrong"))), 401);
      assertEquals(await statusOf(get(hub, "/admin/", { authorization: "Basic \u00ff" })), 401);
      assertEquals(await statusOf(get(hub, "/admin/", { ...basic("right"), origin: "https://evil.example" })), 403);
      const response = await get(hub, "/admin/");
      assertMatch(response.headers.get("www-authenticate")!, /^Basic /);
    }, { admin: { password: "right" } });
    await withHub(async (hub) => {
      assertEquals(await statusOf(hub.control(new Request("http://localhost/admin/"))), 403);
      assertEquals(await statusOf(hub.control(new Request("http://localhost/status"))), 200);
    }, { admin: false });
  });

  it("reads status as mroth/sseserver has it", () =>
    withHub(async (hub) => {
      const before = Math.floor(Date.now() / 1_000);
      const events = parseEvents(
        await get(hub, "/subscribe/pets/dogs", { "user-agent": "ua" }, { remoteAddress: "::1" }),
      );
      const next = events.next();
      await hub.control(new Request("http://localhost/publish/pets/dogs", { method: "POST", body: "woof" }));
      await next;
      const json = await (await hub.control(new Request("http://localhost/admin/status.json"))).json();
      const [connection] = json.connections;
      assertEquals(Object.keys(json), [
        "node",
        "status",
        "reported_at",
        "startup_time",
        "msgs_broadcast",
        "connections",
      ]);
      assertEquals([json.status, json.msgs_broadcast], ["OK", 1]);
      const { created_at, ...rest } = connection;
      assert(created_at >= before && created_at <= Date.now() / 1_000);
      assertEquals(rest, {
        request_path: "/subscribe/pets/dogs",
        namespace: "/pets/dogs",
        client_ip: "::1",
        user_agent: "ua",
        msgs_sent: 1,
      });
      await events.return?.();
    }, { tokens: undefined, anonymous: ["**"] }));

  it("reads metrics", () =>
    withHub(async (hub) => {
      await hub.control(new Request("http://localhost/publish/a", { method: "POST", body: "x" }));
      const response = await hub.control(new Request("http://localhost/metrics"));
      const text = await response.text();
      assertMatch(response.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
      for (const line of ["freshet_published_total 1", "freshet_publish_seconds_count 1", "freshet_connections 0"]) {
        assert(text.split("\n").includes(line), line);
      }
      for (const line of text.trimEnd().split("\n")) {
        assertMatch(line, /^(?:# (?:HELP|TYPE) \w+ .+|\w+(?:\{[^}]*\})? -?[\d.e+-]+)$/);
      }
    }));
});

interface Overview {
  readonly streams: readonly { id: string; user: string; address: string; userAgent: string }[];
}

async function overviewOf(response: Response): Promise<Overview> {
  for await (const { type, data } of parseEvents(response)) if (type === "overview") return JSON.parse(data);
  throw new Error("no overview");
}
