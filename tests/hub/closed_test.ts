import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { createHub, type HubOptions } from "../../src/hub/hub.ts";
import { bearer, get, SECRET, statusOf, token, withHub } from "../support/hub.ts";

describe("createHub()", () => {
  const wrong: ReadonlyArray<readonly [says: string, options: unknown, names: string]> = [
    ["no options", undefined, "options"],
    ["options that do not say who may come in", {}, "anonymous"],
    ["tokens that are null", { tokens: null }, "tokens"],
    ["tokens that are text", { tokens: "secret" }, "tokens"],
    ["anonymous that is text", { anonymous: "**" }, "anonymous"],
    ["anonymous that is null", { anonymous: null, tokens: { secret: SECRET } }, "anonymous"],
    ["anonymous topics of the nodes", { anonymous: ["$hub/**"] }, "$hub/**"],
    ["anonymous that is no pattern", { anonymous: ["a**"] }, "a**"],
    ["an unknown option", { anonymous: [], anonymus: [] }, "anonymus"],
    ["an empty password", { anonymous: [], admin: { password: "" } }, "admin"],
    ["a password that is null", { anonymous: [], admin: { password: null } }, "admin"],
    ["a limit that is text", { anonymous: [], maxConnections: "9" }, "maxConnections"],
  ];
  for (const [says, options, names] of wrong) {
    it(`refuses ${says}`, () => {
      const { message } = assertThrows(() => createHub(options as HubOptions), TypeError) as Error;
      assertStringIncludes(message, names);
    });
  }

  it("admits nobody without a token to what anonymous does not name", () =>
    withHub(async (hub) => {
      assertEquals(await statusOf(get(hub, "/subscribe/a")), 401);
    }, { tokens: undefined, anonymous: [] }));
});

describe("A token whose grant names topics of the nodes", () => {
  for (const may of ["subscribe", "publish"]) {
    it(`is refused: ${may}`, () =>
      withHub(async (hub) => {
        const made = await token({ freshet: { subscribe: ["a/**"], [may]: ["a/**", "$hub/end"] } });
        assertEquals(await statusOf(get(hub, "/subscribe/a", bearer(made))), 401);
      }));
  }
});
