import { assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import {
  Broker,
  createHandler,
  type HandlerOptions,
  parseEvents,
  type SubscribeOptions,
  type Subscriber,
  topicOfPath,
} from "../../mod.ts";

const URL_ = "http://localhost/";

/** The data of the first events of a response, which then is left. */
async function first(count: number, response: Response): Promise<string[]> {
  const seen: string[] = [];
  for await (const { type, data } of parseEvents(response)) {
    if (seen.push(type === "message" ? data : type) === count) break;
  }
  return seen;
}

describe("createHandler({ subscribe })", () => {
  it("gives each request its own start, filter and the rest, over the handler's", async () => {
    await using broker = new Broker();
    for (const data of ["1", "2", "3"]) await broker.publish("a", { data });
    const handler = createHandler<{ odd: boolean }>(broker, {
      topics: "a",
      start: "all",
      filter: ({ data }) => data !== "2",
      subscribe: async (request, { odd }) => {
        const { searchParams } = new URL(request.url);
        await Promise.resolve();
        return {
          start: searchParams.has("last") ? { last: Number(searchParams.get("last")) } : undefined,
          ...(odd && { filter: ({ data }) => Number(data) % 2 === 1 }),
        };
      },
    });
    assertEquals(await first(2, await handler(new Request(URL_), { odd: false })), ["1", "3"]);
    assertEquals(await first(1, await handler(new Request(`${URL_}?last=1`), { odd: false })), ["3"]);
    assertEquals(await first(2, await handler(new Request(URL_), { odd: true })), ["1", "3"]);
  });

  it("leaves the last event ID of the request, unless it names one", async () => {
    await using broker = new Broker();
    const ids: string[] = [];
    for (const data of ["1", "2", "3"]) ids.push(await broker.publish("a", { data }));
    const request = (): Request => new Request(URL_, { headers: { "last-event-id": ids[1]! } });
    const plain = createHandler(broker, { topics: "a", subscribe: () => ({}) });
    assertEquals(await first(1, await plain(request())), ["3"]);
    const own = createHandler(broker, { topics: "a", subscribe: () => ({ lastEventId: ids[0] }) });
    assertEquals(await first(1, await own(request())), ["2"]);
  });

  it("takes a signal that ends the subscriber", async () => {
    await using broker = new Broker();
    const logout = new AbortController();
    const handler = createHandler(broker, { topics: "a", subscribe: () => ({ signal: logout.signal }) });
    const text = (await handler(new Request(URL_))).text();
    assertEquals(broker.stats().subscribers, 1);
    logout.abort();
    await text;
    assertEquals(broker.stats().subscribers, 0);
  });

  it("answers 500 if it throws or returns what is not valid, opens nothing, and tells onError", async () => {
    const bad: ReadonlyArray<readonly [() => SubscribeOptions, says: string]> = [
      [() => {
        throw new Error("no database");
      }, "no database"],
      [() => undefined as never, "options must be an object: got undefined"],
      [() => ({ strat: "all" }) as never, "no option of this name: got strat"],
      [() => ({ start: { last: 0 } }), "start must be"],
      [() => ({ retry: -1 }), "retry"],
      [() => ({ signal: {} as never }), "signal must be an AbortSignal"],
      [() => ({ filter: (async () => await Promise.resolve(true)) as never }), "filter must be a function that is"],
    ];
    for (const [subscribe, says] of bad) {
      const errors: unknown[] = [];
      await using broker = new Broker({ onError: (error) => errors.push(error) });
      const response = await createHandler(broker, { topics: "a", subscribe })(new Request(URL_));
      assertEquals([response.status, broker.stats().subscribers, errors.length], [500, 0, 1]);
      assertStringIncludes((errors[0] as Error).message, says);
    }
  });

  it("lets no more than maxStreams through, however slow it is", async () => {
    await using broker = new Broker();
    const handler = createHandler(broker, {
      topics: "a",
      maxStreams: 1,
      whenFull: "503",
      subscribe: async () => await Promise.resolve({}),
    });
    const responses = await Promise.all(Array.from({ length: 5 }, () => handler(new Request(URL_))));
    assertEquals(responses.map(({ status }) => status).toSorted(), [200, 503, 503, 503, 503]);
    for (const { body } of responses) await body?.cancel();
  });
});

describe("createHandler({ onOpen })", () => {
  it("is told the subscriber and its request", async () => {
    await using broker = new Broker();
    const open = new Map<string, Subscriber>();
    const handler = createHandler(broker, {
      topics: "a",
      onOpen: (subscriber, request) => void open.set(new URL(request.url).pathname, subscriber),
    });
    const response = await handler(new Request(`${URL_}ann`));
    await open.get("/ann")!.close("kicked");
    assertEquals(await open.get("/ann")!.closed, "kicked");
    await response.body?.cancel();
  });

  it("answers 500 and ends the subscriber if it throws", async () => {
    const errors: unknown[] = [];
    const reasons: string[] = [];
    await using broker = new Broker({
      onError: (error) => errors.push(error),
      onUnsubscribe: (_, reason) => reasons.push(reason),
    });
    const handler = createHandler(broker, {
      topics: "a",
      maxStreams: 1,
      onOpen: () => {
        throw new Error("no room in the map");
      },
    });
    for (let i = 0; i < 2; i++) assertEquals((await handler(new Request(URL_))).status, 500);
    assertEquals([errors.length, reasons, broker.stats().subscribers], [2, ["error", "error"], 0]);
  });
});

describe("What a `topics` function returns", () => {
  async function answer(wanted: string | readonly string[], options: Partial<HandlerOptions> = {}): Promise<Response> {
    const broker = new Broker();
    const response = await createHandler(broker, { topics: () => wanted, ...options })(new Request(URL_));
    await broker.close();
    return response;
  }

  it("are topics: a pattern is answered with 400", async () => {
    for (const wanted of ["*", "**", "rooms/*", "rooms/**", ["a", "b/*"]]) {
      const response = await answer(wanted);
      assertEquals(response.status, 400);
      assertMatch(await response.text(), /must not hold \*/);
    }
  });

  it("may be patterns with `patterns: true`", async () => {
    for (const wanted of ["**", ["a", "b/*"]]) assertEquals((await answer(wanted, { patterns: true })).status, 200);
    assertEquals((await answer("a*", { patterns: true })).status, 400);
  });

  it("never begin with $", async () => {
    for (const wanted of ["$hub/end", ["a", "$b"], "$nodes/**"]) {
      for (const patterns of [true, false]) assertEquals((await answer(wanted, { patterns })).status, 400);
    }
  });
});

describe("topicOfPath()", () => {
  const found: ReadonlyArray<[path: string, prefix: string | undefined, topic: string]> = [
    ["/rooms/7", "/rooms/", "7"],
    ["/rooms/7/chat?x=/y", "/rooms/", "7/chat"],
    ["/caf%C3%A9", undefined, "café"],
    ["/a%20b/%25", "/", "a b/%"],
    ["/rooms/%2A", "/rooms/", "*"], // which the handler refuses
  ];
  for (const [path, prefix, topic] of found) {
    it(`finds ${topic} in ${path}`, () => assertEquals(topicOfPath(new Request(URL_ + path.slice(1)), prefix), topic));
  }

  const refused: ReadonlyArray<[path: string, status: number, says: string]> = [
    ["/rooms/", 404, "must follow /rooms/"],
    ["/rooms", 404, "must follow /rooms/"],
    ["/other/7", 404, "got /other/7"],
    ["/rooms/%ff", 400, "must be UTF-8: got %ff"],
    ["/rooms/a%2Fb", 400, "must not stand for /"],
    ["/rooms/*", 400, "must not hold *"],
    ["/rooms/%2a%2A", 400, "must not hold *"],
    ["/rooms/$hub", 400, "must not begin with $"],
  ];
  for (const [path, status, says] of refused) {
    it(`leads to ${status} for ${path}, of which onError is not told`, async () => {
      const errors: unknown[] = [];
      await using broker = new Broker({ onError: (error) => errors.push(error) });
      const handler = createHandler(broker, { topics: (request) => topicOfPath(request, "/rooms/") });
      const response = await handler(new Request(URL_ + path.slice(1)));
      assertEquals([response.status, errors], [status, []]);
      assertStringIncludes((await response.json()).detail, says);
    });
  }

  it("refuses a prefix without its slashes", () => {
    for (const prefix of ["rooms/", "/rooms", "", 7 as never]) {
      assertThrows(() => topicOfPath(new Request(`${URL_}rooms/7`), prefix), TypeError);
    }
  });
});
