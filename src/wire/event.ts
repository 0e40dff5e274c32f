/**
 * One event as its publisher writes it. Every field is optional; a client
 * dispatches only events that have `data`, the empty string included:
 * {@link https://html.spec.whatwg.org/multipage/server-sent-events.html#dispatchMessage | § 9.2.6}.
 *
 * @example An event with all fields
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { encodeEvent, type EventFields } from "@freshet/sse";
 *
 * const event: EventFields = { event: "greeting", data: "hello", id: 7, retry: 2_000 };
 * assertEquals(encodeEvent(event), "event: greeting\nid: 7\nretry: 2000\ndata: hello\n\n");
 * ```
 */
export interface EventFields {
  /** Text that clients ignore; each of its lines becomes a comment line. */
  readonly comment?: string | undefined;
  /** The event type, without CR and LF. Clients take a missing or empty one as `"message"`. */
  readonly event?: string | undefined;
  /**
   * The payload. CR, LF and CRLF in it separate lines, and all arrive as LF. A
   * lone surrogate arrives as U+FFFD, as UTF-8 has no form for it.
   */
  readonly data?: string | undefined;
  /** The event ID; without CR, LF and NUL. `0` and `""` are values; `""` clears the client's last event ID. */
  readonly id?: string | number | undefined;
  /** The client's new reconnection time, in milliseconds: a safe integer >= 0. */
  readonly retry?: number | undefined;
}

/**
 * One event as a client dispatches it:
 * {@link https://html.spec.whatwg.org/multipage/server-sent-events.html#dispatchMessage | § 9.2.6}.
 */
export interface ParsedEvent {
  /** The event type: `"message"` unless the stream said otherwise. */
  readonly type: string;
  /** The payload, its lines joined by LF. */
  readonly data: string;
  /** The last event ID when the event was dispatched: its own, or the newest before it. */
  readonly lastEventId: string;
}

/**
 * Refuses an event that cannot be written so that a client reads the same.
 * What passes can be given to `encodeEvent` as it is.
 *
 * @throws {TypeError} If a field has the wrong type or holds what its line cannot.
 * @throws {RangeError} If a number is out of bounds.
 */
export function checkEvent(event: EventFields): void {
  if (typeof event !== "object" || event === null) throw mustBe("event", "an object", event);
  const { comment, event: type, data, id, retry } = event;
  if (comment !== undefined && typeof comment !== "string") throw mustBe("comment", "a string", comment);
  if (data !== undefined && typeof data !== "string") throw mustBe("data", "a string", data);
  if (type !== undefined) checkEventType(type);
  if (id !== undefined) checkEventId(id);
  if (retry !== undefined) checkRetry(retry);
}

/** Refuses an event type that cannot stand on one line. */
export function checkEventType(type: string): void {
  if (typeof type !== "string") throw mustBe("event", "a string", type);
  if (type.includes("\n") || type.includes("\r")) throw mustBe("event", "without CR and LF", type);
  if (!type.isWellFormed()) throw mustBe("event", "well-formed (no lone surrogate)", type);
}

/** Refuses an event ID that cannot stand on one line, or that clients ignore. */
export function checkEventId(id: string | number): void {
  if (typeof id === "number") {
    if (!Number.isFinite(id)) throw new RangeError(`Cannot encode event as id must be finite: got ${id}`);
    return;
  }
  if (typeof id !== "string") throw mustBe("id", "a string or a number", id);
  if (id.includes("\n") || id.includes("\r") || id.includes("\0")) throw mustBe("id", "without CR, LF and NUL", id);
  if (!id.isWellFormed()) throw mustBe("id", "well-formed (no lone surrogate)", id);
}

/** Refuses a reconnection time that clients would ignore. */
export function checkRetry(retry: number): void {
  if (typeof retry !== "number") throw mustBe("retry", "a number", retry);
  if (!Number.isSafeInteger(retry) || retry < 0) {
    throw new RangeError(`Cannot encode event as retry must be an integer >= 0: got ${retry}`);
  }
}

function mustBe(field: string, what: string, got: unknown): TypeError {
  const shown = typeof got === "string" ? JSON.stringify(got.slice(0, 80)) : got === null ? "null" : typeof got;
  return new TypeError(`Cannot encode event as ${field} must be ${what}: got ${shown}`);
}
