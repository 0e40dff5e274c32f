import { isLoopback } from "../hub/local_only.ts";
import type { ServeHandler, ServeOptions, Server } from "../server/serve_options.ts";
import { UsageError } from "./options.ts";

/** Where to listen. */
export interface Address {
  readonly hostname: string;
  readonly port: number;
}

/**
 * Reads `ADDRESS:PORT`; `:PORT` is that port of every address.
 *
 * @throws {UsageError} If it is of another form.
 */
export function addressOf(option: string, bind: string, port?: string): Address {
  const [, hostname, bound = ""] = /^(.*):([0-9]+)$/.exec(bind) ?? [];
  if (hostname === undefined) throw new UsageError(`--${option} must be ADDRESS:PORT: got ${bind}`);
  const text = port ?? bound;
  if (!/^[0-9]+$/.test(text) || Number(text) > 65_535) throw new UsageError(`The port must be 0 to 65535: got ${text}`);
  return { hostname: hostname.replace(/^\[(.*)\]$/, "$1") || "0.0.0.0", port: Number(text) };
}

/** Whether only this machine reaches it. */
export function isLocal({ hostname }: Address): boolean {
  return isLoopback(hostname);
}

type Serve = (handler: ServeHandler, options: ServeOptions) => Promise<Server>;

/** The same, which says where it cannot listen. */
export function listening(serve: Serve): Serve {
  return async (handler, options) => {
    try {
      return await serve(handler, options);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`Cannot listen on ${options.hostname}:${options.port}: ${why}`, { cause });
    }
  };
}

/** The adapter of the runtime that this runs on. */
export async function nativeServe(): Promise<Serve> {
  if ("Deno" in globalThis) return (await import("../adapters/deno.ts")).serve;
  if ("Bun" in globalThis) return (await import("../adapters/bun.ts")).serve;
  return (await import("../adapters/node.ts")).serve;
}

/** The adapter that lets several processes share a port: on Bun by the port itself, else by `node:cluster`. */
export async function sharingServe(): Promise<Serve> {
  if (!("Bun" in globalThis)) return (await import("../adapters/node.ts")).serve;
  const { serve } = await import("../adapters/bun.ts");
  return (handler, options) => serve(handler, { ...options, reusePort: true });
}
