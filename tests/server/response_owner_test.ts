import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, createHandler, type HandlerOptions, subscriberOf } from "../../mod.ts";
import { RawClient } from "../support/raw_client.ts";
import { runtime, serve } from "../support/runtime.ts";
import { turns } from "../support/test_sink.ts";
import { until } from "../support/until.ts";

/** Asks a handler with room for one stream, and fails if its place does not come back. */
async function ask(
  options: Partial<HandlerOptions>,
  use: (response: Response, leaving: AbortController, broker: Broker) => Promise<void>,
): Promise<void> {
  const reasons: string[] = [];
  const broker = new Broker({ onUnsubscribe: (_, reason) => reasons.push(reason) });
  const handler = createHandler(broker, { topics: "a", maxStreams: 1, whenFull: "503", ...options });
  const leaving = new AbortController();
  const response = await handler(new Request("http://localhost/", { signal: leaving.signal }));
  assertEquals((await handler(new Request("http://localhost/"))).status, 503);
  await use(response, leaving, broker);
  await until(() => broker.stats().subscribers === 0);
  assertEquals(reasons, ["left"]);
  const next = await handler(new Request("http://localhost/"));
  assertEquals(next.status, 200);
  await next.body!.cancel();
  await broker.close();
}

describe("A response owns its subscriber: it ends", () => {
  it("when nobody reads the response within openTimeout", async () => {
    await ask({ openTimeout: 20 }, async () => {});
  });

  it("when the client leaves before the response is read", async () => {
    await ask({}, (_, leaving) => Promise.resolve(leaving.abort()));
  });

  it("when the client leaves while the response is read", async () => {
    await ask({}, async (response, leaving) => {
      const reader = response.body!.getReader();
      await reader.read();
      leaving.abort();
      while (!(await reader.read()).done);
    });
  });

  it("when the reader leaves, and when a body is cancelled that nobody has read", async () => {
    await ask({}, async (response) => {
      const reader = response.body!.getReader();
      await reader.read();
      await reader.cancel();
    });
    await ask({}, async (response) => await response.body!.cancel());
  });

  it("at once when the client has left before", async () => {
    await using broker = new Broker();
    const handler = createHandler(broker, { topics: "a" });
    const response = await handler(new Request("http://localhost/", { signal: AbortSignal.abort() }));
    assertEquals(broker.stats().subscribers, 0);
    await response.text();
  });

  it("when Deno.serve says that the request is over, though it has left its signal alone", async () => {
    await using broker = new Broker();
    const handler = createHandler(broker, { topics: "a" });
    for (const end of ["resolve", "reject"] as const) {
      const { promise: completed, ...settle } = Promise.withResolvers<void>();
      const request = new Request("http://localhost/");
      Object.defineProperty(request, "signal", {
        get() {
          throw new Error("Deno prints a warning");
        },
      });
      await handler(request, { completed });
      assertEquals(broker.stats().subscribers, 1);
      settle[end]();
      await turns(1);
      assertEquals(broker.stats().subscribers, 0);
    }
  });

  it("and not when it is read in time, however long it is silent then", async () => {
    await using broker = new Broker();
    const response = await createHandler(broker, { topics: "a", openTimeout: 5 })(new Request("http://localhost/"));
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = (await reader.read()).value!;
    const others = Array.from({ length: 3 }, () => {
      return createHandler(broker, { topics: "a", openTimeout: 50 })(new Request("http://localhost/"));
    });
    await Promise.all(others);
    await until(() => broker.stats().subscribers === 1); // the others
    await broker.publish("a", { data: "still there" });
    while (!text.includes("still there")) text += (await reader.read()).value!;
    await reader.cancel();
  });

  for (const openTimeout of [0, Infinity, 2 ** 31, Number.MAX_VALUE]) {
    it(`and not for being unread with an openTimeout of ${openTimeout}`, async () => {
      await using broker = new Broker();
      const handler = createHandler(broker, { topics: "a", openTimeout });
      const response = await handler(new Request("http://localhost/"));
      await new Promise((resolve) => setTimeout(resolve, 20)); // what overflows fires after 1 ms
      assertEquals(broker.stats().subscribers, 1);
      await response.body!.cancel();
    });
  }

  it("with one timer for all that are not yet read", async () => {
    const timers = new Set<unknown>();
    const { setTimeout: set, clearTimeout: clear } = globalThis;
    const forget = (timer: never): void => void (timers.delete(timer), clear(timer));
    Object.assign(globalThis, {
      setTimeout: (...args: Parameters<typeof set>) => {
        const timer = set(...args);
        timers.add(timer);
        return timer;
      },
      clearTimeout: forget,
    });
    try {
      await using broker = new Broker();
      const handler = createHandler(broker, { topics: "a" });
      const responses = await Promise.all(Array.from({ length: 100 }, () => handler(new Request("http://localhost/"))));
      assertEquals([timers.size, broker.stats().subscribers], [1, 100]);
      await Promise.all(responses.map((response) => response.body!.cancel()));
      await turns(1);
      assertEquals(broker.stats().subscribers, 0);
    } finally {
      Object.assign(globalThis, { setTimeout: set, clearTimeout: clear });
    }
  });
});

describe(`A response served on ${runtime} owns its subscriber: it ends`, () => {
  /** Serves a handler with room for one stream, behind something of the test's. */
  async function served(
    wrap: (respond: () => Promise<Response>, request: Request) => Promise<Response>,
    use: (url: string, broker: Broker) => Promise<void>,
    options: Partial<HandlerOptions> = {},
  ): Promise<void> {
    await using broker = new Broker({ heartbeat: 20 });
    const handler = createHandler(broker, { topics: "a", maxStreams: 1, openTimeout: 50, ...options });
    await using server = await serve((request, info) => wrap(() => handler(request, info), request), {
      port: 0,
      onError: () => undefined,
    });
    await use(server.url, broker);
    await until(() => broker.stats().subscribers === 0);
    await (await handler(new Request("http://localhost/"))).body!.cancel();
  }

  it("when a middleware answers in its place", async () => {
    await served(
      async (respond) => {
        await respond();
        return new Response("too late", { status: 504 });
      },
      async (url, broker) => {
        const response = await fetch(url);
        assertEquals([response.status, await response.text()], [504, "too late"]);
        assertEquals(broker.stats().subscribers <= 1, true);
      },
    );
  });

  it("when a middleware throws after it", async () => {
    await served(async (respond) => {
      await respond();
      throw new Error("mine");
    }, async (url) => assertEquals((await fetch(url)).status, 500));
  });

  it("when the client leaves before the response is made", async () => {
    const asked = Promise.withResolvers<void>();
    const left = Promise.withResolvers<void>();
    await served((respond) => respond(), async (url) => {
      const client = await RawClient.open(url);
      await asked.promise;
      client.socket.resetAndDestroy();
      await client.until(({ closed }) => closed);
      left.resolve();
    }, {
      async authorize() {
        asked.resolve();
        await left.promise;
        return true;
      },
    });
  });

  it("when the client leaves, whoever has looked whose it is", async () => {
    await served(async (respond) => {
      const response = await respond();
      subscriberOf(response);
      return response;
    }, async (url, broker) => {
      const client = await RawClient.open(url);
      await client.until(({ body }) => body.includes("checkpoint"));
      await until(() => broker.stats().subscribers === 1);
      client.leave();
    });
  });
});
