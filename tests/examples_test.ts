import { assertEquals, assertStringIncludes } from "@std/assert";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { runtimeFlags } from "./support/runtime.ts";
import { ScriptedServer } from "./support/scripted_server.ts";

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs an example as its user does. */
async function run(file: string, ...args: string[]): Promise<Outcome> {
  const child = spawn(process.execPath, [...runtimeFlags, `examples/${file}`, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (bytes: Uint8Array) => stdout += new TextDecoder().decode(bytes));
  child.stderr.on("data", (bytes: Uint8Array) => stderr += new TextDecoder().decode(bytes));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, stdout, stderr };
}

async function printsAlone(file: string, text: string): Promise<void> {
  const { code, stdout, stderr } = await run(file);
  assertEquals([code, stdout], [0, text], stderr);
}

const delta = (content: string): string =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`;

/** Each example and its test; one that is not here fails. */
const tests: Readonly<Record<string, () => Promise<void>>> = {
  "own_replay_store.ts": () =>
    printsAlone("own_replay_store.ts", 'journal [{"topics":["pets/dogs"],"data":"woof"}]\npets/dogs woof\n'),
  "progress.ts": () =>
    printsAlone(
      "progress.ts",
      "progress 0\nprogress 25\nprogress 50\nprogress 75\nprogress 100\ndone report.pdf\n",
    ),
  "openai_stream.ts": async () => {
    await using server = await ScriptedServer.start([
      { chunks: [delta("Because "), delta("of ü"), delta("€.") + "data: [DO", "NE]\n\n"] },
      { chunks: [delta("Because ")], then: "reset" },
      { chunks: [delta("Because ")], then: "end" },
      { status: 401, headers: { "content-type": "application/json" }, chunks: ['{"error":"no key"}'], then: "end" },
    ]);
    const { code, stdout, stderr } = await run("openai_stream.ts", server.url, "Why?");
    assertEquals([code, stdout], [0, "Because of ü€.\n"], stderr);
    const [{ method, path, body } = { method: "", path: "", body: "" }] = server.requests;
    assertEquals([method, path], ["POST", "/v1/chat/completions"]);
    const { stream, messages } = JSON.parse(body);
    assertEquals([stream, messages], [true, [{ role: "user", content: "Why?" }]]);

    const cut = await run("openai_stream.ts", server.url, "Why?");
    assertEquals([cut.code, cut.stdout], [1, "Because "]);
    const short = await run("openai_stream.ts", server.url, "Why?");
    assertEquals([short.code, short.stdout], [1, "Because \n"]);
    const refused = await run("openai_stream.ts", server.url, "Why?");
    assertEquals([refused.code, refused.stdout], [1, ""]);
    assertStringIncludes(refused.stderr, '{"error":"no key"}');
    assertEquals(server.requests.length, 4);
  },
  "tail.ts": async () => {
    const folder = mkdtempSync(join(tmpdir(), "freshet-tail-"));
    const file = join(folder, "id");
    await using server = await ScriptedServer.start([
      { chunks: ["retry: 1\n\nid: 1\ndata: a\n\nid: 2\nevent: add\ndata: b\n\n"], then: "end" },
      { chunks: ["id: 3\n\n"], then: "reset" },
      { status: 204 },
      {
        chunks: ['event: gap\ndata: {"reason":"unknown","requested":"3","resumed":"9"}\n\nid: 10\ndata: c\n\n'],
        then: "end",
      },
      { status: 204 },
    ]);
    try {
      const first = await run("tail.ts", server.url, file);
      assertEquals([first.code, first.stdout], [0, "a\nadd: b\n"], first.stderr);
      assertEquals(readFileSync(file, "utf8"), "3");
      const second = await run("tail.ts", server.url, file);
      assertEquals([second.code, second.stdout], [0, "(events are missing: unknown)\nc\n"], second.stderr);
      assertEquals(
        server.requests.map(({ headers }) => headers["last-event-id"]),
        [undefined, "2", "3", "3", "10"],
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};

describe("The examples", () => {
  for (const file of readdirSync("examples")) {
    it(`${file} runs`, { timeout: 60_000 }, () => tests[file]!());
  }
});
