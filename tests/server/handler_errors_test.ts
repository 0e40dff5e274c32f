import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, type BrokerOptions, createHandler, type HandlerOptions } from "../../mod.ts";
import { serve } from "../support/runtime.ts";

const failing: ReadonlyArray<readonly [what: string, options: Partial<HandlerOptions>]> = [
  ["authorize that throws", {
    authorize() {
      throw new Error("mine");
    },
  }],
  ["authorize that rejects", { authorize: () => Promise.reject(new Error("mine")) }],
  ["topics that throws", {
    topics() {
      throw new Error("mine");
    },
  }],
  ["topics that rejects", { topics: () => Promise.reject(new Error("mine")) }],
  ["gone that rejects", { gone: () => Promise.reject(new Error("mine")) }],
];

const request = (): Request => new Request("http://localhost/", { headers: { origin: "https://app.example" } });

function handlerOf(broker: Broker, options: Partial<HandlerOptions>): ReturnType<typeof createHandler> {
  return createHandler(broker, { topics: "a", cors: { origins: "*" }, ...options });
}

describe("createHandler() answers 500 and opens nothing for", () => {
  for (const [what, options] of failing) {
    it(`${what}, and tells the broker's onError`, async () => {
      const errors: unknown[] = [];
      const told: BrokerOptions = { onError: (error) => errors.push((error as Error).message) };
      await using broker = new Broker(told);
      const response = await handlerOf(broker, options)(request());
      assertEquals([response.status, response.headers.get("access-control-allow-origin")], [500, "*"]);
      assertEquals((await response.text()).includes("mine"), false);
      assertEquals([errors, broker.stats().errors, broker.stats().subscribers], [["mine"], 1, 0]);
    });

    it(`${what}, and tells onError of serve() where the broker has none`, async () => {
      await using broker = new Broker();
      const errors: unknown[] = [];
      const handler = handlerOf(broker, options);
      await using server = await serve(async (request, info) => {
        const response = await handler(request, info);
        return new Response(response.body, response); // as middleware does
      }, {
        port: 0,
        onError: (error) => {
          errors.push((error as Error).message);
          return new Response("answered", { status: 503 });
        },
      });
      const response = await fetch(server.url, { headers: { origin: "https://app.example" } });
      assertEquals([response.status, await response.text()], [503, "answered"]);
      assertEquals(response.headers.get("access-control-allow-origin"), "*");
      assertEquals([errors, broker.stats().errors], [["mine"], 1]);
    });
  }

  it("authorize that says neither yes nor no, so that nobody is let pass by mistake", async () => {
    for (const said of [undefined, null, 1, "yes", {}, { status: 401 }]) {
      const errors: unknown[] = [];
      await using broker = new Broker({ onError: (error) => errors.push(error) });
      const response = await handlerOf(broker, { authorize: () => said as never })(request());
      await response.body?.cancel();
      assertEquals([response.status, errors[0] instanceof TypeError, broker.stats().subscribers], [500, true, 0]);
    }
  });

  it("a stand-in for a broker that fails", async () => {
    const handler = createHandler({
      subscribe() {
        throw new Error("mine");
      },
    }, { topics: "a" });
    assertEquals((await handler(request())).status, 500);
  });
});

describe("createHandler() answers 400 for", () => {
  const asked: ReadonlyArray<readonly [what: string, topics: unknown, detail: string]> = [
    ["topics that are not valid", "a/../b", "a/../b"],
    ["too many topics", Array.from({ length: 65 }, (_, i) => `t${i}`), "64"],
    ["a pattern of too many segments", "a/".repeat(32) + "**", "32"],
    ["no topics", [], "topics"],
  ];
  for (const [what, topics, detail] of asked) {
    it(what, async () => {
      await using broker = new Broker();
      const response = await createHandler(broker, { topics: () => topics as string, patterns: true })(request());
      assertEquals([response.status, broker.stats().errors], [400, 0]);
      assertStringIncludes((await response.json()).detail, detail);
    });
  }
});

describe("createHandler() ends a subscriber with an error for", () => {
  it("a filter that returns a promise", async () => {
    const errors: unknown[] = [];
    await using broker = new Broker({ onError: (error) => errors.push(error) });
    const response = await createHandler(broker, { topics: "a", filter: () => Promise.resolve(false) as never })(
      request(),
    );
    const text = response.text();
    await broker.publish("a", { data: "secret" });
    assertEquals((await text).match(/^(?:event|data): .*$/gm)?.slice(-2), ["event: close", 'data: {"reason":"error"}']);
    assertEquals(errors.length, 1);
    assertEquals(errors[0] instanceof TypeError, true);
  });
});
