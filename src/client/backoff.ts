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
   * How many times longer each further wait may be.
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
   * The part of each wait that is left to chance, 0 to 1: with 1 a wait is anything from 0 to its longest, so that
   * clients that were cut off together do not come back together.
   *
   * @default {1}
   */
  readonly jitter?: number | undefined;
  /**
   * How many attempts may fail in a row after the first.
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

/** Counts the failures in a row. */
export interface Backoff {
  /** How many there are. */
  readonly attempt: number;
  /** An attempt has succeeded. */
  reset(): void;
  /**
   * An attempt has failed.
   *
   * @returns How long to wait, in milliseconds.
   * @throws {SseError} `retries-exhausted` to give up.
   * @throws {RangeError} If a function of the caller's gives neither a number >= 0 nor `undefined`.
   */
  next(error: Error): number;
}

/** @throws {RangeError} If a number is out of bounds. */
export function makeBackoff(options: BackoffOptions | BackoffFunction = {}): Backoff {
  let attempt = 0;
  let since = 0;
  const waitFor = typeof options === "function" ? options : exponential(options);
  return {
    get attempt() {
      return attempt;
    },
    reset() {
      attempt = 0;
    },
    next(error) {
      if (attempt++ === 0) since = performance.now();
      const wait = waitFor(attempt, error);
      if (wait === undefined) {
        const message = `Cannot reconnect after ${attempt} failures: ${error.message}`;
        throw new SseError("retries-exhausted", message, { cause: error });
      }
      checkNumber("backoff", wait);
      return wait;
    },
  };

  function exponential(options: BackoffOptions): BackoffFunction {
    const { initial = 500, factor = 1.5, max = 30_000, jitter = 1, maxRetries = Infinity, maxElapsed = Infinity } =
      options;
    for (const [name, value] of Object.entries(options)) {
      if (value !== undefined) checkNumber(name, value, 0, name === "jitter" ? 1 : undefined);
    }
    return () => {
      const wait = Math.min(max, initial * factor ** (attempt - 1)) * (1 - jitter * Math.random());
      return attempt > maxRetries || performance.now() - since + wait > maxElapsed ? undefined : wait;
    };
  }
}
