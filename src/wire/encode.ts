import { checkEvent, type EventFields } from "./event.ts";

/**
 * Writes one event in the event stream format, ended by the blank line that
 * makes the client dispatch it.
 *
 * The standard's parser reads it back as the same event, line ends as LF:
 * {@link https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation | § 9.2.6}.
 * An event that could not be read back is refused, never repaired. A lone
 * surrogate in `data` or `comment` stays in the text, and becomes U+FFFD when the
 * text is turned into bytes as UTF-8.
 *
 * @example Two lines of data
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { encodeEvent } from "@freshet/sse";
 *
 * assertEquals(encodeEvent({ data: "a\nb" }), "data: a\ndata: b\n\n");
 * ```
 *
 * @param event The event to write.
 * @returns Its fields, as text.
 * @throws {TypeError} If a field is of the wrong type, or the event type or the ID cannot stand on one line.
 * @throws {RangeError} If the reconnection time is not an integer >= 0, or a number as ID is not finite.
 */
export function encodeEvent(event: EventFields): string {
  checkEvent(event);
  return encodeChecked(event);
}

/** Writes an event that `checkEvent` has let pass. */
export function encodeChecked(event: EventFields): string {
  const { comment, event: type, data, id, retry } = event;
  let text = "";
  if (comment !== undefined) text += lines(": ", comment);
  if (type !== undefined) text += `event: ${type}\n`;
  if (id !== undefined) text += `id: ${id}\n`;
  if (retry !== undefined) text += `retry: ${retry}\n`;
  if (data !== undefined) text += lines("data: ", data);
  return text + "\n";
}

/** One line of the format for each line of the value. */
function lines(prefix: string, value: string): string {
  const lf = value.includes("\r") ? value.replaceAll(/\r\n?/g, "\n") : value;
  return `${prefix}${lf.includes("\n") ? lf.replaceAll("\n", "\n" + prefix) : lf}\n`;
}
