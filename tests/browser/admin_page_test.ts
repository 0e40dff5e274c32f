import { assert, assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { parseEvents } from "../../mod.ts";
import { createHub } from "../../src/hub/hub.ts";
import { launchChromium, noChromium } from "../support/chromium.ts";
import { runtime, serve } from "../support/runtime.ts";

// What runs in the browser is the same whatever runs the test
if (runtime === "deno") {
  describe("The admin page in Chromium", { skip: noChromium }, () => {
    it("shows what goes on, ends a connection, and publishes", { timeout: 60_000 }, async () => {
      await using hub = createHub({ anonymous: ["**"], admin: { password: "let me in" } });
      const server = await serve(hub.control, { port: 0 });
      const browser = await launchChromium();
      try {
        const events = parseEvents(await fetch(`${server.url}subscribe/pets`, { headers: { "user-agent": "a test" } }));
        const next = events.next();
        const page = await browser.newPage({ viewport: { width: 390, height: 800 } });
        const complaints: string[] = [];
        page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
        page.on("pageerror", (error) => complaints.push(error.message));
        await page.goto(`${server.url}admin`);
        assertEquals(new URL(page.url()).pathname, "/admin/");
        await page.getByText("Live", { exact: true }).waitFor();

        await page.getByLabel("Topic", { exact: true }).fill("pets/dogs");
        await page.getByLabel("Event type").fill("bark");
        await page.getByLabel("Data").fill("<b>woof</b>");
        await page.getByRole("button", { name: "Publish" }).click();
        await page.locator("#events li", { hasText: "<b>woof</b>" }).waitFor();
        assertEquals((await next).value?.data, "<b>woof</b>");

        await page.locator("#topics li", { hasText: "1 subscriber, 1 published" }).first().waitFor();
        assertEquals(await page.locator("#topics > ul > li").count(), 1); // the page itself is no client
        const row = page.locator("#streams tr");
        assertEquals(await row.locator("td").nth(3).innerText(), "a test");
        assert((await page.locator("#chart").getAttribute("aria-label"))!.includes("published"));
        const ended = events.next();
        await page.getByRole("button", { name: /^End the stream of 127\.0\.0\.1 to pets/ }).click();
        assertEquals((await ended).value?.data, '{"reason":"kicked"}');
        await row.waitFor({ state: "detached" });
        assert(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it is wider than a phone");
        assertEquals(complaints, []);
      } finally {
        await browser.close();
        await server.close();
      }
    });
  });
}
