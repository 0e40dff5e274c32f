import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Server as HttpServer } from "node:http";
import { describe, it, mock } from "node:test";
import { toNodeListener } from "../../src/adapters/node.ts";
import type { ServeOptions } from "../../src/server/serve_options.ts";
import { runtime, serve } from "../support/runtime.ts";

const wrong: readonly [option: string, value: unknown, ErrorClass: typeof TypeError | typeof RangeError][] = [
  ["closeTimout", 5, TypeError],
  ["port", "8000", TypeError],
  ["port", -1, RangeError],
  ["port", 65_536, RangeError],
  ["port", 1.5, RangeError],
  ["hostname", 5, TypeError],
  ["hostname", "", TypeError],
  ["signal", {}, TypeError],
  ["tls", "cert", TypeError],
  ["tls", { cert: "only" }, TypeError],
  ["backlog", "many", TypeError],
  ["backlog", 0, RangeError],
  ["reusePort", "yes", TypeError],
  ["closeTimeout", "2", TypeError],
  ["closeTimeout", NaN, RangeError],
  ["onClosing", 5, TypeError],
  ["onError", 5, TypeError],
];

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = await serve(() => new Response(), { port: 0 });
  await server.close();
  return Number(new URL(server.url).port);
}

describe(`serve() on ${runtime}`, () => {
  for (const [option, value, ErrorClass] of wrong) {
    it(`refuses ${option}: ${JSON.stringify(value)}, and does not listen`, { timeout: 30_000 }, async () => {
      const port = await freePort();
      const options = { port, [option]: value } as ServeOptions;
      const error = await assertRejects(() => serve(() => new Response(), options));
      assert(error instanceof ErrorClass && error.message.includes(option), String(error));
      const server = await serve(() => new Response("free"), { port });
      assertEquals(await (await fetch(server.url)).text(), "free");
      await server.close();
    });
  }

  it("refuses a handler that is none", async () => {
    await assertRejects(() => serve({ fetch() {} } as never, { port: 0 }), TypeError, "handler");
  });

  it("takes options that are undefined", { timeout: 30_000 }, async () => {
    const options = Object.fromEntries(wrong.slice(1).map(([option]) => [option, undefined]));
    await (await serve(() => new Response(), { ...options, port: 0 })).close();
  });

  it("answers 500 when onError returns what is no Response", { timeout: 30_000 }, async () => {
    const printed = mock.method(console, "error", () => {});
    for (const returned of ["text", 5, {}, Promise.resolve(), null]) {
      await using server = await serve(() => {
        throw new Error("mine");
      }, { port: 0, onError: () => returned as never });
      const response = await fetch(server.url);
      assertEquals([response.status, await response.text()], [500, "Internal Server Error"]);
    }
    printed.mock.restore();
  });
});

describe(`toNodeListener() on ${runtime}`, () => {
  it("refuses options that are wrong or unknown", () => {
    assertThrows(() => toNodeListener(() => new Response(), { onError: 5 as never }), TypeError, "onError");
    assertThrows(() => toNodeListener(() => new Response(), { onEror: () => {} } as never), TypeError, "onEror");
  });
});

if (runtime !== "bun") { // which is not built on node:http
  describe(`A server of serve() on ${runtime}`, () => {
    it("tells onError of each error that comes after it listens", { timeout: 30_000 }, async () => {
      const told: unknown[] = [];
      const servers: HttpServer[] = [];
      const listening = mock.method(HttpServer.prototype, "listen", function (this: HttpServer, ...args: unknown[]) {
        servers.push(this);
        return Reflect.apply(Object.getPrototypeOf(HttpServer.prototype).listen, this, args);
      });
      await using _server = await serve(() => new Response(), { port: 0, onError: (error) => void told.push(error) });
      listening.mock.restore();
      const errors = [1, 2, 3].map((n) => new Error(`${n}`));
      for (const error of errors) servers[0]!.emit("error", error);
      assertEquals(told, errors);
    });
  });
}
