import { after } from "./timer.ts";

/**
 * What a promise brings, if it does within so many milliseconds.
 *
 * @param engine What is waited for, for the message.
 * @throws {Error} If it does not.
 */
export function within<T>(ms: number, promise: Promise<T>, engine: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = after(ms, () => reject(new Error(`${engine} gave no answer within ${ms} ms`)));
    promise.then(resolve, reject).finally(stop);
  });
}
