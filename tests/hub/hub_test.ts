import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "node:test";
import { parseEvents } from "../../mod.ts";
import { createHub } from "../../src/hub/hub.ts";
import { localOnly } from "../../src/hub/local_only.ts";

const form = (fields: Record<string, string>): RequestInit => ({ method: "POST", body: new URLSearchParams(fields) });
const json = (body: string): RequestInit => ({ method: "POST", body, headers: { "content-type": "application/json" } });
const text = (body: string | Uint8Array<ArrayBuffer>): RequestInit => ({
  method: "POST",
  body,
  headers: { "content-type": "text/plain" },
});

describe("createHub()", () => {
  it("publishes text, JSON and forms, to a topic and all above", async () => {
    await using hub = createHub({ anonymous: ["**"] });
    const events = parseEvents(await hub.public(new Request("http://localhost/subscribe/pets")));
    const publish = async (path: string, init: RequestInit): Promise<string> => {
      const response = await hub.control(new Request(`http://localhost/publish/${path}`, init));
      assertEquals(response.status, 201);
      return (await response.json()).id;
    };
    const first = events.next();
    const ids = [
      await publish("pets", text("a\nb")),
      await publish("pets/dogs", json('{"a":[1]}')),
      await publish("pets/dogs/%C3%BC%2Fx", form({ data: "c", event: "bark", id: "own", retry: "7" })),
      await publish("pets", {
        method: "POST",
        body: "curl -d sends this",
        headers: { "content-type": "application/x-www-form-urlencoded" },
      }),
      await publish("pets", form({ data: "", event: "", id: "", retry: "" })),
    ];
    await publish("petshop", text("not heard"));
    const seen = [(await first).value!];
    for (let i = 1; i < ids.length; i++) seen.push((await events.next()).value!);
    assertEquals(seen.map(({ type, data }) => [type, data]), [
      ["message", "a\nb"],
      ["message", '{"a":[1]}'],
      ["bark", "c"],
      ["message", "curl -d sends this"],
      ["message", ""],
    ]);
    assertEquals(seen.map(({ lastEventId }) => lastEventId), ids);
    assertEquals(ids[2], "own");
    await events.return?.();
  });

  for (
    const [says, path, init, status, detail] of [
      ["no topic", "publish/", text("x"), 400, "must name a topic"],
      ["a topic that goes up", "publish/a/%2e%2e%2fb", text("x"), 400, ". or .."],
      ["a pattern", "publish/a/*", text("x"), 400, "*"],
      ["a topic that is no UTF-8", "publish/%ff", text("x"), 400, "not UTF-8"],
      ["a topic with a line break", "publish/a%0a", text("x"), 400, "control"],
      ["a topic of ours", "publish/$x", text("x"), 400, "$"],
      ["bad JSON", "publish/a", json("{"), 400, "not JSON"],
      ["a newline in the type", "publish/a", form({ data: "", event: "a\nb" }), 400, "event must be without CR and LF"],
      ["NUL in the ID", "publish/a", form({ data: "", id: "a\0b" }), 400, "id must be without CR, LF and NUL"],
      ["a retry that is no number", "publish/a", form({ data: "", retry: "soon" }), 400, "retry"],
      ["a form without data", "publish/a", form({ event: "x" }), 400, "no data"],
      ["a field that there is not", "publish/a", form({ data: "", type: "x" }), 400, "type"],
      ["bytes that are not UTF-8", "publish/a", text(Uint8Array.of(0xff)), 400, "UTF-8"],
      ["an ID of the hub's own form", "publish/a", form({ data: "", id: "~abcdefgh.1" }), 409, "~abcdefgh.1"],
      ["a body of 2 MiB", "publish/a", text("x".repeat(2 << 20)), 413, "1048576"],
      ["GET", "publish/a", { method: "GET" }, 405, "GET"],
      ["another path", "elsewhere", text("x"), 404, "/elsewhere"],
    ] as [string, string, RequestInit, number, string][]
  ) {
    it(`answers ${status} for ${says}, with the reason, and publishes nothing`, async () => {
      let published = 0;
      const { Broker } = await import("../../mod.ts");
      await using broker = new Broker({ onPublish: () => published++ });
      await using hub = createHub({ broker, anonymous: [] });
      const response = await hub.control(new Request(`http://localhost/${path}`, init));
      assertEquals([response.status, response.headers.get("content-type")], [status, "application/problem+json"]);
      const problem = await response.json();
      assertEquals(problem.status, status);
      assertStringIncludes(problem.detail, detail);
      assertEquals(published, 0);
    });
  }

  it("counts a body that does not say its length", async () => {
    await using hub = createHub({ anonymous: [], maxBodyBytes: 10 });
    let pulled = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => (pulled++, controller.enqueue(new Uint8Array(4))),
    }, { highWaterMark: 0 });
    const init: RequestInit & { duplex: "half" } = { method: "POST", body, duplex: "half" };
    assertEquals((await hub.control(new Request("http://localhost/publish/a", init))).status, 413);
    assertEquals(pulled <= 4, true);
  });

  it("refuses to subscribe to what is no topic", async () => {
    await using hub = createHub({ anonymous: ["**"] });
    for (const path of ["subscribe/", "subscribe/a/*", "subscribe/%ff"]) {
      assertEquals((await hub.public(new Request(`http://localhost/${path}`))).status, 400, path);
    }
    assertEquals((await hub.public(new Request("http://localhost/nothing"))).status, 404);
    assertEquals((await hub.public(new Request("http://localhost/", { method: "DELETE" }))).status, 405);
  });
});

describe("localOnly()", () => {
  const handler = localOnly(() => Promise.resolve(new Response("ok")));
  const status = async (url: string, init: RequestInit = {}): Promise<number> =>
    (await handler(new Request(url, init))).status;
  const from = (origin: string): RequestInit => ({ method: "POST", headers: { origin } });

  it("lets programs and its own pages pass", async () => {
    for (const host of ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "127.0.2.1"]) {
      assertEquals(await status(`http://${host}/x`, { method: "POST" }), 200);
      assertEquals(await status(`http://${host}/x`, from(`http://${host}`)), 200);
    }
  });

  it("refuses other names for this machine, and pages of other origins", async () => {
    for (const host of ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "0.0.0.0"]) {
      assertEquals(await status(`http://${host}/x`), 403, host);
    }
    for (const origin of ["http://evil.example", "null", "http://127.0.0.1:8081", "https://127.0.0.1:8080"]) {
      assertEquals(await status("http://127.0.0.1:8080/x", from(origin)), 403, origin);
    }
  });
});
