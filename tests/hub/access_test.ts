import { assert, assertEquals, assertMatch } from "@std/assert";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { describe, it, mock } from "node:test";
import { parseEvents } from "../../mod.ts";
import { channelTopic } from "../../src/hub/channel.ts";
import type { RequestLog } from "../../src/hub/hub.ts";
import { bearer, get, post, SECRET, statusOf, token, withHub } from "../support/hub.ts";

describe("A hub with tokens refuses", () => {
  const cases: ReadonlyArray<readonly [what: string, token: () => Promise<string>]> = [
    ["one signed with another secret", () => token({ freshet: { subscribe: ["**"] } }, {}, "another secret")],
    ["one that has expired", () => token({ exp: 1, freshet: { subscribe: ["**"] } })],
    ["one that is not valid yet", () => token({ nbf: 4e9, freshet: { subscribe: ["**"] } })],
    ["another type", () => token({ freshet: { subscribe: ["**"] } }, { typ: "secevent+jwt" })],
    ["an algorithm that is not allowed", async () => {
      return await new SignJWT({ freshet: { subscribe: ["**"] } }).setProtectedHeader({ alg: "HS512" })
        .sign(new TextEncoder().encode(SECRET.repeat(3)));
    }],
    ["alg: none", () => {
      const part = (value: unknown): string => btoa(JSON.stringify(value)).replace(/=+$/, "");
      return Promise.resolve(`${part({ alg: "none" })}.${part({ freshet: { subscribe: ["**"] } })}.`);
    }],
    ["grants of another shape", () => token({ freshet: { subscribe: "**" } })],
    ["grants with a pattern that is none", () => token({ freshet: { subscribe: ["a**"] } })],
    ["grants with a member that is unknown", () => token({ freshet: { subscirbe: ["**"] } })],
    ["grants with a pattern that no header can hold", () => token({ freshet: { subscribe: ['"世\n**'] } })],
    ["userId without channel", () => token({ userId: "ann" })],
    ["userId that is no text", () => token({ userId: 1, channel: "a" })],
    ["userId too long for a topic", () => token({ userId: "x".repeat(600), channel: "a" })],
    ["claims that are huge", () => token({ freshet: { subscribe: ["**"] }, more: "x".repeat(9_000) })],
    ["no token at all", () => Promise.resolve("x.y.z")],
  ];
  for (const [what, make] of cases) {
    it(what, () =>
      withHub(async (hub) => {
        const made = await make();
        const response = await get(hub, "/subscribe/pets", bearer(made));
        const text = await response.text();
        assertEquals(response.status, 401);
        assertMatch(response.headers.get("www-authenticate")!, /^Bearer error="invalid_token"/);
        assert(!text.includes(made.slice(0, 20)) || made.length < 20, "the answer shows the token");
      }));
  }

  it("who has none, or another scheme", () =>
    withHub(async (hub) => {
      assertEquals(await statusOf(get(hub, "/subscribe/pets")), 401);
      assertEquals(await statusOf(get(hub, "/events/")), 401);
      assertEquals(await statusOf(get(hub, "/subscribe/pets", { authorization: "Basic eDp5" })), 401);
      assertEquals(await statusOf(post(hub, "/publish/pets", "x")), 401);
      for (const path of ["/status", "/metrics", "/admin/", "/admin/status.json", "/admin/events"]) {
        assertEquals([path, await statusOf(get(hub, path))], [path, 401]);
      }
    }));

  it("a token without issuer and audience, where those are asked for", () =>
    withHub(async (hub) => {
      const freshet = { subscribe: ["**"] };
      assertEquals(await statusOf(get(hub, "/subscribe/a", bearer(await token({ freshet })))), 401);
      assertEquals(await statusOf(get(hub, "/subscribe/a", bearer(await token({ freshet, iss: "x", aud: "y" })))), 401);
      assertEquals(
        await statusOf(get(hub, "/subscribe/a", bearer(await token({ freshet, iss: "i", aud: ["a", "b"] })))),
        200,
      );
    }, { tokens: { secret: SECRET, issuer: "i", audience: "a" } }));
});

