import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, it } from "node:test";
import { type OptionSpecs, readOptions, UsageError } from "../../src/cli/options.ts";
import { runCli } from "../support/cli.ts";

const specs: OptionSpecs = {
  secret: { value: "TEXT", help: "" },
  anonymous: { value: "PATTERN", multiple: true, help: "" },
  heartbeat: { value: "SECONDS", number: true, help: "" },
  open: { help: "" },
  id: { value: "ID", mayBeEmpty: true, help: "" },
};

const folder = mkdtempSync(join(tmpdir(), "freshet-options-"));
after(() => rmSync(folder, { recursive: true }));

function withConfig(values: unknown): string[] {
  const file = join(folder, "freshet.json");
  writeFileSync(file, JSON.stringify(values));
  return ["--config", file];
}

describe("readOptions()", () => {
  const wrong: ReadonlyArray<readonly [values: Record<string, unknown>, must: string, got: string]> = [
    [{ secret: null }, "text", "null"],
    [{ secret: "" }, "not be empty", "secret"],
    [{ secret: 12345 }, "text", "number"],
    [{ secret: true }, "text", "true"],
    [{ secret: {} }, "text", "object"],
    [{ secret: ["a"] }, "text", "a list"],
    [{ anonymous: null }, "text or a list of text", "null"],
    [{ anonymous: ["a", 1] }, "text or a list of text", "number"],
    [{ anonymous: ["a", ""] }, "not be empty", "anonymous"],
    [{ anonymous: [["a"]] }, "text or a list of text", "a list"],
    [{ heartbeat: "3" }, "a number", "text"],
    [{ heartbeat: true }, "a number", "true"],
    [{ open: "true" }, "true or false", "text"],
    [{ open: 1 }, "true or false", "number"],
    [{ open: null }, "true or false", "null"],
  ];
  for (const [values, must, got] of wrong) {
    const [name] = Object.keys(values);
    it(`refuses ${JSON.stringify(values)} in the file, and names it`, () => {
      const { message } = assertThrows(() => readOptions(specs, withConfig(values)), UsageError) as Error;
      for (const part of [name!, must, got]) assertStringIncludes(message, part);
    });
  }

  it("takes values of the right types", () => {
    const options = readOptions(specs, withConfig({ secret: "s", anonymous: ["a", "b"], heartbeat: 3, open: true }));
    assertEquals(
      [options.text("secret"), options.list("anonymous"), options.number("heartbeat"), options.has("open")],
      ["s", ["a", "b"], 3, true],
    );
    assertEquals(readOptions(specs, withConfig({ anonymous: "a", open: false })).has("open"), false);
  });

  for (const name of ["secret", "anonymous", "heartbeat", "open"]) {
    it(`refuses an empty ${name} in the environment, and names it`, () => {
      const variable = `FRESHET_${name.toUpperCase()}`;
      process.env[variable] = name === "anonymous" ? " " : "";
      try {
        const { message } = assertThrows(() => readOptions(specs, []), UsageError) as Error;
        assertStringIncludes(message, `${variable} must not be empty`);
      } finally {
        delete process.env[variable];
      }
    });
  }

  it("refuses an empty flag, but for one whose empty value means something", () => {
    const { message } = assertThrows(() => readOptions(specs, ["--secret", ""]), UsageError) as Error;
    assertStringIncludes(message, "--secret must not be empty");
    assertEquals(readOptions(specs, ["--id", ""]).text("id"), "");
  });
});

describe("freshet serve", () => {
  it("does not start with an empty secret, or one that is null", { timeout: 30_000 }, async () => {
    const empty = await runCli(["serve", "--dev", "--port", "0"], { env: { FRESHET_SECRET: "" } });
    assertEquals(empty.code, 2);
    assertStringIncludes(empty.stderr, "FRESHET_SECRET");
    const none = await runCli(["serve", "--dev", "--port", "0", ...withConfig({ secret: null })]);
    assertEquals(none.code, 2);
    assertStringIncludes(none.stderr, "secret");
  });
});

describe("A secret file", () => {
  it("that others can read is warned about", { timeout: 30_000 }, async () => {
    const file = join(folder, "secret");
    writeFileSync(file, "s".repeat(32));
    for (const [mode, isWarned] of [[0o644, true], [0o604, true], [0o600, false], [0o640, false]] as const) {
      chmodSync(file, mode);
      const { code, stderr } = await runCli(["token", "--secret-file", file, "--user", "ann"]);
      assertEquals([code, stderr.includes(`--secret-file ${file}`)], [0, isWarned], stderr);
      assertEquals(stderr.includes("ssss"), false);
    }
  });
});
