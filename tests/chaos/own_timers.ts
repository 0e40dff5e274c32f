/**
 * Timers of the test itself, and a watch over everybody else's: `globalThis` gets functions that count. Import this
 * before anything that may set a timer.
 */
const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis;

/** Timers that somebody has set and that have neither fired nor been cleared, and where they were set. */
const pending = new Map<unknown, Error>();

/** Counts the timers that are set from now on. */
export function watchTimers(): void {
  Object.assign(globalThis, {
    setTimeout: (callback: (...args: unknown[]) => void, ms?: number, ...args: unknown[]): unknown => {
      const timer: unknown = setTimeout(() => {
        pending.delete(timer);
        callback(...args);
      }, ms);
      pending.set(timer, new Error("a timer was set here"));
      return timer;
    },
    setInterval: (callback: (...args: unknown[]) => void, ms?: number, ...args: unknown[]): unknown => {
      const timer = setInterval(() => callback(...args), ms);
      pending.set(timer, new Error("an interval was set here"));
      return timer;
    },
    clearTimeout: (timer: Parameters<typeof clearTimeout>[0]): void => {
      pending.delete(timer);
      clearTimeout(timer);
    },
    clearInterval: (timer: Parameters<typeof clearInterval>[0]): void => {
      pending.delete(timer);
      clearInterval(timer);
    },
  });
}

/** Where the timers were set that still run. */
export function runningTimers(): string[] {
  return Array.from(pending.values(), ({ stack }) => stack ?? "");
}

/** Calls later, uncounted. */
export function later(ms: number, callback: () => void): void {
  setTimeout(callback, ms);
}

/** Resolves later, uncounted. */
export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Resolves to whether a promise has settled in time. */
export async function settles(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), ms);
  const settled = promise.then(() => true, () => true);
  try {
    return await Promise.race([settled, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves to whether a condition came to hold in time: looked at again and again. */
export async function comesTrue(condition: () => boolean, ms: number): Promise<boolean> {
  for (const end = Date.now() + ms; !condition(); await wait(2)) if (Date.now() > end) return condition();
  return true;
}
