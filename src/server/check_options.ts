import type { HeadersInput } from "../wire/fetch_input.ts";

/** What an option must be. */
export interface Kind {
  /** In words, as in "must be …". */
  readonly must: string;
  /** Whether a value is that. */
  is(value: unknown): boolean;
  /** Whether it is a bound of numbers: then a number that is not that is a `RangeError`. */
  readonly isBound?: boolean;
}

/** A function of any kind. */
export const FUNCTION: Kind = { must: "a function", is: (value) => typeof value === "function" };

/** A function whose result is used at once. An async function or a generator would always count as true. */
export const PLAIN_FUNCTION: Kind = {
  must: "a function that is neither async nor a generator",
  is: (value) => typeof value === "function" && !/Async|Generator/.test(Object.prototype.toString.call(value)),
};

/** `true` or `false`. */
export const BOOLEAN: Kind = { must: "true or false", is: (value) => typeof value === "boolean" };

/** A string, or `false` for none. */
export const EVENT_TYPE: Kind = {
  must: "a string or false",
  is: (value) => typeof value === "string" || value === false,
};

/** What `Headers` can be made of. */
export const HEADERS: Kind = {
  must: "headers: valid names and values",
  is(value) {
    try {
      return typeof value === "object" && value !== null && new Headers(value as HeadersInput) !== undefined;
    } catch {
      return false;
    }
  },
};

/** One of some values. */
export function oneOf(...values: readonly string[]): Kind {
  return {
    must: values.map((value) => JSON.stringify(value)).join(" or "),
    is: (value) => values.includes(value as string),
  };
}

/** A number from one to another, both included. */
export function numberFrom(min: number, max: number = Infinity): Kind {
  return {
    must: max === Infinity ? `a number >= ${min}` : `a number from ${min} to ${max}`,
    is: (value) => typeof value === "number" && value >= min && value <= max,
    isBound: true,
  };
}

/**
 * Refuses options that are unknown by name or not what they must be, so that a typing error is seen when the program
 * starts. Options that are `undefined` are left out.
 *
 * @param call What cannot be done with them, as in "Cannot …".
 * @throws {TypeError | RangeError} What was wrong, and what was got.
 */
export function checkOptions(call: string, options: object, kinds: Readonly<Record<string, Kind>>): void {
  if (typeof options !== "object" || options === null) throw mustBe(call, "options", "an object", options);
  for (const [name, value] of Object.entries(options)) {
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined) throw new TypeError(`Cannot ${call} as there is no option of this name: got ${name}`);
    if (value === undefined || kind.is(value)) continue;
    const isOutOfBounds = kind.isBound === true && typeof value === "number";
    throw mustBe(call, name, kind.must, value, isOutOfBounds ? RangeError : TypeError);
  }
}

/** The error that says what something must be, and what it was. */
export function mustBe(
  call: string,
  name: string,
  must: string,
  got: unknown,
  ErrorClass: typeof RangeError | typeof TypeError = TypeError,
): Error {
  return new ErrorClass(`Cannot ${call} as ${name} must be ${must}: got ${shown(got)}`);
}

/** A value in an error's message: short, and never more than its type if it is an object. */
function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 80));
  if (typeof value === "function") return Object.prototype.toString.call(value).slice("[object ".length, -1);
  if (typeof value !== "object" || value === null) return String(value);
  return Array.isArray(value) ? "an array" : "an object";
}
