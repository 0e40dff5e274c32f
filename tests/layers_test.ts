import { assert, assertEquals } from "@std/assert";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";

/**
 * What each folder of `src` may import, beside itself and `errors.ts`. The core (wire, broker, server, client) is Web
 * APIs only; adapters name a runtime; hub and cli choose.
 */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  wire: [],
  broker: ["wire"],
  server: ["wire", "broker"],
  client: ["wire"],
  // Buffer and setImmediate are globals of Node; types of http2 and streams come from its modules
  adapters: ["wire", "broker", "server", "node:http", "node:http2", "node:net", "node:stream"],
  // SQLite is in every runtime
  backends: ["broker", "node:sqlite"],
  // jose checks tokens; node:net knows networks, node:crypto compares in constant time
  hub: ["wire", "broker", "server", "jose", "node:crypto", "node:net"],
  cli: [
    "broker",
    "backends",
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

function importsOf(path: string): string[] {
  const code = readFileSync(path, "utf8").split("\n").filter((line) => !/^\s*(?:\/?\*|\/\/)/.test(line)).join("\n");
  return Array.from(code.matchAll(/\bfrom "([^"]+)"|\bimport\("([^"]+)"\)/g), ([, from, dynamic]) => from ?? dynamic!);
}

describe("The layers of src", () => {
  for (const folder of readdirSync("src", { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
    it(`${folder.name} imports only what it may`, () => {
      const allowed = mayImport[folder.name];
      assert(allowed !== undefined, `src/${folder.name} is not in the table`);
      for (const file of readdirSync(`src/${folder.name}`)) {
        for (const specifier of importsOf(`src/${folder.name}/${file}`)) {
          const layer = /^\.\.\/([^/]+)\//.exec(specifier)?.[1];
          const ok = specifier.startsWith("./") || specifier === "../errors.ts" || allowed.includes(layer ?? specifier);
          assert(ok, `src/${folder.name}/${file} imports ${specifier}`);
        }
      }
    });
  }

  it("mod.ts names symbols and nothing else", () => {
    const code = readFileSync("mod.ts", "utf8").replace(/\/\*\*[\s\S]*?\*\//g, "");
    assertEquals(
      code.replace(/export (?:type )?\{[^}]*\} from "\.\/src\/(?:wire|broker|server|errors)[^"]*";/g, "").trim(),
      "",
    );
  });

  it("no file of src is longer than 450 lines, and none is called utils, types or index", () => {
    for (const path of readdirSync("src", { recursive: true, encoding: "utf8" })) {
      assert(!/(?:^|\/)(?:utils?|types|index|helpers?|common)\.ts$/.test(path), path);
      if (!path.endsWith(".ts")) continue;
      assert(readFileSync(`src/${path}`, "utf8").split("\n").length <= 450, `${path} is too long`);
    }
  });
});
