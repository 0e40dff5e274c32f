/** Options of every store that stands on an engine of its own. Of several limits, the first that is reached removes. */
export interface EngineStoreOptions {
  /**
   * What separates this log from others in the same engine: 1 to 48 of `a-z`, `0-9`, `_` and `-`.
   *
   * @default {"freshet"}
   */
  readonly name?: string | undefined;
  /**
   * How many events to keep.
   *
   * @default {Infinity}
   */
  readonly maxEvents?: number | undefined;
  /**
   * How long to keep an event, in milliseconds. One that is older is given to nobody.
   *
   * @default {Infinity}
   */
  readonly maxAge?: number | undefined;
  /**
   * How many bytes of events to keep; what the engine adds to each comes on top.
   *
   * @default {268_435_456}
   */
  readonly maxBytes?: number | undefined;
  /**
   * `"none"` uses the engine to carry events between processes only: it holds the last ten seconds or 8 MiB of them, so that
   * each process can fetch them.
   */
  readonly retention?: "none" | undefined;
  /**
   * How long a publish waits for an engine that is away or slow, in milliseconds, at least 1. Then it is rejected:
   * `backend-failed` if the engine has surely not got the event, else `publish-uncertain`.
   *
   * @default {5_000}
   */
  readonly timeout?: number | undefined;
}

/** The options, each with its value. */
export type CheckedEngineOptions = {
  readonly [Name in Exclude<keyof EngineStoreOptions, "retention">]-?: NonNullable<EngineStoreOptions[Name]>;
};

/** The log of who gives none a name. */
export const DEFAULT_NAME = "freshet";

/** What is held of events that nobody wants kept. */
const TRANSIT = { maxAge: 10_000, maxBytes: 1 << 23 };

/**
 * Takes the defaults for what was not given.
 *
 * @param store The store's name, for messages.
 * @param options What was given, all of it: what is not known is refused.
 * @throws {RangeError} If a number is out of bounds.
 * @throws {TypeError} If an option is of the wrong kind, or unknown.
 */
export function checkEngineOptions(store: string, options: EngineStoreOptions): CheckedEngineOptions {
  const {
    name = DEFAULT_NAME,
    maxEvents = Infinity,
    maxAge = Infinity,
    maxBytes = 1 << 28,
    retention,
    timeout = 5_000,
    ...unknown
  } = options;
  for (const other of Object.keys(unknown)) {
    throw new TypeError(`Cannot make store as a ${store} cannot keep to ${other}`);
  }
  checkName(name);
  for (const [option, value] of Object.entries({ maxEvents, maxAge, maxBytes, timeout })) {
    const min = option === "timeout" ? 1 : 0;
    if (typeof value !== "number" || !(value >= min)) {
      throw new RangeError(`Cannot make store as ${option} must be a number >= ${min}: got ${value}`);
    }
  }
  return { name, ...limitsOf(retention, { maxEvents, maxAge, maxBytes }), timeout };
}

/**
 * Refuses a log's name that some engine could not take.
 *
 * @throws {TypeError} If it is one.
 */
export function checkName(name: string): void {
  if (typeof name !== "string" || !/^[a-z0-9_-]{1,48}$/.test(name)) {
    throw new TypeError(`Cannot make store as name must be 1 to 48 of a-z, 0-9, _ and -: got ${JSON.stringify(name)}`);
  }
}

/** How much is kept. */
interface Limits {
  readonly maxEvents: number;
  readonly maxAge: number;
  readonly maxBytes: number;
}

/**
 * Lowers the limits if nothing is to be kept.
 *
 * @throws {TypeError} If `retention` is something else.
 */
export function limitsOf(retention: "none" | undefined, limits: Limits): Limits {
  if (retention === undefined) return limits;
  if (retention !== "none") {
    throw new TypeError(`Cannot make store as retention must be "none" or left out: got ${JSON.stringify(retention)}`);
  }
  return {
    ...limits,
    maxAge: Math.min(limits.maxAge, TRANSIT.maxAge),
    maxBytes: Math.min(limits.maxBytes, TRANSIT.maxBytes),
  };
}
