import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, createHandler, type HandlerOptions, lastEventIdOf, parseEvents, subscriberOf } from "../../mod.ts";
import { takeSubscriberOf } from "../../src/server/carried.ts";
import { acceptsEventStream } from "../../src/server/headers.ts";

const URL_ = "http://localhost/";

async function respond(options: Partial<HandlerOptions>, init: RequestInit = {}, url = URL_): Promise<Response> {
  await using broker = new Broker();
  return await createHandler(broker, { topics: "a", ...options })(new Request(url, init));
}

describe("createHandler()", () => {
  it("subscribes to what `topics` says, asked with the request and what the host passes", async () => {
    await using broker = new Broker();
    const handler = createHandler(broker, {
      topics: (request, info) => [new URL(request.url).pathname.slice(1), (info as { more: string }).more],
    });
    const response = await handler(new Request("http://localhost/x/y"), { more: "z" });
    await broker.publish("x/y", { data: "1" });
    await broker.publish("z", { data: "2" });
    const events = parseEvents(response);
    assertEquals([(await events.next()).value?.data, (await events.next()).value?.data], ["1", "2"]);
    await events.return?.();
    assertEquals(broker.stats().subscribers, 0);
  });

  it("answers 400 for topics that are not valid, and opens nothing", async () => {
    for (const topics of ["a/../b", "", "a*", []]) {
      const response = await respond({ topics: () => topics });
      assertEquals([response.status, response.headers.get("content-type")], [400, "application/problem+json"]);
    }
    await using broker = new Broker();
    assertThrows(() => createHandler(broker, { topics: "a*" }), TypeError);
  });

  it("answers what `topics` or `authorize` answers", async () => {
    assertEquals((await respond({ topics: () => new Response("no", { status: 404 }) })).status, 404);
    assertEquals((await respond({ authorize: () => false })).status, 403);
    const unauthorized = new Response(null, { status: 401, headers: { "www-authenticate": "Bearer" } });
    const response = await respond({ authorize: () => unauthorized });
    assertEquals([response.status, response.headers.get("www-authenticate")], [401, "Bearer"]);
    assertEquals((await respond({ authorize: () => Promise.resolve(true) })).status, 200);
  });

  it("tells a client to stop with 204", async () => {
    assertEquals((await respond({ gone: () => true })).status, 204);
  });

  it("never opens a stream for HEAD or OPTIONS", async () => {
    const head = await respond({}, { method: "HEAD" });
    assertEquals([head.status, head.body, head.headers.get("content-type")], [200, null, "text/event-stream"]);
    const options = await respond({}, { method: "OPTIONS" });
    assertEquals([options.status, options.headers.get("allow")], [204, "GET, HEAD, OPTIONS"]);
    assertEquals((await respond({ methods: ["POST"] })).headers.get("allow"), "POST, OPTIONS");
    assertEquals((await respond({ methods: ["POST"] }, { method: "HEAD" })).status, 405);
  });

  it("answers in a way that browsers survive when it is full, or with 503", async () => {
    await using broker = new Broker();
    for (const [whenFull, status] of [[undefined, 200], ["retry", 200], ["503", 503]] as const) {
      const handler = createHandler(broker, { topics: "a", maxStreams: 1, whenFull, retryWhenFull: 2_000 });
      const first = await handler(new Request(URL_));
      const second = await handler(new Request(URL_));
      assertEquals(second.status, status);
      if (status === 200) {
        const wait = Number(/^retry: (\d+)\n\n$/.exec(await second.text())![1]);
        assertGreaterOrEqual(wait, 2_000);
        assertLessOrEqual(wait, 3_000);
      } else {
        assert(["2", "3"].includes(second.headers.get("retry-after")!));
      }
      await first.body!.cancel();
      const third = await handler(new Request(URL_));
      assert(third.body !== null && third.status === 200);
      await third.body.cancel();
    }
    const handler = createHandler(broker, { topics: "a" });
    await broker.close();
    assert(/^retry: \d+\n\n$/.test(await (await handler(new Request(URL_))).text()));
  });

  it("allows no credentials unless it is told so, and says for how long a preflight holds", async () => {
    const init = {
      method: "OPTIONS",
      headers: { origin: "https://app.example", "access-control-request-method": "GET" },
    };
    const { headers } = await respond({ cors: { origins: ["https://app.example"] } }, init);
    assertEquals(
      ["origin", "credentials"].map((name) => headers.get(`access-control-allow-${name}`)),
      ["https://app.example", null],
    );
    assertEquals([headers.get("access-control-max-age"), headers.get("access-control-allow-methods")], [
      "86400",
      "GET",
    ]);
  });

  it("makes a snapshot for the request that asked", async () => {
    await using broker = new Broker();
    const handler = createHandler(broker, {
      topics: "a",
      snapshot: (why, request) => [{ data: `${why} ${new URL(request.url).pathname}` }],
    });
    for await (const { data } of parseEvents(await handler(new Request(`${URL_}mine`)))) {
      assertEquals(data, "start /mine");
      break;
    }
  });

  it("turns Bun's idle timeout off, and survives a host that passes something else", async () => {
    await using broker = new Broker();
    const handler = createHandler(broker, { topics: "a" });
    const calls: unknown[] = [];
    const request = new Request(URL_);
    await handler(request, { timeout: (...args: unknown[]) => calls.push(args) });
    assertEquals(calls, [[request, 0]]);
    for (
      const info of [null, undefined, 7, "x", { timeout: 3 }, {
        timeout: () => {
          throw new Error("other");
        },
      }]
    ) {
      assertEquals((await handler(new Request(URL_), info)).status, 200);
    }
  });

  it("carries its subscriber until its body is in use", async () => {
    await using broker = new Broker();
    const handler = createHandler(broker, { topics: "a" });
    const response = await handler(new Request(URL_));
    assert(subscriberOf(response) !== undefined);
    assertEquals(subscriberOf(new Response(response.body, response)), undefined);
    assertEquals(subscriberOf(new Response("x")), undefined);
    assert(takeSubscriberOf(response) === subscriberOf(response));
    const reader = response.body!.getReader();
    assertEquals([subscriberOf(response), takeSubscriberOf(response)], [undefined, undefined]);
    await reader.cancel();
  });

  it("adds the headers that it is given, but for what makes an event stream", async () => {
    const { headers } = await respond({ headers: { "x-mine": "1", "content-type": "text/html" } });
    assertEquals([headers.get("x-mine"), headers.get("content-type")], ["1", "text/event-stream"]);
  });
});

