import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { describe, it } from "node:test";
import { Broker, parseEvents } from "../../mod.ts";
import { channelTopic, userTopic } from "../../src/hub/channel.ts";
import { createHub, type Hub, type HubOptions, type RequestLog } from "../../src/hub/hub.ts";
import { SEED } from "../support/seed.ts";

const SECRET = "a secret of the tests, long enough";

/** A token by the secret, an hour long unless told otherwise. */
async function token(
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {},
  key = SECRET,
): Promise<string> {
  const exp = Math.floor(Date.now() / 1_000) + 3_600;
  return await new SignJWT({ exp, ...claims }).setProtectedHeader({ alg: "HS256", ...header })
    .sign(new TextEncoder().encode(key));
}

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

function get(hub: Hub, path: string, headers: Record<string, string> = {}, info?: unknown): Promise<Response> {
  return hub.public(new Request(`http://hub.example${path}`, { headers }), info);
}

function post(hub: Hub, path: string, body: BodyInit, headers: Record<string, string> = {}): Promise<Response> {
  return hub.public(new Request(`http://hub.example${path}`, { method: "POST", body, headers }));
}

/** The status; a stream that was opened is left again. */
async function statusOf(response: Promise<Response>): Promise<number> {
  const { status, body } = await response;
  await body?.cancel();
  return status;
}

async function withHub(run: (hub: Hub) => Promise<void>, options: HubOptions = {}): Promise<void> {
  await using hub = createHub({ tokens: { secret: SECRET }, ...options });
  await run(hub);
}

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

  it("until it ends: the stream is then closed, and says so", { timeout: 15_000 }, () =>
    withHub(async (hub) => {
      const exp = Math.floor(Date.now() / 1_000) + 2;
      const response = await get(hub, "/subscribe/a", bearer(await token({ exp, freshet: { subscribe: ["a/**"] } })));
      const seen = await Array.fromAsync(parseEvents(response), ({ type, data }) => [type, data]);
      assertEquals(seen, [["close", '{"reason":"expired"}']]);
    }));
});

describe("Users in channels", () => {
  const field = fc.string({ unit: "grapheme", maxLength: 12 });

  it("never share a topic, whatever stands in their names", () => {
    fc.assert(
      fc.property(field, field, field, field, (channel, userId, otherChannel, otherUser) => {
        const one = userTopic({ channel, userId });
        assert(one !== channelTopic(otherChannel) && !one.includes("*"));
        assertEquals(
          one === userTopic({ channel: otherChannel, userId: otherUser }),
          channel === otherChannel && userId === otherUser,
        );
      }),
      { numRuns: 5_000, seed: SEED },
    );
    assert(userTopic({ channel: "a", userId: "b/c" }) !== userTopic({ channel: "a/b", userId: "c" }));
  });

  it("get tokens, and what is emitted to them or to everybody", () =>
    withHub(async (hub) => {
      const control = (path: string, fields: Record<string, string>) =>
        hub.control(new Request(`http://localhost${path}`, { method: "POST", body: new URLSearchParams(fields) }));
      const open = async (userId: string, channel: string) => {
        const made = await (await control("/token/", { userId, channel, exp: "60" })).text();
        return parseEvents(await get(hub, "/events/", { authorization: `bearer ${made}` }));
      };
      const [ann, bob, other] = await Promise.all([open("ann", "chat"), open("*", "chat"), open("ann", "news")]);
      const next = [ann!.next(), bob!.next(), other!.next()];
      const emits: ReadonlyArray<readonly [string, string, string]> = [
        ["ann", "chat", "event: hello\ndata: only ann\n"],
        ["*", "chat", "id: own\nretry: 5\ndata: everybody\n\ndata: twice"],
        ["ann", "news", "data: elsewhere\n\n"],
      ];
      for (const [userId, channel, payload] of emits) {
        const response = await control("/emit/", { userId, channel, payload });
        assertEquals([response.status, await response.text()], [200, "OK"]);
      }
      const [first, second, third] = await Promise.all(next);
      assertEquals([first!.value?.type, first!.value?.data], ["hello", "only ann"]);
      assertEquals([second!.value?.data, second!.value?.lastEventId], ["everybody", "own"]);
      assertEquals((await ann!.next()).value?.data, "everybody");
      assertEquals((await bob!.next()).value?.data, "twice");
      assertEquals(third!.value?.data, "elsewhere");
      for (const events of [ann, bob, other]) await events!.return?.();
    }));

  for (
    const [what, path, fields, status, detail] of [
      [
        "an emit that holds no event",
        "/emit/",
        { userId: "a", channel: "b", payload: "your_data" },
        400,
        "data: your_data",
      ],
      ["an emit without a payload", "/emit/", { userId: "a", channel: "b" }, 400, "no payload"],
      [
        "an emit with a bad ID",
        "/emit/",
        { userId: "a", channel: "b", payload: `data: y\n\nid: ${"x".repeat(300)}\ndata: x` },
        400,
        "256",
      ],
      ["a token that never ends", "/token/", { userId: "a", channel: "b", exp: "soon" }, 400, "seconds"],
      ["a token for a name too long", "/token/", { userId: "a".repeat(600), channel: "b", exp: "9" }, 400, "512"],
    ] as [string, string, Record<string, string>, number, string][]
  ) {
    it(`refuses ${what}`, () =>
      withHub(async (hub) => {
        const response = await hub.control(
          new Request(`http://localhost${path}`, { method: "POST", body: new URLSearchParams(fields) }),
        );
        assertEquals(response.status, status);
        assertStringIncludes((await response.json()).detail, detail);
        const { published } = await (await hub.control(new Request("http://localhost/status"))).json();
        assertEquals(published, 0);
      }));
  }
});

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
    const hub = createHub();
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
      assert(Math.abs(created_at - Date.now() / 1_000) < 5);
      assertEquals(rest, {
        request_path: "/subscribe/pets/dogs",
        namespace: "/pets/dogs",
        client_ip: "::1",
        user_agent: "ua",
        msgs_sent: 1,
      });
      await events.return?.();
    }, { tokens: undefined }));

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