describe("A token grants", () => {
  const cases: ReadonlyArray<readonly [granted: string, path: string, status: number]> = [
    ["pets/**", "/subscribe/pets", 200],
    ["pets/**", "/subscribe/pets/dogs", 200],
    ["pets/**", "/subscribe?topic=pets/*", 200],
    ["pets/**", "/subscribe?topic=pets&topic=news", 403],
    ["pets/*", "/subscribe/pets", 403], // pets and all below
    ["pets/*", "/subscribe?topic=pets/dogs", 200],
    ["pets", "/subscribe?topic=pets", 200],
    ["pets", "/subscribe/petshop", 403],
    ["**", "/subscribe?topic=$ours", 403],
    ["**", "/subscribe?topic=a**", 400],
    ["**", "/subscribe", 400],
  ];
  for (const [granted, path, status] of cases) {
    it(`with ${granted}: ${path} is ${status}`, () =>
      withHub(async (hub) => {
        const made = await token({ freshet: { subscribe: [granted] } });
        assertEquals(await statusOf(get(hub, path, bearer(made))), status);
      }));
  }

  it("to publish to some topics, and nothing else", () =>
    withHub(async (hub) => {
      const made = bearer(await token({ freshet: { publish: ["pets/*"] } }));
      assertEquals(await statusOf(post(hub, "/publish/pets/dogs", "x", made)), 201);
      assertEquals(await statusOf(post(hub, "/publish/pets", "x", made)), 403);
      assertEquals(await statusOf(post(hub, "/publish/news", "x", made)), 403);
      assertEquals(await statusOf(get(hub, "/subscribe/pets", made)), 403);
      assertEquals(await statusOf(get(hub, "/status", made)), 403);
      const form = new URLSearchParams({ channel: "a", userId: "*", payload: "data: x\n\n" });
      assertEquals(await statusOf(post(hub, "/emit/", form, made)), 403);
      const emitting = bearer(await token({ freshet: { publish: [`${channelTopic("a")}/**`] } }));
      assertEquals(await statusOf(post(hub, "/emit/", form, emitting)), 200);
    }));

  it("what anybody may, too", () =>
    withHub(async (hub) => {
      assertEquals(await statusOf(get(hub, "/subscribe/news/today")), 200);
      assertEquals(await statusOf(get(hub, "/subscribe/pets")), 401);
      assertEquals(await statusOf(get(hub, "/subscribe/news", bearer(await token({})))), 200);
    }, { anonymous: ["news/**"] }));

  it("by a public key", async () => {
    const { publicKey, privateKey } = await generateKeyPair("ES256");
    const jwks = { keys: [{ ...await exportJWK(publicKey), kid: "1", alg: "ES256" }] };
    const made = await new SignJWT({ freshet: { subscribe: ["a/**"] } }).setProtectedHeader({ alg: "ES256", kid: "1" })
      .setExpirationTime("1h")
      .sign(privateKey);
    await withHub(async (hub) => {
      assertEquals(await statusOf(get(hub, "/subscribe/a", bearer(made))), 200);
      // The public key is no secret: whoever has it must not be able to sign with it
      const forged = await token({ freshet: { subscribe: ["**"] } }, {}, JSON.stringify(jwks.keys[0]));
      assertEquals(await statusOf(get(hub, "/subscribe/a", bearer(forged))), 401);
    }, { tokens: { jwks } });
  });

  it("by a cookie, to pages of some origins", () =>
    withHub(async (hub) => {
      const cookie = `other=1; session=${await token({ freshet: { subscribe: ["a/**"], publish: ["a"] } })}`;
      const by = (headers: Record<string, string>) => statusOf(get(hub, "/subscribe/a", { cookie, ...headers }));
      assertEquals(await by({ origin: "https://app.example" }), 200);
      assertEquals(await by({ origin: "http://hub.example" }), 200);
      assertEquals(await by({ "sec-fetch-site": "same-origin" }), 200);
      assertEquals(await by({ "sec-fetch-site": "cross-site" }), 401);
      assertEquals(await by({ origin: "https://evil.example" }), 401);
      assertEquals(await statusOf(post(hub, "/publish/a", "x", { cookie, origin: "https://evil.example" })), 401);
      assertEquals(await statusOf(post(hub, "/publish/a", "x", { cookie, origin: "https://app.example" })), 201);
    }, { tokens: { secret: SECRET, cookie: { name: "session", origins: ["https://app.example"] } } }));

  it("by a query parameter only where that is turned on, and keeps it out of logs", async () => {
    const made = await token({ freshet: { subscribe: ["a/**"] } });
    const logged: RequestLog[] = [];
    const onRequest = (entry: RequestLog): void => void logged.push(entry);
    await withHub(async (hub) => {
      assertEquals(await statusOf(get(hub, `/subscribe/a?token=${made}`)), 401);
    });
    await withHub(async (hub) => {
      assertEquals(await statusOf(get(hub, `/subscribe/a?x=1&token=${made}`)), 200);
    }, { tokens: { secret: SECRET, query: "token" }, onRequest });
    assertEquals(logged.map(({ method, path, status }) => [method, path, status]), [
      ["GET", "/subscribe/a?x=1&token=***", 200],
    ]);
  });

  it("until it ends: the stream is then closed, and says so", () =>
    withHub(async (hub) => {
      const now = Math.floor(Date.now() / 1_000);
      const made = await token({ exp: now + 60, freshet: { subscribe: ["a/**"] } });
      mock.timers.enable({ apis: ["setTimeout", "Date"], now: now * 1_000 });
      try {
        const response = await get(hub, "/subscribe/a", bearer(made));
        let isOver = false;
        const seen = Array.fromAsync(parseEvents(response), ({ type, data }) => [type, data])
          .finally(() => isOver = true);
        mock.timers.tick(59_000);
        for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
        assertEquals(isOver, false);
        mock.timers.tick(1_000);
        assertEquals(await seen, [["close", '{"reason":"expired"}']]);
      } finally {
        mock.timers.reset();
      }
    }));
});
