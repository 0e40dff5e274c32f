import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "node:test";
import { launchChromium, noChromium } from "../support/chromium.ts";
import { HubProcess } from "../support/hub_process.ts";

describe("freshet serve --dev", () => {
  it("is a page in which Chromium sees events, publishes, and resumes", {
    timeout: 120_000,
    skip: noChromium,
  }, async () => {
    const browser = await launchChromium();
    try {
      const hub = await HubProcess.start();
      const { port } = new URL(hub.url);
      const page = await browser.newPage();
      const complaints: string[] = [];
      page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
      page.on("pageerror", (error) => complaints.push(error.message));
      await page.goto(hub.url);
      await page.getByText("Listening to pets and all below").waitFor();
      await page.locator("#publish [name=data]").fill("hello <b>page</b>");
      await page.locator("#publish button").click();
      await page.locator("#events li", { hasText: "hello <b>page</b>" }).waitFor();
      assertStringIncludes(await page.locator("#said").innerText(), "Published as ~");
      assertEquals(complaints, []);

      // The browser's own EventSource, over a restart: it sends its last ID, which the new hub does not know
      await page.evaluate(() => {
        // deno-lint-ignore no-explicit-any
        const scope = globalThis as any;
        scope.seen = [];
        scope.source = new scope.EventSource("/subscribe/pets");
        const see = (event: MessageEvent): void => scope.seen.push([event.type, event.data, event.lastEventId]);
        for (const type of ["message", "gap", "close"]) scope.source.addEventListener(type, see);
        return new Promise<void>((resolve) => scope.source.onopen = () => resolve());
      });
      const seen = (count: number): Promise<[string, string, string][]> =>
        page.waitForFunction((count) => {
          // deno-lint-ignore no-explicit-any
          const { seen } = globalThis as any;
          return seen.length >= count ? seen : undefined;
        }, count).then((handle) => handle.jsonValue());
      const publish = (data: string) => fetch(`${hub.url}publish/pets`, { method: "POST", body: data });
      await (await publish("before")).text();
      const [[type, data, lastEventId]] = await seen(1) as [[string, string, string]];
      assertEquals([type, data], ["message", "before"]);
      await hub.stop();
      await using again = await HubProcess.start(Number(port));
      const all = await seen(3);
      assertEquals(all.map(([type]) => type), ["message", "close", "gap"]);
      const gap = JSON.parse(all[2]![1]);
      assertEquals([gap.reason, gap.requested], ["unknown", lastEventId]);
      await (await publish("after")).text();
      assertEquals((await seen(4))[3]!.slice(0, 2), ["message", "after"]);
      assert(again.url === hub.url);
    } finally {
      await browser.close();
    }
  });
});
