import { assertEquals } from "@std/assert";
import { after, before, describe, it } from "node:test";
import { bundle } from "../support/bundle.ts";
import { launchChromium, noChromium } from "../support/chromium.ts";
import { observeEventSource } from "../support/observe_event_source.ts";
import { playEventSource } from "../support/play_event_source.ts";
import { runtime } from "../support/runtime.ts";
import { ScriptedServer } from "../support/scripted_server.ts";
import { eventSourceCases } from "../vectors/event_source.ts";

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
      const client = bundle('export * from "client";', "--minify");
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
        it(`${whose} ${one.says}`, { timeout: 120_000 }, async () => {
          const { types = [], closesAt, throwsAt } = one;
          const sees = (whose === "ours" ? undefined : deviates[one.says]) ?? one.sees;
          uncaught.length = 0;
          const { seen, asked, expected } = await playEventSource(one, (url) => {
            const observation = JSON.stringify({ url, types, closesAt, throwsAt, count: sees.length });
            return page.evaluate(`(${observeEventSource})(${expression}, ${observation})`);
          });
          assertEquals([seen, asked], [[...sees], [...expected]]);
          assertEquals(uncaught, throwsAt === undefined ? [] : ["thrown by a listener"]);
        });
      }
    }

    it("ours has the members of its own EventSource, as that has them", async () => {
      const members = (EventSource: string): Promise<unknown> =>
        page.evaluate(`[${EventSource}, ${EventSource}.prototype].map((owner) =>
          Object.entries(Object.getOwnPropertyDescriptors(owner))
            .filter(([name]) => name !== "prototype")
            .map(([name, { enumerable, configurable, writable, get, set }]) =>
              [name, enumerable, configurable, writable, typeof get, typeof set].join(" "))
            .sort())`);
      assertEquals(await members("client.EventSource"), await members("EventSource"));
    });

    describe("connect()", () => {
      /** Listens in the page, and gives what has come when the condition on the server's side is true. */
      async function listen(url: string, options: string): Promise<void> {
        await page.evaluate(`
        globalThis.seen = [];
        globalThis.connection = client.connect(${JSON.stringify(url)}, ${options});
        connection.onAny(({ data, lastEventId }) => seen.push(data + " " + lastEventId));
      `);
      }
      const seen = (count: number): Promise<string[]> =>
        page.waitForFunction(`seen.length >= ${count} && seen`).then((handle) => handle.jsonValue()) as Promise<
          string[]
        >;
      const show = (visibilityState: string): Promise<unknown> =>
        page.evaluate(`
        Object.defineProperty(document, "visibilityState", { value: "${visibilityState}", configurable: true });
        document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
      `);
      const asked = (server: ScriptedServer): (string | undefined)[] =>
        server.requests.map(({ headers }) => headers["last-event-id"]);

      it("comes back as soon as the machine is on the network again", { timeout: 30_000 }, async () => {
        await using server = await ScriptedServer.start([
          { chunks: ["id: 1\ndata: a\n\n"], then: "end" },
          { chunks: ["data: b\n\n"] },
        ]);
        await listen(
          server.url,
          "{ backoff: { initial: 1e9, max: 1e9, jitter: 0 }, onRetry: () => seen.push('waits') }",
        );
        assertEquals(await seen(2), ["a 1", "waits"]);
        await page.context().setOffline(true);
        await page.context().setOffline(false);
        assertEquals(await seen(3), ["a 1", "waits", "b 1"]);
        assertEquals(asked(server), [undefined, "1"]);
        await page.evaluate("connection.close()");
      });

      it("keeps its connection while the page is hidden", { timeout: 30_000 }, async () => {
        await using server = await ScriptedServer.start([{
          chunks: ["data: a\n\n", ...Array(20).fill(":\n\n"), "data: b\n\n"],
        }]);
        await listen(server.url, "{}");
        await seen(1);
        await show("hidden");
        assertEquals(await seen(2), ["a ", "b "]);
        await show("visible");
        await page.evaluate("connection.close()");
      });

      it("pauses while the page is hidden if told so, and resumes", { timeout: 30_000 }, async () => {
        await using server = await ScriptedServer.start([
          { chunks: ["id: 1\ndata: a\n\n"] },
          { chunks: ["data: b\n\n"] },
        ]);
        await listen(server.url, "{ whenHidden: 'pause', onRetry: () => seen.push('fails') }");
        await seen(1);
        await show("hidden");
        await server.abandoned(1);
        assertEquals(await page.evaluate("connection.readyState"), "connecting");
        assertEquals(asked(server), [undefined]);
        await show("visible");
        assertEquals(await seen(2), ["a 1", "b 1"]);
        assertEquals(asked(server), [undefined, "1"]);
        await page.evaluate("connection.close()");
        assertEquals(await page.evaluate("connection.closed"), { reason: "closed" });
      });

      it("runs in a worker", { timeout: 30_000 }, async () => {
        await using server = await ScriptedServer.start([{ chunks: ["data: a\n\n"] }]);
        const code = `import { connect } from "${site.url}client.js";
        for await (const { data } of connect("${server.url}")) { postMessage(data); break; }`;
        const got = await page.evaluate(`new Promise((resolve, reject) => {
        const url = URL.createObjectURL(new Blob([${JSON.stringify(code)}], { type: "text/javascript" }));
        const worker = new Worker(url, { type: "module" });
        worker.onmessage = ({ data }) => { worker.terminate(); resolve(data); };
        worker.onerror = ({ message }) => reject(new Error(message));
      })`);
        assertEquals(got, "a");
      });
    });
  });
}
