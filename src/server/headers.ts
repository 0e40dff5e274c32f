import type { HeadersInput } from "../wire/fetch_input.ts";

/** Headers of every event stream: no proxy or cache on the way may store, change or delay it. */
const EVENT_STREAM_HEADERS: Readonly<Record<string, string>> = {
  "content-type": "text/event-stream",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no",
};

/** Those headers, and the caller's, whose `content-type` is not taken. */
export function eventStreamHeaders(own?: HeadersInput): Headers {
  const headers = new Headers(own);
  for (const [name, value] of Object.entries(EVENT_STREAM_HEADERS)) headers.set(name, value);
  return headers;
}

/**
 * Whether an `Accept` header allows event streams: the most specific range that
 * covers the type decides. No header allows everything (RFC 9110, § 12.5.1).
 */
export function acceptsEventStream(accept: string | null): boolean {
  if (accept === null || accept.trim() === "") return true;
  let quality = 0;
  let specific = -1;
  for (const range of accept.split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    const rank = ["*/*", "text/*", "text/event-stream"].indexOf(type);
    if (rank < specific || rank === -1) continue;
    const q = parameters.find((parameter) => parameter.startsWith("q="));
    const value = q === undefined ? 1 : Number(q.slice(2));
    quality = rank === specific ? Math.max(quality, value) : value;
    specific = rank;
  }
  return quality > 0;
}
