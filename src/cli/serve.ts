import process from "node:process";
import { createHub } from "../hub/hub.ts";
import { isLoopback, localOnly } from "../hub/local_only.ts";
import type { ServeHandler, ServeOptions, Server } from "../server/serve_options.ts";

/** Runs the hub until it is told to stop; resolves to the exit code. */
export async function serveHub({ hostname, port }: { hostname: string; port: number }): Promise<number> {
  if (!isLoopback(hostname)) {
    process.stderr.write(`freshet: --bind must be a loopback address until there are tokens: got ${hostname}\n`);
    return 2;
  }
  const hub = createHub();
  const handler = localOnly((request, info) => {
    const { pathname } = new URL(request.url);
    return pathname.startsWith("/publish/") ? hub.control(request, info) : hub.public(request, info);
  });
  const serve = await nativeServe();
  const server = await serve(handler, { hostname, port });
  process.stdout.write(greeting(server.url));
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => resolve());
  });
  await server.close();
  await hub.close();
  return 0;
}

/** The adapter of the runtime that this runs on. */
async function nativeServe(): Promise<(handler: ServeHandler, options: ServeOptions) => Promise<Server>> {
  if ("Deno" in globalThis) return (await import("../adapters/deno.ts")).serve;
  if ("Bun" in globalThis) return (await import("../adapters/bun.ts")).serve;
  return (await import("../adapters/node.ts")).serve;
}

function greeting(url: string): string {
  return `Freshet listens on ${url}

  Page       ${url}
  Subscribe  curl -N ${url}subscribe/pets
  Publish    curl -d woof ${url}publish/pets/dogs

Ctrl-C stops it.
`;
}
