import type { BodyInput, HeadersInput } from "../wire/fetch_input.ts";

/** What the client needs of a `fetch`. Give your own to add cookies or a proxy, or to answer in a test. */
export type FetchLike = (url: string, init: RequestInit) => Promise<Response>;

/** Headers, or a function that makes them, which is called at each attempt: for tokens that expire. */
export type HeadersSource = HeadersInput | (() => HeadersInput | Promise<HeadersInput>);

/** A failure after which no further attempt can succeed. */
export class Permanent {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}

/**
 * Resolves a URL as the page or worker that runs this would.
 *
 * @throws {TypeError} If it cannot be parsed.
 */
export function resolveUrl(url: string | URL): URL {
  const { document, location } = globalThis as {
    document?: { readonly baseURI: string };
    location?: { readonly href: string };
  };
  try {
    return new URL(url, document?.baseURI ?? location?.href);
  } catch {
    throw new TypeError(`Cannot connect as the URL is not valid: got ${url}`);
  }
}

/** What an attempt asks with. */
export interface RequestOptions {
  readonly body?: BodyInput | (() => BodyInput | Promise<BodyInput>) | undefined;
  readonly credentials?: "include" | "omit" | "same-origin" | undefined;
  readonly fetch?: FetchLike | undefined;
  readonly headers?: HeadersSource | undefined;
  readonly method?: string | undefined;
}

/**
 * Asks for an event stream.
 *
 * @throws {Permanent} If the headers or the last event ID are none that can be sent, or the URL none that is ever fetched.
 */
export async function ask(
  url: string,
  { body, credentials, fetch: ask = fetch, headers: source, method = "GET" }: RequestOptions,
  lastEventId: string,
  signal: AbortSignal,
): Promise<Response> {
  const given = await (typeof source === "function" ? source() : source);
  let headers;
  try {
    headers = new Headers(given);
    // § 9.2.2, step 10 of the constructor
    if (!headers.has("accept")) headers.set("accept", "text/event-stream");
    // What the cache mode sends by itself in browsers, where a header of ours would need a preflight
    if (!("isSecureContext" in globalThis || headers.has("cache-control"))) headers.set("cache-control", "no-cache");
    // § 9.2.3: `Last-Event-ID`, if the last event ID string is not empty
    if (lastEventId !== "") headers.set("last-event-id", headerValue(lastEventId));
  } catch (error) {
    throw new Permanent(error);
  }
  const init: RequestInit = { method, headers, signal };
  // § 9.2.2, step 11: the cache mode. Workers of before November 2024 have none, and refuse the member
  if ("cache" in Request.prototype) init.cache = "no-store";
  // Not every `fetch` knows these: told only what is wanted
  if (credentials !== undefined) init.credentials = credentials;
  if (body !== undefined) {
    init.body = typeof body === "function" ? await body() : body;
    if (init.body instanceof ReadableStream) Object.assign(init, { duplex: "half" });
  }
  try {
    return await ask(url, init);
  } catch (error) {
    throw isFutile(url) && ask === fetch ? new Permanent(error) : error;
  }
}

/** Whether `fetch` always fails for a URL, because of its scheme or its user name and password. */
function isFutile(url: string): boolean {
  try {
    return !/^https?:/.test(new Request(url).url);
  } catch {
    return true;
  }
}

/** Encoded as UTF-8: a header's value is bytes, which JavaScript writes as Latin-1. */
function headerValue(lastEventId: string): string {
  // deno-lint-ignore no-control-regex
  if (/[\0-\x08\n-\x1f\x7f]/.test(lastEventId)) {
    throw new TypeError(`Cannot reconnect as no header holds the last event ID ${JSON.stringify(lastEventId)}`);
  }
  return unescape(encodeURIComponent(lastEventId));
}
