import type { ServeHandler, ServeOptions, Server } from "../../src/server/serve_options.ts";

/** What runs this test. */
export const runtime: "deno" | "bun" | "node" = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";

/** `serve` of this runtime's own adapter. */
export const serve: (handler: ServeHandler, options?: ServeOptions) => Promise<Server> =
  (await import(`../../src/adapters/${runtime}.ts`)).serve;

/** What runs a program of this repository on it, before the program's path. */
export const runtimeFlags: readonly string[] = {
  deno: ["run", "-A", "--quiet"],
  bun: [],
  node: ["--import", "./tests/support/resolve.mjs"],
}[runtime];
