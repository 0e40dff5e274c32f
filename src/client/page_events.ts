/** What a page or a worker has of these, if anything: other runtimes have neither. */
interface Scope {
  readonly addEventListener?: EventTarget["addEventListener"];
  readonly document?: { readonly visibilityState: string };
}

/** Whether the page is there and hidden. */
export function isHidden(): boolean {
  return (globalThis as Scope).document?.visibilityState === "hidden";
}

/** Calls when the machine is on the network again, and when the page is hidden or shown, until the signal is aborted. */
export function watchPage(callback: () => void, signal: AbortSignal): void {
  for (const type of ["online", "visibilitychange"]) {
    (globalThis as Scope).addEventListener?.(type, callback, { signal });
  }
}
