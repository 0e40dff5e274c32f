import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "node:test";
import { parseEvents } from "../../mod.ts";
import type { Hub } from "../../src/hub/hub.ts";
import { withHub } from "../support/hub.ts";

function post(hub: Hub, path: string, body: BodyInit, type?: string): Promise<Response> {
  const headers = type === undefined ? {} : { "content-type": type };
  return hub.control(new Request(`http://localhost${path}`, { method: "POST", body, headers }));
}

describe("POST /publish/", () => {
  it("publishes JSON as it came", () =>
    withHub(async (hub) => {
      const bodies = [
        "12345678901234567890",
        '{"n": 1.10, "n":2}',
        '{\n  "a": "\\u00fc"\n}',
        "1e400",
        '"text"',
        " null ",
      ];
      const events = parseEvents(await hub.control(new Request("http://localhost/subscribe/a")));
      const first = events.next();
      for (const body of bodies) assertEquals((await post(hub, "/publish/a", body, "application/json")).status, 201);
      const seen = [(await first).value?.data];
      while (seen.length < bodies.length) seen.push((await events.next()).value?.data);
      assertEquals(seen, bodies);
      await events.return?.();
    }));

  it("answers 409 to an ID that another event of the topic has", () =>
    withHub(async (hub) => {
      const publish = (data: string) => post(hub, "/publish/a", new URLSearchParams({ data, id: "own" }));
      assertEquals((await publish("one")).status, 201);
      assertEquals((await publish("one")).status, 201); // a retry
      const taken = await publish("two");
      assertEquals([taken.status, taken.headers.get("retry-after")], [409, null]);
      assertStringIncludes((await taken.json()).detail, "own");
    }));
});

describe("POST /emit/", () => {
  for (const [count, status, published] of [[1_000, 200, 1_000], [1_001, 400, 0], [170_000, 400, 0]] as const) {
    it(`answers ${status} to ${count} events in one payload`, () =>
      withHub(async (hub) => {
        const body = new URLSearchParams({ channel: "c", userId: "*", payload: "data\n\n".repeat(count) });
        assertEquals((await post(hub, "/emit/", body)).status, status);
        const counted = await (await hub.control(new Request("http://localhost/status"))).json();
        assertEquals(counted.published, published);
      }, { maxBodyBytes: 4 << 20 }));
  }
});
