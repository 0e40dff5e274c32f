import { assert, assertEquals } from "@std/assert";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path/posix";
import { describe, it } from "node:test";

/**
 * What each folder of `src` may import, beside its own files: ground is what everybody may. The core (wire, broker, server,
 * client, and the stores' contract with the memory store) is Web APIs only; adapters name a runtime; hub and cli choose.
 */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  // Ground
  ".": [],
  time: ["."],
  wire: ["."],
  stores: [".", "time"],
  "stores/log": [".", "time", "stores"],
  // SQLite is in every runtime; a file is made readable by its owner alone
  "stores/sqlite": [".", "time", "stores", "stores/log", "node:fs", "node:sqlite"],
  "stores/redis": [".", "time", "stores", "stores/log"],
  "stores/nats": [".", "time", "stores", "stores/log"],
  "stores/postgres": [".", "time", "stores", "stores/log"],
  broker: [".", "time", "wire", "stores"],
  server: [".", "time", "wire", "broker"],
  client: [".", "time", "wire"],
  // Buffer and setImmediate are globals of Node; types of http2 and streams come from its modules
  adapters: [".", "time", "wire", "broker", "server", "node:http", "node:http2", "node:net", "node:stream"],
  // jose checks tokens; node:net knows networks, node:crypto compares in constant time
  hub: [".", "time", "wire", "broker", "server", "jose", "node:crypto", "node:net"],
  cli: [
    ".",
    "time",
    "stores",
    "stores/log",
    "stores/sqlite",
    "stores/redis",
    "stores/nats",
    "stores/postgres",
    "broker",
    "server",
    "client",
    "hub",
    "adapters",
    "jose",
    // What --store opens
    "@nats-io/jetstream",
    "@nats-io/transport-node",
    "postgres",
    "redis",
    "node:cluster",
    "node:fs",
    "node:net",
    "node:os",
    "node:process",
    "node:readline",
    "node:stream",
    "node:util",
  ],
};

/** The files of `src`, by their paths in it. */
const files = readdirSync("src", { recursive: true, encoding: "utf8" })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => path.endsWith(".ts"))
  .sort();

/** What a file imports: paths in `src`, and the names of modules. */
function importsOf(path: string): string[] {
  const code = readFileSync(`src/${path}`, "utf8").split("\n").filter((line) => !/^\s*(?:\/?\*|\/\/)/.test(line))
    .join("\n");
  return Array.from(code.matchAll(/\bfrom "([^"]+)"|\bimport\("([^"]+)"\)/g), ([, from, dynamic]) => from ?? dynamic!)
    .map((specifier) => specifier.startsWith(".") ? join(dirname(path), specifier) : specifier);
}

describe("The layers of src", () => {
  for (const folder of new Set(files.map((path) => dirname(path)))) {
    it(`${folder} imports only what it may`, () => {
      const allowed = mayImport[folder];
      assert(allowed !== undefined, `src/${folder} is not in the table`);
      for (const path of files.filter((path) => dirname(path) === folder)) {
        for (const imported of importsOf(path)) {
          const from = files.includes(imported) ? dirname(imported) : imported;
          assert(from === folder || allowed.includes(from), `src/${path} imports ${imported}`);
        }
      }
    });
  }

  it("no two files import each other, by way of others neither", () => {
    const done = new Set<string>();
    const visit = (path: string, way: readonly string[]): void => {
      const from = way.indexOf(path);
      assert(from === -1, `in a circle: ${[...way.slice(from), path].join(" → ")}`);
      if (done.has(path)) return;
      for (const imported of importsOf(path)) if (files.includes(imported)) visit(imported, [...way, path]);
      done.add(path);
    };
    for (const path of files) visit(path, []);
  });

  it("mod.ts names symbols and nothing else", () => {
    const code = readFileSync("mod.ts", "utf8").replace(/\/\*\*[\s\S]*?\*\//g, "");
    const exports = /export (?:type )?\{[^}]*\} from "\.\/src\/(?:wire|broker|server|stores|errors)[^"]*";/g;
    assertEquals(code.replace(exports, "").trim(), "");
    for (const [path] of code.matchAll(/(?<=\.\/src\/)stores\/[^"]*/g)) {
      assertEquals(relative("stores", path).includes("/"), false, `mod.ts reaches an engine: ${path}`);
    }
  });

  it("no file of src is longer than 450 lines, and none is called utils, types or index", () => {
    for (const path of files) {
      assert(!/(?:^|\/)(?:utils?|types|index|helpers?|common)\.ts$/.test(path), path);
      assert(readFileSync(`src/${path}`, "utf8").split("\n").length <= 450, `${path} is too long`);
    }
  });
});

describe("The tests", () => {
  it("have no file that is longer than 400 lines", () => {
    const long = readdirSync("tests", { recursive: true, encoding: "utf8" })
      .map((path) => path.replaceAll("\\", "/"))
      .filter((path) => path.endsWith(".ts") && readFileSync(`tests/${path}`, "utf8").split("\n").length > 401);
    assertEquals(long, []);
  });
});
