import { assertEquals } from "@std/assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { CliProcess } from "../support/cli.ts";
import { RawClient } from "../support/raw_client.ts";

async function statusOf(url: string, host: string): Promise<number> {
  const client = await RawClient.open(url, "GET /subscribe/a HTTP/1.1", { host });
  await client.until(({ text }) => text.includes("\r\n\r\n"));
  client.leave();
  return client.status;
}

describe("freshet serve on a loopback address", () => {
  it("asks for its own name in Host where it asks for no token", { timeout: 60_000 }, async () => {
    await using hub = new CliProcess(
      ["serve", "--anonymous", "**", "--bind", "127.0.0.1:0", "--drain", "0", "--allow-host", "hub.example"],
    );
    const [url] = await hub.urls();
    for (const host of ["127.0.0.1", "localhost:8080", "[::1]", "hub.example", "HUB.example:443"]) {
      assertEquals([host, await statusOf(url!, host)], [host, 200]);
    }
    for (const host of ["evil.example", "hub.example.evil.example", "10.0.0.1"]) {
      assertEquals([host, await statusOf(url!, host)], [host, 403]);
    }
  });

  it("does not where tokens say who may come in", { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "freshet-host-"));
    const file = join(folder, "secret");
    writeFileSync(file, "s".repeat(32), { mode: 0o600 });
    await using hub = new CliProcess(["serve", "--secret-file", file, "--bind", "127.0.0.1:0", "--drain", "0"]);
    const [url] = await hub.urls();
    assertEquals(await statusOf(url!, "hub.example"), 401);
    rmSync(folder, { recursive: true });
  });
});
