import { BOOLEAN, type Kind } from "./check_options.ts";

/** Who of other origins may read: see {@linkcode HandlerOptions.cors}. */
export interface CorsOptions {
  /** The origins that may, such as `"https://app.example"`, or `"*"` for all. */
  readonly origins: "*" | readonly string[];
  /**
   * Whether cookies and other credentials may come along; not with `"*"`.
   *
   * @default {false}
   */
  readonly credentials?: boolean | undefined;
}

/** What those options must be. An origin that ends in a slash, say, would never match. */
export const CORS: Kind = {
  must:
    'an object with origins, "*" or a list of origins as in "https://app.example", and credentials, a boolean that ' +
    'is not true with "*"',
  is(value) {
    if (typeof value !== "object" || value === null) return false;
    const { origins, credentials, ...others } = value as { readonly [Name in keyof CorsOptions]: unknown };
    if (Object.keys(others).length > 0 || !(credentials === undefined || BOOLEAN.is(credentials))) return false;
    if (origins === "*") return credentials !== true;
    return Array.isArray(origins) &&
      origins.every((origin) => /^(?:null|[a-z][a-z\d+.-]*:\/\/[^/?#\s]+)$/.test(origin));
  },
};

/** A day: how long a browser may remember a preflight, in seconds. Browsers cut it to what they allow. */
const MAX_AGE_SECONDS = "86400";

/** Headers by which a request of another origin may read the response; always tells caches that the origin matters. */
export function corsHeaders(request: Request, { origins, credentials = false }: CorsOptions): Headers {
  const headers = new Headers();
  if (origins === "*") {
    headers.set("access-control-allow-origin", "*");
  } else {
    headers.set("vary", "origin");
    const origin = request.headers.get("origin");
    if (origin === null || !origins.includes(origin)) return headers;
    headers.set("access-control-allow-origin", origin);
    if (credentials) headers.set("access-control-allow-credentials", "true");
  }
  headers.set("access-control-expose-headers", "retry-after");
  return headers;
}

/** Whether a request asks what it may do before it does it (Fetch, § 3.3.2). */
export function isPreflight(request: Request): boolean {
  return request.method === "OPTIONS" && request.headers.has("access-control-request-method");
}

/** The answer to a preflight. */
export function preflight(request: Request, methods: readonly string[], cors: CorsOptions): Response {
  const headers = corsHeaders(request, cors);
  if (headers.has("access-control-allow-origin")) {
    headers.set("access-control-allow-methods", methods.join(", "));
    headers.set("access-control-allow-headers", "authorization, cache-control, content-type, last-event-id");
    headers.set("access-control-max-age", MAX_AGE_SECONDS);
  }
  return new Response(null, { status: 204, headers });
}
