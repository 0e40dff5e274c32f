/** Calls in a later turn of the event loop, and no later than that where the runtime can: a timer takes a millisecond. */
export const laterTurn: (callback: () => void) => unknown =
  (globalThis as { readonly setImmediate?: (callback: () => void) => unknown }).setImmediate ?? setTimeout;
