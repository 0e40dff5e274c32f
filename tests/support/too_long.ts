/** Milliseconds that the runtimes' timers cannot wait: given to `setTimeout` as they are, they fire at once. */
export const TOO_LONG: readonly number[] = [2 ** 31, 2 ** 40, Number.MAX_VALUE, Infinity];

/** Until every timer that fires at once has fired. */
export async function whileTimersFire(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve, 5));
}
