import { assert, assertEquals, assertMatch } from "@std/assert";
import { generateKeyPair, SignJWT } from "jose";
import { describe, it, mock } from "node:test";
import { bearer, get, statusOf, token, withHub } from "../support/hub.ts";

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
    }, { tokens: undefined, anonymous: ["**"], maxConnections: 2, maxConnectionsPerAddress: 1 }));

  it("ends its streams over a time, each with a time to come back", () =>
    withHub(async (hub) => {
      const responses = await Promise.all(Array.from({ length: 6 }, () => get(hub, "/subscribe/a")));
      let ended = 0;
      const bodies = responses.map(async (response) => {
        const text = await response.text();
        ended++;
        return text;
      });
      mock.timers.enable({ apis: ["setTimeout"] });
      try {
        const drained = hub.drain(300);
        for (let count = 1; count <= bodies.length; count++) {
          for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
          assertEquals(ended, count);
          mock.timers.tick(50);
        }
        mock.timers.tick(1_000); // what a stream may take to end, which it does on Bun
        await drained;
      } finally {
        mock.timers.reset();
      }
      const retries = new Set<string>();
      for (const text of await Promise.all(bodies)) {
        const [, retry] = /event: close\nretry: (\d+)\ndata: \{"reason":"drain"\}\n\n$/.exec(text) ?? [];
        assert(retry !== undefined, text);
        retries.add(retry);
      }
      assert(retries.size > 1);
      assertEquals(await statusOf(get(hub, "/health/ready")), 503);
      assertEquals(await statusOf(get(hub, "/health/live")), 200);
      assertMatch(await (await get(hub, "/subscribe/a")).text(), /^retry: \d+\n\n$/);
    }, { tokens: undefined, anonymous: ["**"] }));
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
      assertEquals(texts.filter((text) => text.startsWith("event: checkpoint\nid: ")).length, 10);
      assertEquals(texts.filter((text) => text.startsWith("retry: ")).length, 30);
    }, { maxConnections: 10, maxConnectionsPerAddress: 1 }));

  it("are told to wait when the keys cannot be had", () =>
    withHub(async (hub) => {
      const { privateKey } = await generateKeyPair("ES256");
      const made = await new SignJWT({}).setProtectedHeader({ alg: "ES256", kid: "1" }).sign(privateKey);
      assertEquals(await statusOf(get(hub, "/subscribe/a", bearer(made))), 503);
    }, { tokens: { jwks: new URL("http://127.0.0.1:1/jwks") } }));
});