describe("lastEventIdOf()", () => {
  const of = (header: string | undefined, query = ""): string | undefined =>
    lastEventIdOf(new Request(URL_ + query, header === undefined ? {} : { headers: { "last-event-id": header } }));

  it("takes the header, whose bytes are UTF-8, before the query", () => {
    assertEquals(of("7", "?lastEventId=8"), "7");
    assertEquals(of(String.fromCharCode(...new TextEncoder().encode("ü🌍"))), "ü🌍");
    assertEquals(of("\u00fc"), "\u00fc"); // not UTF-8
    assertEquals(of(undefined, "?lastEventId=%C3%BC"), "ü");
    assertEquals(of(undefined, "?last_event_id=8"), "8");
    assertEquals([of(undefined), of("", "?lastEventId=")], [undefined, undefined]);
  });
});

describe("acceptsEventStream()", () => {
  for (
    const [accept, accepts] of [
      [null, true],
      ["", true],
      ["*/*", true],
      ["text/event-stream", true],
      ["TEXT/Event-Stream; q=0.5", true],
      ["application/json, text/event-stream", true],
      ["text/*", true],
      ["application/json", false],
      ["text/html", false],
      ["*/*;q=0", false],
      ["text/event-stream;q=0, */*", false],
      ["text/event-stream, */*;q=0", true],
      ["text/*;q=0, */*", false],
      ["  ", true],
      ["text/event-stream;level=1", true],
      ["text/event-stream; charset=utf-8; q=0", false],
      ["text/event-stream;q=0, text/event-stream", true],
      ["text/event-stream, text/event-stream;q=0", true],
      ["*/*, text/event-stream;q=0", false],
    ] as const
  ) {
    it(`takes ${accept} for ${accepts}`, () => assertEquals(acceptsEventStream(accept), accepts));
  }
});
