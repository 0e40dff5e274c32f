/**
 * Handles the rejection of what an application's function has returned, if that is a promise. A rejection that is not
 * handled would end the process.
 */
export function onRejection(returned: unknown, hear: (error: unknown) => void): void {
  if (!isThenable(returned)) return;
  Promise.resolve(returned).catch(hear);
}

/** Whether something is a promise, of whatever make. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
