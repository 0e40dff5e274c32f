/** What a timer can wait, in milliseconds: with more it would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Calls once after any number of milliseconds: at once for 0, never for `Infinity`.
 *
 * @returns Stops that.
 */
export function after(ms: number, callback: () => void): () => void {
  const until = performance.now() + ms;
  let timer: ReturnType<typeof setTimeout> | undefined;
  wait();
  return () => clearTimeout(timer);

  function wait(): void {
    const left = until - performance.now();
    if (left > 0) timer = setTimeout(wait, Math.min(left, MAX_TIMER_MS));
    else callback();
  }
}
