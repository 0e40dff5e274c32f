/**
 * Calls in the next turn of the event loop. Where there is no `setImmediate` it uses a timer, which takes a millisecond or
 * more.
 */
export const laterTurn: (callback: () => void) => unknown =
  (globalThis as { readonly setImmediate?: (callback: () => void) => unknown }).setImmediate ?? setTimeout;

/** Resolves in the next turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => laterTurn(resolve));
}
