import { assertEquals } from "@std/assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { parseEvents } from "../../../mod.ts";
import { CliProcess } from "../../support/cli.ts";
import { childrenOf, type Engine, missing, redisServer, startEngine } from "../../support/engines.ts";
import { until } from "../../support/until.ts";

describe("freshet serve --workers on Redis", { skip: missing(redisServer) }, () => {
  const folder = mkdtempSync(join(tmpdir(), "freshet-workers-"));
  let engine: Engine;
  before(async () => {
    engine = await startEngine(redisServer);
  });
  after(async () => {
    await engine.stop();
    rmSync(folder, { recursive: true });
  });

  it("share a port and a log: who subscribes to one hears what is published to any; one that dies is replaced", {
    timeout: 60_000,
  }, async () => {
    const secret = join(folder, "secret");
    writeFileSync(secret, "s".repeat(32));
    const command = new CliProcess([
      ...["serve", "--port", "0", "--bind-control", "127.0.0.1:0", "--anonymous", "**", "--secret-file", secret],
      ...["--workers", "3", "--store", engine.url, "--drain", "0"],
    ]);
    const says = async (pattern: RegExp): Promise<string[]> => {
      await command.until(({ stdout, stderr }) => pattern.test(stdout + stderr));
      return pattern.exec(command.stdout + command.stderr)!;
    };
    const [, hub, control] = await says(/listens on (\S+) and (\S+),.* workers/);
    const close = { connection: "close" }; // each request may come to another worker
    const node = async (): Promise<{ node: string; nodes: number }> =>
      await (await fetch(`${control}status`, { headers: close })).json();
    const nodes = new Set<string>();
    await until(async () => {
      const status = await node();
      nodes.add(status.node);
      return nodes.size === 3 && status.nodes === 3;
    });
    const readers = await Promise.all(
      Array.from({ length: 6 }, async () => parseEvents(await fetch(`${hub}subscribe/t`))),
    );
    const next = readers.map((reader) => reader.next());
    for (const data of ["1", "2", "3"]) {
      const response = await fetch(`${control}publish/t`, { method: "POST", body: data, headers: close });
      assertEquals(response.status, 201);
      await response.body?.cancel();
    }
    for (const [i, reader] of readers.entries()) {
      const seen = [
        (await next[i]!).value?.data,
        (await reader.next()).value?.data,
        (await reader.next()).value?.data,
      ];
      assertEquals(seen, ["1", "2", "3"]);
    }
    const [worker] = childrenOf(command.pid);
    process.kill(worker!, "SIGKILL");
    const [, number] = await says(/worker (\d) ended with SIGKILL and is replaced/);
    // The dead one cannot answer: who does under its name has taken its place
    await until(async () => (await node().catch(() => ({ node: "" }))).node.endsWith(`-${number}`));
    for (const reader of readers) await reader.return?.().catch(() => {});
    assertEquals(await command.stop(), 0);
  });
});
