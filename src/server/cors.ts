import { BOOLEAN, type Kind } from "./check_options.ts";

/**
 * Which other origins may read: see {@linkcode HandlerOptions.cors}.
 *
 * Before `fetch` sends a header such as `Last-Event-ID` to another origin, the browser sends an OPTIONS request to ask
 * whether it may. The handler answers that. But a framework's route for GET alone does not pass OPTIONS on. Then the first
 * connection works, and each reconnection fails. So route OPTIONS to the handler as well (`app.all`).
 */
export interface CorsOptions {
  /**
   * The origins that may read, such as `"https://app.example"`; `"*"` for all; or a
   * function that returns whether an origin may. It is called for each request that
   * names an origin. If it throws, or returns neither `true` nor `false`, the answer
   * is 500.
   */
  readonly origins: "*" | readonly string[] | ((origin: string, request: Request) => boolean | Promise<boolean>);
  /**
   * Whether cookies and other credentials may be sent; not with `"*"`.
   *
   * @default {false}
   */
  readonly credentials?: boolean | undefined;
  /**
   * Headers that a request may have, beside `Authorization`, `Cache-Control`,
   * `Content-Type` and `Last-Event-ID`.
   *
   * @default {[]}
   */
  readonly allowHeaders?: readonly string[] | undefined;
  /**
   * Headers of the response that a page may read, beside `Retry-After` and those
   * that it may always read.
   *
   * @default {[]}
   */
  readonly exposeHeaders?: readonly string[] | undefined;
}

/** What those options must be. An origin that ends in a slash, say, would never match. */
export const CORS: Kind = {
  must: 'an object with origins, "*" or a list of origins as in "https://app.example" or a function, credentials, a ' +
    'boolean that is not true with "*", and allowHeaders and exposeHeaders, lists of names',
  is(value) {
    if (typeof value !== "object" || value === null) return false;
    const { origins, credentials, allowHeaders = [], exposeHeaders = [], ...others } = value as {
      readonly [Name in keyof CorsOptions]: unknown;
    };
    if (Object.keys(others).length > 0 || !(credentials === undefined || BOOLEAN.is(credentials))) return false;
    if (!areNames(allowHeaders) || !areNames(exposeHeaders)) return false;
    if (origins === "*") return credentials !== true;
    if (typeof origins === "function") return true;
    return Array.isArray(origins) &&
      origins.every((origin) => /^(?:null|[a-z][a-z\d+.-]*:\/\/[^/?#\s]+)$/.test(origin));
  },
};

/** A day: how long a browser may remember a preflight, in seconds. Browsers cut it to what they allow. */
const MAX_AGE_SECONDS = "86400";

const ALLOWED_HEADERS = ["authorization", "cache-control", "content-type", "last-event-id"];
const EXPOSED_HEADERS = ["retry-after"];

/**
 * Headers by which a request of another origin may read the response; always tells caches that the origin matters.
 *
 * @throws What a function for `origins` throws, or a `TypeError` if it returns no boolean.
 */
export async function corsHeaders(request: Request, cors: CorsOptions): Promise<Headers> {
  const { origins, credentials = false, exposeHeaders = [] } = cors;
  const headers = new Headers();
  if (origins === "*") {
    headers.set("access-control-allow-origin", "*");
  } else {
    headers.set("vary", "origin");
    const origin = request.headers.get("origin");
    if (origin === null || !await mayRead(origin, request, origins)) return headers;
    headers.set("access-control-allow-origin", origin);
    if (credentials) headers.set("access-control-allow-credentials", "true");
  }
  headers.set("access-control-expose-headers", [...EXPOSED_HEADERS, ...exposeHeaders].join(", "));
  return headers;
}

/** Whether a request asks what it may do before it does it (Fetch, § 3.3.2). */
export function isPreflight(request: Request): boolean {
  return request.method === "OPTIONS" && request.headers.has("access-control-request-method");
}

/**
 * The answer to a preflight, without the headers that every answer gets.
 *
 * @param isAllowed Whether that origin may read.
 */
export function preflight(
  methods: readonly string[],
  { allowHeaders = [] }: CorsOptions,
  isAllowed: boolean,
): Response {
  if (!isAllowed) return new Response(null, { status: 204 });
  return new Response(null, {
    status: 204,
    headers: {
      "access-control-allow-methods": methods.join(", "),
      "access-control-allow-headers": [...ALLOWED_HEADERS, ...allowHeaders].join(", "),
      "access-control-max-age": MAX_AGE_SECONDS,
    },
  });
}

async function mayRead(
  origin: string,
  request: Request,
  origins: Exclude<CorsOptions["origins"], "*">,
): Promise<boolean> {
  if (typeof origins !== "function") return origins.includes(origin);
  const answer: unknown = await origins(origin, request);
  if (typeof answer === "boolean") return answer;
  throw new TypeError(`Cannot answer as the function for cors.origins must return a boolean: got ${typeof answer}`);
}

function areNames(value: unknown): boolean {
  return Array.isArray(value) &&
    value.every((name) => typeof name === "string" && /^[!#$%&'*+.^_`|~\dA-Za-z-]+$/.test(name));
}
