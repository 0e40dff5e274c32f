import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { KeysError, RemoteKeySet } from "../../src/hub/key_set.ts";
import { bearer, get, statusOf, withHub } from "../support/hub.ts";

const HOUR = 3_600_000;
const unsigned = { payload: "", signature: "" };

/** A server of keys that counts who asks, and a clock. */
async function withKeys(
  run: (keys: {
    url: URL;
    time: { now: number };
    asked: () => number;
    answer: (how: (response: ServerResponse) => void) => void;
    open: (maxStale?: number) => RemoteKeySet;
    errors: unknown[];
  }) => Promise<void>,
): Promise<void> {
  let asked = 0;
  let how = (response: ServerResponse): void => void response.end('{"keys":[]}');
  const server = createServer((_, response) => (asked++, how(response)));
  await once(server.listen(0, "127.0.0.1"), "listening");
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`);
  const time = { now: 0 };
  const errors: unknown[] = [];
  try {
    await run({
      url,
      time,
      errors,
      asked: () => asked,
      answer: (next) => how = next,
      open: (maxStale = 24 * HOUR) =>
        new RemoteKeySet(url, { maxStale, onError: (error) => errors.push(error), now: () => time.now }),
    });
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

const { publicKey, privateKey } = await generateKeyPair("ES256");
const jwk = { ...await exportJWK(publicKey), kid: "one", alg: "ES256" };
const withOne = (response: ServerResponse): void => void response.end(JSON.stringify({ keys: [jwk] }));
const away = (response: ServerResponse): void => void response.writeHead(503).end();
const one = { alg: "ES256", kid: "one" };

describe("RemoteKeySet", () => {
  for (
    const [url, isTaken] of [
      ["https://id.example/jwks", true],
      ["http://127.0.0.1:1/jwks", true],
      ["http://[::1]:1/jwks", true],
      ["http://localhost/jwks", true],
      ["http://id.example/jwks", false],
      ["http://localhost.evil.example/jwks", false],
      ["file:///etc/keys", false],
    ] as [string, boolean][]
  ) {
    it(`${isTaken ? "takes" : "refuses"} ${url}`, () => {
      const make = () => new RemoteKeySet(new URL(url), { maxStale: 0, onError: () => {} });
      if (isTaken) make();
      else assertThrows(make, TypeError);
    });
  }

  it("fetches once in 30 s, however many unknown keys come", () =>
    withKeys(async ({ open, asked, answer, time }) => {
      answer(withOne);
      const set = open();
      const junk = (): Promise<unknown[]> =>
        Promise.all(
          Array.from(
            { length: 50 },
            (_, i) => assertRejects(async () => await set.keyOf({ alg: "ES256", kid: `${i}` }, unsigned)),
          ),
        );
      await junk();
      assertEquals(asked(), 1);
      time.now += 29_999;
      await junk();
      assertEquals(asked(), 1);
      time.now += 1;
      await junk();
      assertEquals(asked(), 2);
    }));

  it("finds a key that was added since", () =>
    withKeys(async ({ open, asked, answer, time }) => {
      const set = open();
      await assertRejects(async () => await set.keyOf(one, unsigned));
      answer(withOne);
      time.now += 30_000;
      await set.keyOf(one, unsigned);
      assertEquals(asked(), 2);
    }));

  it("uses the old keys while the endpoint is away, until they are too old, and asks once in 30 s", () =>
    withKeys(async ({ open, asked, answer, time, errors }) => {
      answer(withOne);
      const set = open(24 * HOUR);
      await set.keyOf(one, unsigned);
      answer(away);
      time.now += HOUR;
      for (let i = 0; i < 20; i++) await set.keyOf(one, unsigned);
      assertEquals([asked(), errors.length], [2, 1]);
      // Of another key nobody can say whether it is there: that is no fault of the token
      await assertRejects(async () => await set.keyOf({ alg: "ES256", kid: "two" }, unsigned), KeysError);
      time.now += 25 * HOUR;
      await assertRejects(async () => await set.keyOf(one, unsigned), KeysError);
      answer(withOne);
      time.now += 30_000;
      await set.keyOf(one, unsigned);
    }));

  it("forgets a key that the endpoint took back", () =>
    withKeys(async ({ open, answer, time }) => {
      answer(withOne);
      const set = open();
      await set.keyOf(one, unsigned);
      answer((response) => response.end('{"keys":[]}'));
      time.now += 600_000;
      await assertRejects(async () => await set.keyOf(one, unsigned));
    }));

  it("refuses more than 1 MiB, redirects, and what is no key set", () =>
    withKeys(async ({ open, answer, time, errors }) => {
      const answers: ((response: ServerResponse) => void)[] = [
        (response) => response.end(JSON.stringify({ keys: [jwk], more: "x".repeat(1 << 20) })),
        (response) => response.writeHead(302, { location: "/elsewhere" }).end(),
        (response) => response.end("no JSON"),
        (response) => response.end("null"),
        (response) => response.end('{"keys":"none"}'),
      ];
      const set = open();
      for (const how of answers) {
        answer(how);
        await assertRejects(async () => await set.keyOf(one, unsigned), KeysError);
        time.now += 30_000;
      }
      assertEquals(errors.length, answers.length);
    }));
});

describe("A hub whose keys are fetched", () => {
  it("takes their tokens, and asks once for many that are junk", () =>
    withKeys(async ({ url, asked, answer }) => {
      answer(withOne);
      const tokenOf = (kid: string): Promise<string> =>
        new SignJWT({ freshet: { subscribe: ["a/**"] } }).setProtectedHeader({ alg: "ES256", kid })
          .setExpirationTime("1h").sign(privateKey);
      await withHub(async (hub) => {
        const status = async (kid: string): Promise<number> =>
          await statusOf(get(hub, "/subscribe/a", bearer(await tokenOf(kid))));
        assertEquals(await status("one"), 200);
        for (let i = 0; i < 20; i++) assertEquals(await status(`junk ${i}`), 401);
        assertEquals(asked(), 1);
      }, { tokens: { jwks: url } });
    }));
});