describe("A hub that is full or draining", () => {
  it("answers who comes with a time to come back", () =>
    withHub(async (hub) => {
      const from = (remoteAddress: string) => get(hub, "/subscribe/a", {}, { remoteAddress });
      const first = await from("192.0.2.1");
      const again = await from("192.0.2.1");
      assertMatch(await again.text(), /^retry: \d+\n\n$/);
      const second = await from("192.0.2.2");
      const third = await from("192.0.2.3");
      assertEquals(third.status, 200);
      assertMatch(await third.text(), /^retry: \d+\n\n$/);
      await first.body!.cancel();
      const next = await from("192.0.2.1");
      assert(next.body !== null && second.body !== null);
      await Promise.all([next.body.cancel(), second.body.cancel()]);
    }, { tokens: undefined, maxConnections: 2, maxConnectionsPerAddress: 1 }));

  it("ends its streams over a time, each with a time to come back", () =>
    withHub(async (hub) => {
      const responses = await Promise.all(Array.from({ length: 6 }, () => get(hub, "/subscribe/a")));
      const bodies = responses.map(async (response) => [await response.text(), performance.now()] as const);
      const start = performance.now();
      await hub.drain(300);
      const ends = await Promise.all(bodies);
      const retries = new Set<string>();
      for (const [text] of ends) {
        const [, retry] = /event: close\nretry: (\d+)\ndata: \{"reason":"drain"\}\n\n$/.exec(text) ?? [];
        assert(retry !== undefined, text);
        retries.add(retry);
      }
      assert(retries.size > 1);
      const times = ends.map(([, at]) => at - start).sort((a, b) => a - b);
      assert(times.at(-1)! - times[0]! > 150, `ended within ${times.at(-1)! - times[0]!} ms`);
      assertEquals(await statusOf(get(hub, "/health/ready")), 503);
      assertEquals(await statusOf(get(hub, "/health/live")), 200);
      assertMatch(await (await get(hub, "/subscribe/a")).text(), /^retry: \d+\n\n$/);
    }, { tokens: undefined }));
});

describe("Many who come at once", () => {
  it("get no more places than there are", () =>
    withHub(async (hub) => {
      const made = bearer(await token({ freshet: { subscribe: ["a/**"] } }));
      const responses = await Promise.all(
        Array.from({ length: 40 }, (_, i) => get(hub, "/subscribe/a", made, { remoteAddress: `192.0.2.${i % 20}` })),
      );
      const streams = responses.filter((response) => response.body !== null);
      const texts = await Promise.all(streams.map(async (response) => {
        const reader = response.body!.getReader();
        const { value } = await reader.read();
        await reader.cancel();
        return new TextDecoder().decode(value);
      }));
      assertEquals(texts.filter((text) => text.startsWith("id: ")).length, 10);
      assertEquals(texts.filter((text) => text.startsWith("retry: ")).length, 30);
    }, { maxConnections: 10, maxConnectionsPerAddress: 1 }));

  it("are told to wait when the keys cannot be had", () =>
    withHub(async (hub) => {
      const { privateKey } = await generateKeyPair("ES256");
      const made = await new SignJWT({}).setProtectedHeader({ alg: "ES256", kid: "1" }).sign(privateKey);
      assertEquals(await statusOf(get(hub, "/subscribe/a", bearer(made))), 503);
    }, { tokens: { jwks: new URL("http://127.0.0.1:1/jwks") } }));
});

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
    }, { tokens: undefined, prefixMatch: true }));

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
