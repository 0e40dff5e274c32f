/** Calls what the application gave: if it throws, nobody here is harmed, and the runtime reports it as uncaught. */
export function call<Arguments extends unknown[]>(
  callback: ((...args: Arguments) => unknown) | undefined,
  ...args: Arguments
): void {
  try {
    callback?.(...args);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
