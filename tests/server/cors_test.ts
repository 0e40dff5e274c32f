import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, type CorsOptions, createHandler, type HandlerOptions } from "../../mod.ts";

const URL_ = "http://localhost/";

async function respond(options: Partial<HandlerOptions>, init: RequestInit = {}): Promise<Response> {
  await using broker = new Broker();
  return await createHandler(broker, { topics: "a", ...options })(new Request(URL_, init));
}

function preflightFrom(origin: string): RequestInit {
  return { method: "OPTIONS", headers: { origin, "access-control-request-method": "GET" } };
}

describe("createHandler({ cors })", () => {
  it("allows pages of other origins when it is told which", async () => {
    const cors = { origins: ["https://app.example"], credentials: true };
    const from = (origin: string): RequestInit => ({ headers: { origin } });
    const allowed = await respond({ cors }, from("https://app.example"));
    assertEquals(allowed.headers.get("access-control-allow-origin"), "https://app.example");
    assertEquals(allowed.headers.get("access-control-allow-credentials"), "true");
    assertEquals(allowed.headers.get("vary"), "origin");
    const other = await respond({ cors }, from("https://evil.example"));
    assertEquals([other.headers.get("access-control-allow-origin"), other.headers.get("vary")], [null, "origin"]);
    assertEquals((await respond({}, from("https://app.example"))).headers.get("access-control-allow-origin"), null);
    assertEquals(
      (await respond({ cors: { origins: "*" } }, from("x"))).headers.get("access-control-allow-origin"),
      "*",
    );
    const preflight = await respond({ cors, authorize: () => false }, {
      method: "OPTIONS",
      headers: { origin: "https://app.example", "access-control-request-method": "GET" },
    });
    assertEquals([preflight.status, preflight.headers.get("access-control-allow-origin")], [
      204,
      "https://app.example",
    ]);
    for (const name of ["authorization", "last-event-id"]) {
      assert(preflight.headers.get("access-control-allow-headers")!.includes(name));
    }
    const refused = await respond({ cors, authorize: () => false }, from("https://app.example"));
    assertEquals([refused.status, refused.headers.get("access-control-allow-origin")], [403, "https://app.example"]);
  });

  it("asks a function which origins may, in its own time", async () => {
    const asked: string[] = [];
    const cors: CorsOptions = {
      origins: async (origin, request) => {
        asked.push(`${request.method} ${origin}`);
        return await Promise.resolve(origin.endsWith(".example"));
      },
      credentials: true,
    };
    const allowed = await respond({ cors }, { headers: { origin: "https://a.example" } });
    assertEquals(allowed.headers.get("access-control-allow-origin"), "https://a.example");
    assertEquals([allowed.headers.get("access-control-allow-credentials"), allowed.headers.get("vary")], [
      "true",
      "origin",
    ]);
    const refused = await respond({ cors }, preflightFrom("https://a.elsewhere"));
    assertEquals([refused.status, refused.headers.get("vary")], [204, "origin"]);
    assertEquals([...refused.headers.keys()].filter((name) => name.startsWith("access-control")), []);
    await respond({ cors });
    assertEquals(asked, ["GET https://a.example", "OPTIONS https://a.elsewhere"]); // not without an origin
  });

  it("answers 500 if that function throws or says something else, and opens nothing", async () => {
    const bad: ReadonlyArray<CorsOptions["origins"]> = [
      () => {
        throw new Error("no database");
      },
      () => Promise.reject(new Error("no database")),
      () => "https://a.example" as never,
    ];
    for (const origins of bad) {
      const errors: unknown[] = [];
      await using broker = new Broker({ onError: (error) => errors.push(error) });
      const handler = createHandler(broker, { topics: "a", cors: { origins } });
      const response = await handler(new Request(URL_, { headers: { origin: "https://a.example" } }));
      assertEquals([response.status, broker.stats().subscribers, errors.length], [500, 0, 1]);
    }
  });

  it("allows and exposes headers of the application beside its own", async () => {
    const cors = { origins: "*", allowHeaders: ["X-Tenant"], exposeHeaders: ["X-Trace"] } as const;
    const preflight = await respond({ cors }, preflightFrom("https://a.example"));
    const names = preflight.headers.get("access-control-allow-headers")!;
    for (const name of ["last-event-id", "X-Tenant"]) assertStringIncludes(names, name);
    const response = await respond({ cors, headers: { "x-trace": "7" } }, { headers: { origin: "https://a.example" } });
    assertEquals(response.headers.get("access-control-expose-headers"), "retry-after, X-Trace");
  });
});
