import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { parseEvents } from "../../mod.ts";
import type { RequestLog } from "../../src/hub/hub.ts";
import { bearer, get, token, withHub } from "../support/hub.ts";

describe("A hub told so", () => {
  it("hears all topics that begin so, as mroth/sseserver does", () =>
    withHub(async (hub) => {
      const events = parseEvents(await get(hub, "/subscribe/pet"));
      const next = events.next();
      for (const topic of ["other", "pe", "pets", "petstore/a", "a/pet"]) {
        await hub.control(new Request(`http://localhost/publish/${topic}`, { method: "POST", body: topic }));
      }
      assertEquals((await next).value?.data, "pets");
      assertEquals((await events.next()).value?.data, "petstore/a");
      await events.return?.();
    }, { tokens: undefined, anonymous: ["**"], prefixMatch: true }));

  it("sends who comes with an unknown last event ID only what is new", () =>
    withHub(async (hub) => {
      const publish = (data: string) =>
        hub.control(new Request("http://localhost/publish/a", { method: "POST", body: data }));
      await publish("old");
      const events = parseEvents(await get(hub, "/subscribe/a", { "last-event-id": "of-another-log" }));
      const { type, data } = (await events.next()).value!;
      assertEquals([type, JSON.parse(data).reason], ["gap", "unknown"]);
      await publish("new");
      assertEquals((await events.next()).value?.data, "new");
      await events.return?.();
    }, { tokens: undefined, anonymous: ["**"], unknownId: "start" }));

  it("gives users in channels their own all the same", () =>
    withHub(async (hub) => {
      const made = await token({ userId: "ann", channel: "chat" });
      const events = parseEvents(await get(hub, "/events/of/some/longer/path", bearer(made)));
      const next = events.next();
      const form = new URLSearchParams({ userId: "ann", channel: "chat", payload: "data: x\n\n" });
      await hub.control(new Request("http://localhost/emit/", { method: "POST", body: form }));
      assertEquals((await next).value?.data, "x");
      await events.return?.();
    }, { prefixMatch: true }));

  it("believes trusted proxies, and nobody else", async () => {
    const logged: string[] = [];
    const onRequest = ({ address }: RequestLog): void => void logged.push(address);
    const forwarded = { "x-forwarded-for": "198.51.100.9, 203.0.113.7, 10.0.0.2" };
    await withHub(async (hub) => {
      await get(hub, "/health/live", forwarded, { remoteAddress: "::ffff:10.1.2.3" });
      await get(hub, "/health/live", forwarded, { remoteAddress: "192.0.2.1" });
      await get(hub, "/health/live", { "x-forwarded-for": "junk" }, { remoteAddress: "10.0.0.1" });
    }, { trustedProxies: ["10.0.0.0/8", "::1"], onRequest });
    await withHub(async (hub) => {
      await get(hub, "/health/live", forwarded, { remoteAddress: "10.0.0.1" });
    }, { onRequest });
    assertEquals(logged, ["203.0.113.7", "192.0.2.1", "10.0.0.1", "10.0.0.1"]);
  });

  it("lets pages of other origins ask first, without a token", () =>
    withHub(async (hub) => {
      const response = await hub.public(
        new Request("http://hub.example/subscribe/a", {
          method: "OPTIONS",
          headers: { origin: "https://app.example", "access-control-request-method": "GET" },
        }),
      );
      assertEquals([response.status, response.headers.get("access-control-allow-origin")], [
        204,
        "https://app.example",
      ]);
      const refused = await get(hub, "/subscribe/a", { origin: "https://app.example" });
      assertEquals([refused.status, refused.headers.get("access-control-allow-origin")], [401, "https://app.example"]);
    }, { cors: { origins: ["https://app.example"] } }));
});
