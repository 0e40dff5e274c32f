import type { EventFields } from "./event.ts";

/**
 * What `JSON.stringify` can write: text, numbers, booleans, `null`, and objects of any kind: interfaces, arrays, dates,
 * classes, with `toJSON` or without. Functions (classes too), symbols, bigints and `undefined` are not JSON: the types
 * refuse them, and so does every call. Inside an object the rules of `JSON.stringify` hold: a member that is a function, a
 * symbol or `undefined` is left out, and a bigint is refused.
 *
 * @example An interface
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { Json } from "@freshet/sse";
 *
 * interface Bark {
 *   readonly loud: boolean;
 *   readonly at: Date;
 * }
 * const bark: Bark = { loud: true, at: new Date(0) };
 * const data: Json = bark;
 * assertEquals(JSON.stringify(data), '{"loud":true,"at":"1970-01-01T00:00:00.000Z"}');
 * ```
 */
export type Json = string | number | boolean | null | JsonObject;

/** Any object but a function: only functions have a member of that name. The index is for objects written in place. */
export type JsonObject =
  | (object & { readonly [Symbol.hasInstance]?: never })
  | { readonly [member: string]: unknown };

/** One event as a server writes it: `EventFields` whose `data` may be any JSON. Text goes as it is, all else as JSON. */
export interface JsonEventFields extends Omit<EventFields, "data"> {
  /** The payload. A string goes as it is, anything else as JSON, so `"1"` and `1` look alike to a client. */
  readonly data?: Json | undefined;
}

/**
 * Data as the text that is sent.
 *
 * @param call What cannot be done otherwise, as in "Cannot …".
 * @throws {TypeError} If JSON cannot hold it; what a `toJSON` threw is the `cause`.
 */
export function textOf(data: Json, call: string): string {
  if (typeof data === "string") return data;
  if (data instanceof Promise) throw refused(call, "a promise: await it");
  let json: string | undefined;
  try {
    json = JSON.stringify(data);
  } catch (cause) { // a bigint, a cycle, a `toJSON` that throws
    throw refused(call, cause instanceof Error ? cause.message : String(cause), cause);
  }
  if (json === undefined) throw refused(call, typeof data === "object" ? "toJSON() that gives none" : typeof data);
  return json;
}

/**
 * An event whose data is text.
 *
 * @throws {TypeError} If JSON cannot hold its data.
 */
export function withText(event: JsonEventFields, call: string): EventFields {
  const data = (event as JsonEventFields | null | undefined)?.data; // `checkEvent` refuses what is no object
  if (data === undefined || typeof data === "string") return event as EventFields;
  return { ...event, data: textOf(data, call) };
}

function refused(call: string, got: string, cause?: unknown): TypeError {
  return new TypeError(`Cannot ${call} as data must be a JSON value: got ${got}`, { cause });
}
