import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import process from "node:process";
import { describe, it } from "node:test";
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
