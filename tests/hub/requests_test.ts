import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { describe, it } from "node:test";
import { Broker } from "../../mod.ts";
import { createHub } from "../../src/hub/hub.ts";
import { SECRET, token } from "../support/hub.ts";
import { SEED } from "../support/seed.ts";

describe("Requests of any kind", () => {
  it(`never get a 5xx, and never publish what they may not (seed ${SEED})`, { timeout: 120_000 }, async () => {
    const broker = new Broker();
    await using hub = createHub({
      broker,
      tokens: { secret: SECRET, query: "token", cookie: { name: "t", origins: [] } },
    });
    const valid = await token({ freshet: { subscribe: ["mine/**"], publish: ["mine/*"] } });
    const tokens = fc.oneof(
      fc.constant(valid),
      fc.constant(valid.slice(0, -3)),
      fc.constant(await token({ exp: 1 })),
      fc.constant(await token({ freshet: { publish: "x" } })),
      fc.stringMatching(/^[A-Za-z0-9_-]{0,20}\.[A-Za-z0-9_-]{0,20}\.[A-Za-z0-9_-]{0,20}$/),
      fc.string({ maxLength: 20 }).map((text) => text.replaceAll(/[^\x20-\x7e]/g, "")),
    );
    const path = fc.oneof(
      fc.constantFrom("/publish/mine/a", "/publish/theirs", "/emit/", "/token/", "/connections/x", "/subscribe/mine"),
      fc.tuple(
        fc.constantFrom(
          "/publish/",
          "/subscribe/",
          "/subscribe?topic=",
          "/events",
          "/admin/",
          "/connections",
          "/",
          "/%",
        ),
        fc.oneof(
          fc.webPath(),
          fc.string({ maxLength: 10 }).map(encodeURIComponentSafe),
          fc.constant("%ff"),
          fc.constant("..%2f"),
        ),
      ).map(([head, tail]) => head + tail),
    );
    const header = fc.constantFrom(
      "accept",
      "origin",
      "content-type",
      "last-event-id",
      "cookie",
      "x-forwarded-for",
      "host",
    );
    const request = fc.record({
      method: fc.constantFrom("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"),
      path,
      token: fc.option(fc.tuple(tokens, fc.constantFrom("bearer", "Bearer", "Basic", "cookie", "query")), {
        nil: undefined,
      }),
      headers: fc.array(
        fc.tuple(header, fc.constantFrom("", "x", "text/event-stream;q=0", "application/json", "t=a", "\u00ff")),
        { maxLength: 3 },
      ),
      body: fc.oneof(
        fc.string({ maxLength: 40 }),
        fc.constant("payload=data%3A+x&userId=a&channel=b&exp=5"),
        fc.constant("{"),
      ),
    });
    await fc.assert(
      fc.asyncProperty(request, async ({ method, path, token, headers, body }) => {
        const all = new Headers(headers);
        let url = `http://hub.example${path}`;
        if (token?.[1] === "cookie") all.set("cookie", `t=${token[0]}`);
        else if (token?.[1] === "query") {
          url += `${path.includes("?") ? "&" : "?"}token=${encodeURIComponent(token[0])}`;
        } else if (token !== undefined) all.set("authorization", `${token[1]} ${token[0]}`);
        const before = broker.stats().published;
        const response = await hub.public(
          new Request(url, { method, headers: all, ...(["GET", "HEAD"].includes(method) ? {} : { body }) }),
          { remoteAddress: "192.0.2.1" },
        );
        const isStream = response.headers.get("content-type") === "text/event-stream";
        if (isStream) await response.body?.cancel();
        const text = isStream ? "" : await response.text();
        assert(response.status < 500, `${response.status} for ${method} ${url}: ${text}`);
        assert(!text.includes(SECRET) && !text.includes(valid), text);
        if (broker.stats().published > before) {
          assertEquals([method, token?.[0]], ["POST", valid]);
          assertMatch(new URL(url).pathname, /^\/publish\/mine\/[^/]*$/);
        }
      }),
      { numRuns: 3_000, seed: SEED },
    );
    assertEquals(broker.stats().subscribers, 0);
    await broker.close();
  });
});

function encodeURIComponentSafe(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}
