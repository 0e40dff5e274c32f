import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it, mock } from "node:test";
import { parseEvents } from "../../mod.ts";
import { connect } from "../../src/client/mod.ts";
import { createDemo } from "../../src/hub/hub.ts";
import { serve } from "../support/runtime.ts";

const demo = createDemo({ interval: 1 });

function ask(path: string, init: RequestInit = {}, handler = demo): Promise<Response> {
  return handler(new Request(`http://localhost${path}`, init), { remoteAddress: "192.0.2.1" });
}

async function events(path: string, init: RequestInit = {}, handler = demo): Promise<[string, string][]> {
  const response = await ask(path, init, handler);
  assertEquals(response.status, 200);
  return await Array.fromAsync(
    parseEvents(response),
    ({ lastEventId, data }) => [lastEventId, data] as [string, string],
  );
}

const from = (id: string): RequestInit => ({ headers: { "last-event-id": id } });
const ids = (seen: readonly [string, string][]): string[] => seen.map(([id]) => id);

describe("createDemo()", () => {
  it("says hello, then a numbered message after another", async () => {
    const response = await ask("/stream?count=2");
    assertEquals(response.headers.get("x-expected-events"), "2");
    assertEquals(response.headers.get("access-control-allow-origin"), "*");
    assertMatch(
      await response.text(),
      /^id: hello\ndata: Hello, 192\.0\.2\.1:\d+!\n\nid: message-1\ndata: \{\ndata: {3}"time": \d+,\ndata: {3}"random": "\w{16}"\ndata: \}\n\nid: message-2\n/,
    );
  });

  it("sends a message every second unless told otherwise", async () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
      const reader = (await ask("/stream?count=3", {}, createDemo())).body!.getReader();
      let text = "";
      const reading = (async () => {
        for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
          text += new TextDecoder().decode(chunk.value);
        }
      })();
      for (let message = 0; message <= 3; message++) {
        for (const ms of message === 0 ? [0] : [999, 1]) {
          const before = text;
          mock.timers.tick(ms);
          for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
          if (ms === 999) assertEquals(text, before);
        }
        assertMatch(text, message === 0 ? /^id: hello\n/ : new RegExp(`\nid: message-${message}\n`));
      }
      await reading;
    } finally {
      mock.timers.reset();
    }
  });

  it("has the same random text for a number always, and resumes with it", async () => {
    const random = ([, data]: [string, string]): string => JSON.parse(data).random;
    const first = await events("/stream?count=5");
    const again = await events("/stream?count=2", from("message-4"));
    assertEquals(ids(again), ["hello", "message-4", "message-5"]);
    assertEquals(again.slice(1).map(random), first.slice(4).map(random));
    assert(random(first[1]!) !== random(first[2]!));
  });

  it("begins at 1 for other IDs, and after the last if told so", async () => {
    assertEquals(ids(await events("/stream?count=1", from("hello"))), ["hello", "message-1"]);
    assertEquals(ids(await events("/stream?count=1", from("message-99999999999999999999"))), ["hello", "message-1"]);
    assertEquals(
      ids(await events("/stream?count=1", from("message-7"), createDemo({ interval: 1, exclusive: true }))),
      [
        "hello",
        "message-8",
      ],
    );
  });

  it("takes count from the query or a form, refuses a negative one, and does not look at others", async () => {
    assertEquals(ids(await events("/stream?count=0")), ["hello"]);
    assertEquals(ids(await events("/stream", { method: "POST", body: new URLSearchParams({ count: "1" }) })).length, 2);
    assertEquals((await ask("/stream?count=-1")).status, 400);
    const endless = await ask("/stream?count=many");
    assertEquals([endless.status, endless.headers.get("x-expected-events")], [200, null]);
    await endless.body!.cancel();
  });

  it("asks for its token, but not in a preflight", async () => {
    const guarded = createDemo({ token: "secret", interval: 1 });
    const refused = await ask("/stream", {}, guarded);
    assertEquals([refused.status, refused.headers.get("access-control-allow-origin")], [401, "*"]);
    assertEquals((await ask("/status", {}, guarded)).status, 401);
    const headers = { authorization: "Bearer secret" };
    assertEquals((await events("/stream?count=1", { headers }, guarded)).length, 2);
    const preflight = await ask("/stream", { method: "OPTIONS" }, guarded);
    assertEquals([preflight.status, preflight.headers.get("access-control-allow-methods")], [204, "GET"]);
  });

  it("lists who listens, and forgets who has left", async () => {
    const response = await ask("/stream");
    const reader = response.body!.getReader();
    await reader.read();
    const status = await (await ask("/status")).json();
    const [[remote, client]] = Object.entries(status) as [[string, Record<string, unknown>]];
    assertEquals([client["remote"], client["lastEventId"]], [remote, 1]);
    assert(!Number.isNaN(Date.parse(client["connectedAt"] as string)));
    await reader.cancel();
    assertEquals(await (await ask("/status")).json(), {});
  });

  it("ends lines, begins and splits as it is asked", async () => {
    const text = async (path: string) =>
      new TextDecoder("utf-8", { ignoreBOM: true }).decode(await (await ask(path)).arrayBuffer());
    assertMatch(await text("/stream?count=0&crlf"), /^id: hello\r\ndata: Hello, \S+\r\n\r\n$/);
    assertMatch(await text("/stream?count=0&cr"), /^id: hello\rdata: Hello, \S+\r\r$/);
    assertMatch(await text("/stream?count=0&bom"), /^\uFEFFid: hello\n/);
    const pieces = await Array.fromAsync((await ask("/stream?count=0&split=3")).body!, (piece) => piece.length);
    assert(pieces.length > 5 && pieces.every((length) => length <= 3));
    assertEquals(ids(await events("/stream?count=2&crlf&bom&split=1")), ["hello", "message-1", "message-2"]);
    for (const status of [204, 304, 401, 503]) assertEquals((await ask(`/stream?status=${status}`)).status, status);
    assertEquals((await ask("/stream?split=0")).status, 400);
    assertEquals((await ask("/nowhere")).status, 404);
  });

  it("tests a client: cut and stalled, it still gets every message", { timeout: 30_000 }, async () => {
    const server = await serve(createDemo({ interval: 1, exclusive: true }), { port: 0, onError: () => undefined });
    const numbers: number[] = [];
    const connection = connect(`${server.url}stream?drop=4&stall=400`, {
      inactivityTimeout: 250,
      backoff: { initial: 1, max: 1 },
    });
    for await (const { lastEventId } of connection) {
      const [, number] = /^message-(\d+)$/.exec(lastEventId) ?? [];
      if (number === undefined) continue; // hello takes the place of the ID: the demo's own way
      numbers.push(Number(number));
      if (numbers.length === 3) break;
    }
    assertEquals(numbers[0], 1);
    await server.close();
  });
});
