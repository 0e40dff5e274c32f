import { SseError } from "../errors.ts";
import { checkNumber } from "../wire/check_number.ts";

/** How long to wait before connecting again, and how often. */
export interface BackoffOptions {
  /**
   * The longest first wait, in milliseconds.
   *
   * @default {500}
   */
  readonly initial?: number | undefined;
  /**
   * By what factor each further wait may be longer.
   *
   * @default {1.5}
   */
  readonly factor?: number | undefined;
  /**
   * The longest wait, in milliseconds.
   *
   * @default {30_000}
   */
  readonly max?: number | undefined;
  /**
   * The random part of a wait, from 0 to 1, so that clients that were cut off
   * together do not come back together. With 1, the first wait is between 0 and its
   * longest, and each further wait between half of its longest and its longest.
   *
   * @default {1}
   */
  readonly jitter?: number | undefined;
  /**
   * How many attempts may fail in a row after the first. A connection that
   * ends before it was healthy (see {@linkcode ConnectOptions.backoff}) counts
   * as a failure.
   *
   * @default {Infinity}
   */
  readonly maxRetries?: number | undefined;
  /**
   * How long attempts may fail in a row, in milliseconds.
   *
   * @default {Infinity}
   */
  readonly maxElapsed?: number | undefined;
}

/**
 * Gives the wait before an attempt in milliseconds, or `undefined` to give up.
 *
 * @param attempt How many have failed in a row, this time included: 1, 2, …
 * @param error Why the last one has.
 */
export type BackoffFunction = (attempt: number, error: unknown) => number | undefined;

/**
 * Makes the function that gives the waits.
 *
 * @throws {RangeError} If a number is out of bounds.
 */
export function makeBackoff(options: BackoffOptions | BackoffFunction = {}): BackoffFunction {
  if (typeof options === "function") return options;
  const { initial = 500, factor = 1.5, max = 30_000, jitter = 1, maxRetries = Infinity, maxElapsed = Infinity } =
    options;
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined) checkNumber(name, value, 0, name === "jitter" ? 1 : undefined);
  }
  let since = 0;
  return (attempt) => {
    if (attempt === 1) since = performance.now();
    // The power is capped, as 0 times Infinity is no number.
    // Only the first wait may be next to nothing: a server that accepts and ends must not be asked in a tight loop
    const chance = attempt === 1 ? jitter : jitter / 2;
    const wait = Math.min(max, initial * Math.min(factor ** (attempt - 1), Number.MAX_VALUE)) *
      (1 - chance * Math.random());
    return attempt > maxRetries || performance.now() - since + wait > maxElapsed ? undefined : wait;
  };
}

/**
 * The wait before the next attempt, in milliseconds.
 *
 * @throws {SseError} `retries-exhausted` to give up.
 * @throws {RangeError} If a function of the caller's gives neither a number >= 0 nor `undefined`.
 */
export function nextWait(backoff: BackoffFunction, attempt: number, error: Error): number {
  const wait = backoff(attempt, error);
  if (wait === undefined) {
    const message = `Cannot reconnect after ${attempt} failures: ${error.message}`;
    throw new SseError("retries-exhausted", message, { cause: error });
  }
  checkNumber("backoff", wait);
  return wait;
}
