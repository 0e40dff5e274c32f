import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { CliProcess, runCli } from "../support/cli.ts";
import { ScriptedServer } from "../support/scripted_server.ts";
import { tls } from "../support/tls.ts";

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "freshet-cli-"));
  try {
    await run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("freshet", () => {
  const wrong: ReadonlyArray<readonly [says: string, args: string[], names: string]> = [
    ["serve for everybody, who does not say so", ["serve", "--bind", "0.0.0.0:0"], "--anonymous"],
    ["serve that does not say who may subscribe", ["serve", "--bind", "127.0.0.1:0"], "--anonymous"],
    ["an anonymous pattern of the nodes", ["serve", "--bind", "127.0.0.1:0", "--anonymous", "$hub/**"], "$hub"],
    ["a control address that others reach", ["serve", "--bind-control", "0.0.0.0:1"], "--bind-control"],
    ["a control address beside --dev", ["serve", "--dev", "--bind-control", "127.0.0.1:0"], "--bind-control"],
    ["a number that is none", ["serve", "--anonymous", "**", "--retain-events", "many"], "--retain-events"],
    ["a switch with a value", ["serve", "--prefix-match=x"], "--prefix-match"],
    ["a secret file that is not there", ["serve", "--secret-file", "/nowhere"], "--secret-file"],
    [
      "a trusted proxy that is no network",
      ["serve", "--anonymous", "**", "--trust-proxy", "10.0.0.0/99"],
      "10.0.0.0/99",
    ],
    [
      "a cookie for all origins",
      ["serve", "--secret", "x".repeat(32), "--cookie", "c", "--allow-origin", "*"],
      "--cookie",
    ],
    ["a store that is not there", ["serve", "--anonymous", "**", "--store", "mongodb://x"], "--store"],
    ["an unknown ID that leads nowhere", ["serve", "--anonymous", "**", "--unknown-id", "none"], "--unknown-id"],
    ["a log that is none", ["serve", "--anonymous", "**", "--log", "xml"], "--log"],
    ["tail without a URL", ["tail"], "URL"],
    ["tail of what is no URL", ["tail", "nowhere"], "nowhere"],
    ["a header of another form", ["tail", "http://localhost", "--header", "x"], "--header"],
    ["publish without a topic", ["publish", "http://localhost"], "TOPIC"],
    ["publish of data and a file", ["publish", "http://localhost", "a", "b", "--lines"], "--lines"],
    ["a token that allows nothing", ["token", "--secret", "x".repeat(32)], "nothing"],
    ["a short secret", ["serve", "--bind", "127.0.0.1:0", "--secret", "x".repeat(31)], "32 bytes"],
    ["a token by a short secret", ["token", "--secret", "x".repeat(31), "--subscribe", "a"], "32 bytes"],
    ["an algorithm without its keys", ["serve", "--secret", "x".repeat(32), "--algorithm", "RS256"], "RS256"],
    ["a token without a secret", ["token", "--subscribe", "a"], "--secret-file"],
    ["demo with an argument", ["demo", "x"], "x"],
  ];
  for (const [says, args, names] of wrong) {
    it(`refuses ${says}, and names it`, { timeout: 30_000 }, async () => {
      const { code, stderr } = await runCli(args);
      assertEquals(code, 2, stderr);
      assertStringIncludes(stderr, names);
    });
  }

  for (const command of ["serve", "demo", "tail", "publish", "token"]) {
    it(`helps with ${command}`, { timeout: 30_000 }, async () => {
      const { code, stdout } = await runCli([command, "--help"]);
      assertEquals(code, 0);
      assertStringIncludes(stdout, `Usage: freshet ${command}`);
    });
  }

  it(
    "takes flags before the environment, and that before the file",
    { timeout: 60_000 },
    () =>
      inFolder(async (folder) => {
        const config = join(folder, "freshet.json");
        writeFileSync(
          config,
          JSON.stringify({ bind: "127.0.0.1:1", heartbeat: 3, anonymous: ["a", "b/**"], "prefix-match": true }),
        );
        const env = { FRESHET_CONFIG: config, FRESHET_BIND: "127.0.0.1:2", FRESHET_LOG: "json" };
        await using hub = new CliProcess(["serve", "--bind", "127.0.0.1:0"], { env });
        const [url] = await hub.urls();
        assert(!/:[12]\/$/.test(url!));
        const response = await fetch(`${url}subscribe?topic=c`);
        assertEquals(response.status, 401);
        await response.text();
        await hub.until(({ stderr }) => /^\{.*\n/m.test(stderr));
        const { method, path, status } = JSON.parse(/^\{.*$/m.exec(hub.stderr)![0]);
        assertEquals([method, path, status], ["GET", "/subscribe?topic=c", 401]);
        writeFileSync(config, JSON.stringify({ binb: "127.0.0.1:1" }));
        const { code, stderr } = await runCli(["serve"], { env });
        assertEquals(code, 2);
        assertStringIncludes(stderr, "binb");
      }),
  );

  it("serves, makes tokens, publishes and tails, and drains", { timeout: 90_000 }, () =>
    inFolder(async (folder) => {
      const secret = join(folder, "secret");
      writeFileSync(secret, "a secret in a file, long enough for HS256\n");
      await using hub = new CliProcess(
        ["serve", "--bind", "127.0.0.1:0", "--bind-control", "127.0.0.1:0", "--secret-file", secret, "--drain", "0.2"],
      );
      const [url, control] = await hub.urls();
      const made = await runCli([
        "token",
        "--secret-file",
        secret,
        "--user",
        "ann",
        "--subscribe",
        "pets/**",
        "--publish",
        "pets/*",
        "--ttl",
        "600",
      ]);
      assertEquals(made.code, 0, made.stderr);
      const file = join(folder, "token");
      writeFileSync(file, made.stdout);
      const explained = await runCli(["token", "--explain", made.stdout.trim(), "--secret-file", secret]);
      assertEquals([explained.code, JSON.parse(explained.stdout).verdict], [0, "valid"]);
      const forged = await runCli([
        "token",
        "--explain",
        made.stdout.trim(),
        "--secret",
        "another secret, long enough for HS256",
      ]);
      assertEquals(forged.code, 1);

      const refused = await runCli(["tail", `${url}subscribe/pets`]);
      assertEquals(refused.code, 1);
      assertStringIncludes(refused.stderr, "401");

      const saved = join(folder, "id");
      const tail = () =>
        new CliProcess(["tail", `${url}subscribe/pets`, "--json", "--token-file", file, "--save", saved]);
      const first = tail();
      const published = await (async () => {
        for (;;) { // until the tail listens
          const { code, stdout, stderr } = await runCli([
            "publish",
            url!,
            "pets/dogs",
            "woof",
            "--event",
            "bark",
            "--token-file",
            file,
          ]);
          assertEquals(code, 0, stderr);
          await new Promise((resolve) => setTimeout(resolve, 100));
          if (first.stdout !== "") return stdout.trim();
        }
      })();
      const [line] = first.stdout.split("\n");
      const { type, data } = JSON.parse(line!);
      assertEquals([type, data], ["bark", "woof"]);
      assertMatch(published, /^~/);
      assertEquals(await first.stop("SIGINT"), 0);
      assert(existsSync(saved));

      const from = join(folder, "lines");
      writeFileSync(from, "zero\n");
      assertEquals((await runCli(["publish", control!, "pets/cats", "--file", from])).code, 0);
      const lines = await runCli(["publish", control!, "pets/cats", "--lines"], { input: "one\ntwo ü\n" });
      assertEquals([lines.code, lines.stdout.trim().split("\n").length], [0, 2]);
      const notAllowed = await runCli(["publish", url!, "news", "x", "--token-file", file]);
      assertEquals(notAllowed.code, 1);
      assertStringIncludes(notAllowed.stderr, "403");

      await using second = tail();
      await second.until(({ stdout }) => stdout.includes("two ü"));
      assertEquals(second.stdout.match(/"data":"(?:one|two ü)"/g), ['"data":"one"', '"data":"two ü"']);
      const ended = hub.stop();
      await second.until(({ stdout }) => stdout.includes('"type":"close"'));
      assertEquals(await ended, 0);
      assertEquals(await second.stop("SIGINT"), 0);
      assertEquals(readFileSync(saved, "utf8").startsWith("~"), true);
    }));

  it("keeps events in an SQLite file over a restart", { timeout: 60_000 }, () =>
    inFolder(async (folder) => {
      const args = [
        "serve",
        "--bind",
        "127.0.0.1:0",
        "--bind-control",
        "127.0.0.1:0",
        "--anonymous",
        "**",
        "--store",
        `sqlite:${join(folder, "db")}`,
      ];
      const first = new CliProcess(args);
      const ids: string[] = [];
      for (const data of ["one", "two"]) {
        const { code, stdout } = await runCli(["publish", (await first.urls())[1]!, "pets", data]);
        assertEquals(code, 0);
        ids.push(stdout.trim());
      }
      assertEquals(await first.stop(), 0);
      await using second = new CliProcess(args);
      const [url] = await second.urls();
      await using tail = new CliProcess(["tail", `${url}subscribe/pets`, "--last-event-id", ids[0]!]);
      await tail.until(({ stdout }) => stdout.includes("\n"));
      assertEquals(tail.stdout, "two\n");
    }));

  const DRAINED = /event: close\nretry: \d+\ndata: \{"reason":"drain"\}\n\n$/;

  it("ends its streams at SIGTERM over a time, and then itself", { timeout: 30_000 }, async () => {
    const hub = new CliProcess(["serve", "--anonymous", "**", "--bind", "127.0.0.1:0", "--drain", "0.2"]);
    const [url] = await hub.urls();
    const streams = await Promise.all(Array.from({ length: 5 }, () => fetch(`${url}subscribe/a`)));
    const exit = hub.stop();
    for (const stream of streams) assertMatch(await stream.text(), DRAINED);
    assertEquals(await exit, 0);
    assertStringIncludes(hub.stderr, "nobody can publish");
  });

  it(
    "stops accepting at SIGTERM, though streams are still open; told again, it ends",
    { timeout: 60_000 },
    async () => {
      const hub = new CliProcess(["serve", "--anonymous", "**", "--bind", "127.0.0.1:0", "--drain", "3600"]);
      const [url] = await hub.urls();
      let ended = 0;
      const texts = (await Promise.all(Array.from({ length: 5 }, () => fetch(`${url}subscribe/a`)))).map(
        async (response) => {
          const text = await response.text().catch(() => "cut off");
          ended++;
          return text;
        },
      );
      void hub.stop();
      assertMatch(await Promise.race(texts), DRAINED);
      const answer = await fetch(`${url}health/ready`, { headers: { connection: "close" } })
        .then(async (response) => (await response.text(), response.status), () => "refused");
      assertEquals(answer, "refused");
      assertEquals(ended, 1);
      assertEquals(await hub.stop(), 1);
      await Promise.all(texts);
    },
  );

  it("serves by TLS", { timeout: 30_000 }, () =>
    inFolder(async (folder) => {
      const [cert, key] = [join(folder, "cert"), join(folder, "key")];
      writeFileSync(cert, tls.cert);
      writeFileSync(key, tls.key);
      await using hub = new CliProcess([
        "serve",
        "--anonymous",
        "**",
        "--bind",
        "127.0.0.1:0",
        "--tls-cert",
        cert,
        "--tls-key",
        key,
      ]);
      const [url] = await hub.urls();
      assertMatch(url!, /^https:/);
      const status = await new Promise((resolve, reject) => {
        get(`${url}health/live`, { ca: tls.cert, servername: "localhost" }, (response) => resolve(response.statusCode))
          .on("error", reject);
      });
      assertEquals(status, 200);
      const { code, stderr } = await runCli(["serve", "--anonymous", "**", "--tls-cert", cert]);
      assertEquals(code, 2);
      assertStringIncludes(stderr, "--tls-key");
    }));

  it("tails plainly, some types only, with headers", { timeout: 30_000 }, async () => {
    await using server = await ScriptedServer.start([
      { chunks: ["data: a\n\nevent: add\ndata: b\n\nevent: other\ndata: c\n\n"], then: "end" },
      { status: 500, chunks: ["busy"], then: "end" },
    ]);
    const { code, stdout } = await runCli(
      ["tail", server.url, "--once", "--types", "message,add", "--header", "x-a: b: c", "--last-event-id", "7"],
    );
    assertEquals([code, stdout], [0, "a\nadd: b\n"]);
    const { headers } = server.requests[0]!;
    assertEquals([headers["x-a"], headers["last-event-id"]], ["b: c", "7"]);
    const failed = await runCli(["tail", server.url, "--once"]);
    assertEquals(failed.code, 1);
    assertStringIncludes(failed.stderr, "busy");
  });

  it("runs the demo, by PORT and AUTH_TOKEN_FILE", { timeout: 30_000 }, () =>
    inFolder(async (folder) => {
      const file = join(folder, "token");
      writeFileSync(file, "  let me in\n");
      const env = { PORT: "0", AUTH_TOKEN_FILE: file, AUTH_TOKEN: "other" };
      await using demo = new CliProcess(["demo"], { env });
      const [url] = await demo.urls();
      const address = `${url}stream?count=2&interval=1`;
      assertEquals((await fetch(address, { headers: { authorization: "Bearer other" } })).status, 401);
      const response = await fetch(address, { headers: { authorization: "Bearer let me in" } });
      assertMatch(await response.text(), /^id: hello\ndata: Hello, [\s\S]*id: message-2\n/);
      assertEquals(await demo.stop(), 0);
    }));
});
