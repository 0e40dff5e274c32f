import { assert, assertEquals } from "@std/assert";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { bundleClient } from "./support/bundle.ts";
import { launchChromium, noChromium } from "./support/chromium.ts";
import { observeEventSource } from "./support/observe_event_source.ts";
import { playEventSource } from "./support/play_event_source.ts";
import { runtime } from "./support/runtime.ts";
import { ScriptedServer } from "./support/scripted_server.ts";
import { eventSourceCases } from "./vectors/event_source.ts";

describe("The client's bundle", () => {
  const limits: ReadonlyArray<readonly [what: string, names: string, bytes: number]> = [
    ["EventSource alone", "{ EventSource }", 4 * 1024],
    ["all of the client", "*", 6 * 1024],
  ];
  for (const [what, names, bytes] of limits) {
    it(`has at most ${bytes} bytes gzipped: ${what}`, { timeout: 60_000 }, () => {
      const size = gzipSync(bundleClient(names)).length;
      assert(size <= bytes, `${size} bytes`);
    });
  }
});

/** Where Chromium's own does otherwise than the standard says. */
const deviates: Readonly<Record<string, readonly string[]>> = {
  "takes text/event-stream with another charset, read as UTF-8": ["error 2"],
};

// What runs in the browser is the same whatever runs the test
if (runtime === "deno") {
  describe("In Chromium", { skip: noChromium }, () => {
    let browser: Awaited<ReturnType<typeof launchChromium>>;
    let page: import("playwright-core").Page;
    let site: ScriptedServer;
    const uncaught: string[] = [];
    before(async () => {
      const client = bundleClient("*");
      site = await ScriptedServer.start();
      site.onRequest = ({ path }) => ({
        headers: { "content-type": path === "/client.js" ? "text/javascript" : "text/html; charset=utf-8" },
        chunks: [path === "/client.js" ? client : "<!doctype html><title>client</title>"],
        then: "end",
      });
      browser = await launchChromium();
      page = await browser.newPage();
      page.on("pageerror", (error) => uncaught.push(error.message));
      await page.goto(site.url);
      await page.evaluate(() => import("/client.js" as string).then((client) => Object.assign(globalThis, { client })));
    });
    after(async () => {
      await browser?.close();
      await site?.[Symbol.asyncDispose]();
    });

    for (
      const [whose, expression] of [["its own EventSource", "EventSource"], ["ours", "client.EventSource"]] as const
    ) {
      for (const one of eventSourceCases) {
        it(`${whose} ${one.says}`, { timeout: 30_000 }, async () => {
          const { types = [], closesAt, throwsAt, sees } = one;
          uncaught.length = 0;
          const { seen, asked, expected } = await playEventSource(one, (url) => {
            const observation = JSON.stringify({ url, types, closesAt, throwsAt, count: sees.length });
            return page.evaluate(`(${observeEventSource})(${expression}, ${observation})`);
          });
          const deviation = whose === "ours" ? undefined : deviates[one.says];
          assertEquals([seen, asked], [[...deviation ?? sees], [...expected]]);
          assertEquals(uncaught, throwsAt === undefined ? [] : ["thrown by a listener"]);
        });
      }
    }
  });
}
