import { after } from "./timer.ts";

/**
 * Waits for a promise, but no longer than so many milliseconds.
 *
 * @returns Whether it was settled in time.
 * @throws What it rejects with in time.
 */
export async function settlesWithin(ms: number, promise: Promise<unknown>): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<false>();
  const stop = after(Math.max(0, ms), () => resolve(false));
  try {
    return await Promise.race([promise.then(() => true as const), late]);
  } finally {
    stop();
  }
}
