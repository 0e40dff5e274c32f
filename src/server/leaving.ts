import type { Subscriber } from "../broker/subscriber.ts";

/**
 * Ends a subscriber when the request that it belongs to has gone.
 *
 * @param info What the host has passed beside the request. `Deno.serve` passes a promise, `completed`: to listen to the
 * request's signal makes Deno print a warning.
 */
export function endWithRequest(subscriber: Subscriber, request: Request, info: unknown): void {
  const leave = (): void => void subscriber.close("left");
  const over = (info as { readonly completed?: unknown } | null | undefined)?.completed;
  if (over instanceof Promise) {
    over.then(leave, leave);
    return;
  }
  const { signal } = request;
  if (signal.aborted) return leave();
  signal.addEventListener("abort", leave, { once: true });
  subscriber.onceClosed(() => signal.removeEventListener("abort", leave));
}
