/**
 * Makes the npm tarball: what `deno pack` makes, and what it leaves out. `deno task pack` writes it to dist/ and prints
 * its path. The package.json exists in the tarball only: deno.json stays the one manifest.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { runner } from "../../bench/support/runtimes.ts";

/** Packs into a folder; returns the tarball's path. */
export function pack(folder: string): string {
  const work = mkdtempSync(join(tmpdir(), "freshet-pack-"));
  try {
    const made = join(work, "deno.tgz");
    const [command, ...args] = "Deno" in globalThis ? [process.execPath] : runner("deno", "2.9");
    execFileSync(command!, [...args, "pack", "--quiet", "--no-source-maps", "--allow-dirty", "--output", made], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    execFileSync("tar", ["-xzf", made, "-C", work]);
    const root = join(work, "package");
    const path = join(root, "package.json");
    const manifest = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(path, JSON.stringify(completed(manifest), null, 2) + "\n");
    mkdirSync(folder, { recursive: true });
    const name = execFileSync("npm", ["pack", "--silent", "--pack-destination", resolve(folder)], {
      cwd: root,
      encoding: "utf8",
    }).trim().split("\n").at(-1)!;
    return join(folder, name);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Whoever gives `--store` such a URL installs what opens it. */
const ENGINES = ["@nats-io/jetstream", "@nats-io/transport-node", "postgres", "redis"];

interface Manifest {
  readonly exports: Readonly<Record<string, { readonly import?: string; readonly default?: string } | string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

function completed(manifest: Manifest): unknown {
  const cli = manifest.exports["./cli"]!;
  const bin = typeof cli === "string" ? cli : cli.default ?? cli.import;
  const dependencies = { ...manifest.dependencies };
  const peerDependencies: Record<string, string> = {};
  for (const name of ENGINES) {
    if (dependencies[name] === undefined) throw new Error(`${name} is not among what deno pack found`);
    peerDependencies[name] = dependencies[name];
    delete dependencies[name];
  }
  return {
    ...manifest,
    dependencies,
    peerDependencies,
    peerDependenciesMeta: Object.fromEntries(ENGINES.map((name) => [name, { optional: true }])),
    description: "Server-Sent Events for Deno, Bun, Node and the edge: encoder, parser, broker with replay, and a hub",
    keywords: ["server-sent-events", "sse", "eventsource", "event-stream", "pubsub", "deno", "bun"],
    license: "MIT",
    type: "module",
    bin: { freshet: bin },
    engines: { node: ">=24", bun: ">=1.4", deno: ">=2.9" },
    sideEffects: [bin],
  };
}

if (import.meta.main) console.log(pack("dist"));
