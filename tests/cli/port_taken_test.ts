import { assertEquals, assertStringIncludes } from "@std/assert";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { runCli } from "../support/cli.ts";

describe("freshet on a port that is taken ends at once with exit code 1", () => {
  const other = createServer();
  const folder = mkdtempSync(join(tmpdir(), "freshet-port-"));
  let taken = "";

  before(async () => {
    await once(other.listen(0, "127.0.0.1"), "listening");
    taken = `127.0.0.1:${(other.address() as AddressInfo).port}`;
  });
  after(() => {
    other.close();
    rmSync(folder, { recursive: true });
  });

  const cases: ReadonlyArray<readonly [says: string, args: (taken: string) => string[]]> = [
    ["serve --dev", (taken) => ["serve", "--dev", "--bind", taken]],
    ["serve", (taken) => ["serve", "--anonymous", "**", "--bind", taken]],
    ["serve --bind-control", (taken) => [
      ...["serve", "--anonymous", "**", "--bind", "127.0.0.1:0", "--bind-control", taken],
    ]],
    ["serve --store sqlite:", (taken) => [
      ...["serve", "--anonymous", "**", "--bind", taken, "--store", `sqlite:${join(folder, "one")}`],
    ]],
    ["serve --workers", (taken) => [
      ...["serve", "--anonymous", "**", "--bind", "127.0.0.1:0", "--bind-control", taken, "--workers", "2"],
      ...["--store", `sqlite:${join(folder, "two")}`],
    ]],
    ["demo", (taken) => ["demo", "--bind", taken]],
  ];
  for (const [says, args] of cases) {
    // On Bun workers share a port by the system, with any process that allows it: then it is not taken
    if ("Bun" in globalThis && says.includes("--workers")) continue;
    it(says, { timeout: 60_000 }, async () => {
      const { code, stdout, stderr } = await runCli(args(taken));
      assertEquals([code, stdout], [1, ""], stderr);
      assertStringIncludes(stderr, `Cannot listen on ${taken}`);
    });
  }
});
