/** What a timer of the runtimes can wait, in milliseconds: with more it fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Calls once after any number of milliseconds: never for `Infinity`.
 *
 * @returns Stops that.
 */
export function after(ms: number, callback: () => void): () => void {
  let left = ms;
  let timer: ReturnType<typeof setTimeout> | undefined;
  wait();
  return () => clearTimeout(timer);

  function wait(): void {
    const part = Math.min(left, MAX_TIMER_MS);
    left -= part;
    timer = setTimeout(() => left > 0 ? wait() : callback(), part);
  }
}

/**
 * Calls again and again: never for `Infinity`, and once in 24 days if the interval is longer.
 *
 * @returns Stops that.
 */
export function every(ms: number, callback: () => void): () => void {
  if (ms === Infinity) return () => {};
  const timer = setInterval(callback, Math.min(ms, MAX_TIMER_MS));
  return () => clearInterval(timer);
}
