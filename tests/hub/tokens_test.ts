import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { SignJWT } from "jose";
import { describe, it } from "node:test";
import type { TokenOptions } from "../../src/hub/hub.ts";
import { TokenError, Tokens } from "../../src/hub/tokens.ts";
import { runCli } from "../support/cli.ts";
import { bearer, get, SECRET, statusOf, token, withHub } from "../support/hub.ts";

const LONG = "s".repeat(64);

describe("Tokens", () => {
  const wrong: ReadonlyArray<readonly [says: string, options: unknown, names: string]> = [
    ["a secret that is null", { secret: null }, "secret"],
    ["an empty secret", { secret: "" }, "secret"],
    ["a secret that is a number", { secret: 1234567890 }, "secret"],
    ["a secret of 31 bytes", { secret: "x".repeat(31) }, "32 bytes"],
    ["a secret of 31 bytes, as bytes", { secret: new Uint8Array(31) }, "32 bytes"],
    ["a secret of 63 bytes for HS512", { secret: "x".repeat(63), algorithms: ["HS256", "HS512"] }, "64 bytes"],
    ["neither a secret nor keys", {}, "secret"],
    ["an unknown option", { secret: LONG, audiense: "a" }, "audiense"],
    ["an empty issuer", { secret: LONG, issuer: "" }, "issuer"],
    ["an audience that is null", { secret: LONG, audience: null }, "audience"],
    ["no algorithms", { secret: LONG, algorithms: [] }, "algorithms"],
    ["an unknown algorithm", { secret: LONG, algorithms: ["HS265"] }, "HS265"],
    ["the algorithm none", { secret: LONG, algorithms: ["HS256", "None"] }, "none"],
    ["an algorithm of keys without keys", { secret: LONG, algorithms: ["HS256", "ES256"] }, "ES256"],
    ["an algorithm of secrets without a secret", { jwks: { keys: [] }, algorithms: ["HS256"] }, "HS256"],
    ["a secret that no algorithm uses", { secret: LONG, jwks: { keys: [] }, algorithms: ["ES256"] }, "secret"],
    ["keys that are no set", { jwks: { keys: null } }, "jwks"],
    ["a cookie without origins", { secret: LONG, cookie: { name: "a" } }, "cookie"],
  ];
  for (const [says, options, names] of wrong) {
    it(`refuse ${says}, and name it`, () => {
      try {
        new Tokens(options as TokenOptions);
      } catch (error) {
        assert(error instanceof TypeError || error instanceof RangeError);
        assertStringIncludes(error.message, names);
        return assert(!error.message.includes("1234567890") && !error.message.includes("xxx"), "it shows the secret");
      }
      throw new Error("it was taken");
    });
  }

  it("take a short secret where they are told to", () => {
    assertThrows(() => new Tokens({ secret: "x" }));
    assert(new Tokens({ secret: "x", allowShortSecret: true }).canSign);
  });

  it("are made by an algorithm that is taken", async () => {
    for (const algorithms of [["HS256"], ["HS384"], ["HS512", "HS256"]]) {
      const tokens = new Tokens({ secret: LONG, algorithms });
      assertEquals((await tokens.verify(await tokens.sign({ sub: "ann" }, 60))).user, "ann");
    }
    assertEquals(new Tokens({ jwks: { keys: [] } }).canSign, false);
  });

  it("without exp are refused, or taken where that is allowed", async () => {
    const eternal = await new SignJWT({ sub: "ann" }).setProtectedHeader({ alg: "HS256" })
      .sign(new TextEncoder().encode(LONG));
    const error = await assertRejects(() => new Tokens({ secret: LONG }).verify(eternal), TokenError) as Error;
    assertStringIncludes(error.message, "exp");
    const { user, expires } = await new Tokens({ secret: LONG, allowEternalTokens: true }).verify(eternal);
    assertEquals([user, expires], ["ann", undefined]);
  });

  for (
    const [says, claims, status] of [
      ["an aud, where no audience is asked for", { aud: "elsewhere" }, 401],
      ["an aud that is an empty list", { aud: [] }, 401],
      ["a sub that is a number", { sub: 1 }, 401],
      ["a sub that is null", { sub: null }, 401],
      ["a sub that is a list", { sub: ["ann"] }, 401],
      ["an exp that is text", { exp: "never" }, 401],
      ["a sub that is text", { sub: "ann" }, 200],
    ] as [string, Record<string, unknown>, number][]
  ) {
    it(`with ${says}: ${status}`, () =>
      withHub(async (hub) => {
        const made = await token({ freshet: { subscribe: ["a/**"] }, ...claims });
        assertEquals(await statusOf(get(hub, "/subscribe/a", bearer(made))), status);
      }, { tokens: { secret: SECRET } }));
  }
});

describe("freshet token", () => {
  it("--new-secret makes a secret that tokens are made with", { timeout: 60_000 }, async () => {
    const [first, second] = [await runCli(["token", "--new-secret"]), await runCli(["token", "--new-secret"])];
    assertEquals([first.code, second.code], [0, 0], first.stderr);
    assert(first.stdout !== second.stdout);
    const secret = first.stdout.trim();
    assert(secret.length >= 32);
    const made = await runCli(["token", "--secret", secret, "--user", "ann", "--subscribe", "a"]);
    assertEquals(made.code, 0, made.stderr);
    assertEquals((await new Tokens({ secret }).verify(made.stdout.trim())).user, "ann");
  });
});
