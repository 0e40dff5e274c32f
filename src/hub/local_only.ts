import { problem } from "../server/problem.ts";

/**
 * Lets pass only what a page or a program of this machine can have meant: the
 * `Host` is a loopback name, so that no foreign name has been bent to us (DNS
 * rebinding), and a page that publishes is one that we served.
 */
export function localOnly(handler: (request: Request, info?: unknown) => Promise<Response>): typeof handler {
  // deno-lint-ignore require-await
  return async (request, info) => {
    const { hostname, origin } = new URL(request.url);
    if (!isLoopback(hostname)) return problem(403, `The host must be a loopback address: got ${hostname}`);
    const from = request.headers.get("origin");
    if (request.method !== "GET" && request.method !== "HEAD" && from !== null && from !== origin) {
      return problem(403, `Pages of other origins may not publish: got origin ${from}, expected ${origin}`);
    }
    if (request.headers.get("sec-fetch-site") === "cross-site" && request.method !== "GET") {
      return problem(403, "Pages of other sites may not publish");
    }
    return handler(request, info);
  };
}

/**
 * Lets pass what names this machine, or a name that is allowed, as its `Host`: else a page of another name that was bent to
 * us (DNS rebinding) could read what anybody may.
 */
export function namedOnly(
  handler: (request: Request, info?: unknown) => Promise<Response>,
  allowed: readonly string[],
): typeof handler {
  const names = new Set(allowed.map((name) => name.toLowerCase()));
  // deno-lint-ignore require-await
  return async (request, info) => {
    const { hostname } = new URL(request.url);
    if (isLoopback(hostname) || names.has(hostname)) return handler(request, info);
    return problem(403, `The host must be a loopback address, or one that is allowed: got ${hostname}`);
  };
}

/** Whether a host name or address is this machine's own and nobody else's. */
export function isLoopback(hostname: string): boolean {
  return /^(?:localhost|127(?:\.[0-9]{1,3}){3}|\[?::1\]?)$/.test(hostname);
}
