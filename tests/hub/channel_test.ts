import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { describe, it } from "node:test";
import { parseEvents } from "../../mod.ts";
import { channelTopic, userTopic } from "../../src/hub/channel.ts";
import { get, withHub } from "../support/hub.ts";
import { SEED } from "../support/seed.ts";

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
