import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import process from "node:process";
import { describe, it } from "node:test";
import { launchChromium, noChromium } from "../support/chromium.ts";
import { commandLine, HubProcess } from "../support/hub_process.ts";

const hasCurl = spawnSync("curl", ["--version"]).status === 0;

function curl(...args: string[]): string {
  return execFileSync("curl", ["--silent", "--show-error", "--max-time", "10", ...args], { encoding: "utf8" });
}

describe("freshet serve --dev", () => {
  it(
    "publishes and subscribes with curl",
    { timeout: 60_000, skip: hasCurl ? false : "there is no curl" },
    async () => {
      await using hub = await HubProcess.start();
      const subscriber = spawn("curl", ["--silent", "--no-buffer", "--max-time", "20", `${hub.url}subscribe/pets`]);
      let text = "";
      let wake = (): void => {};
      subscriber.stdout.on("data", (bytes: Uint8Array) => {
        text += new TextDecoder().decode(bytes);
        wake();
      });
      const until = async (part: string): Promise<void> => {
        while (!text.includes(part)) await new Promise<void>((resolve) => wake = resolve);
      };
      await until("id: ");
      assertMatch(curl("-d", "woof", `${hub.url}publish/pets/dogs`), /^\{"id":"~[a-z]{8}\.1","topic":"pets\/dogs"\}/);
      await until("data: woof\n\n");
      curl("-H", "content-type: application/json", "-d", '{"a":1}', `${hub.url}publish/pets`);
      await until('data: {"a":1}\n\n');
      curl("-d", "event=bark", "-d", "data=loud", "-d", "id=own", "-d", "retry=5", `${hub.url}publish/pets`);
      await until("event: bark\nid: own\nretry: 5\ndata: loud\n\n");

      const status = (...args: string[]): string => curl("-o", "/dev/null", "-w", "%{http_code}", ...args);
      assertEquals(status("-X", "POST", `${hub.url}publish/`), "400");
      assertEquals(status("-d", "x", "-H", "origin: http://evil.example", `${hub.url}publish/pets`), "403");
      assertEquals(status("-H", "host: evil.example", `${hub.url}subscribe/pets`), "403");
      const large = spawnSync("curl", [
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "--data-binary",
        "@-",
        `${hub.url}publish/pets`,
      ], {
        input: "x".repeat(2 << 20),
        encoding: "utf8",
      });
      assertEquals(large.stdout, "413");
      const stopped = hub.stop();
      await until('event: close\ndata: {"reason":"drain"}\n\n');
      assertEquals(await stopped, 0);
    },
  );

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

  for (
    const [says, args, code, message] of [
      ["another address", ["serve", "--dev", "--bind", "0.0.0.0:8080"], 2, "loopback"],
      ["an unknown option", ["serve", "--nope"], 2, "--nope"],
      ["an unknown command", ["fly"], 2, "fly"],
      ["a bad port", ["serve", "--dev", "--port", "99999"], 2, "99999"],
    ] as [string, string[], number, string][]
  ) {
    it(`refuses ${says}`, { timeout: 30_000 }, () => {
      const { status, stderr } = spawnSync(process.execPath, commandLine(...args), {
        encoding: "utf8",
        timeout: 20_000,
      });
      assertEquals(status, code, stderr);
      assertStringIncludes(stderr, message);
    });
  }

  it("helps", { timeout: 30_000 }, () => {
    const { status, stdout } = spawnSync(process.execPath, commandLine("--help"), { encoding: "utf8" });
    assertEquals(status, 0);
    assertStringIncludes(stdout, "serve");
  });
});
