/**
 * The last event ID that a client sends: the `Last-Event-ID` header, whose
 * bytes are UTF-8
 * ({@link https://html.spec.whatwg.org/multipage/server-sent-events.html#last-event-id | § 9.2.4}),
 * else the query parameter `lastEventId` or `last_event_id`, for clients that
 * cannot set a header on their first request.
 *
 * @param request The request.
 * @returns `undefined` if it sends none, or an empty one, which stands for none.
 */
export function lastEventIdOf(request: Request): string | undefined {
  const header = request.headers.get("last-event-id");
  if (header !== null && header !== "") return utf8(header);
  const { searchParams } = new URL(request.url);
  return searchParams.get("lastEventId") || searchParams.get("last_event_id") || undefined;
}

/** Header values reach us with one character for each byte. What is not UTF-8 stays as it is: it will be unknown. */
function utf8(value: string): string {
  // deno-lint-ignore no-control-regex
  if (!/[^\u0000-\u007f]/.test(value) || /[^\u0000-\u00ff]/.test(value)) return value;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(value, (char) => char.charCodeAt(0)));
  } catch {
    return value;
  }
}
