import { SseError } from "../../mod.ts";

/** A failure that the test made: what may be reported, and nothing else. */
export class Injected extends Error {
  override readonly name = "Injected";
}

/** Whether an error that was reported is one that the test made, or one that a correct program expects. */
export function isExpected(error: unknown): boolean {
  if (error instanceof Injected) return true;
  // A body whose stream was cut, as its client had stalled: `onError` of a server hears of bodies that fail
  if (error instanceof DOMException && error.name === "AbortError") return true;
  if (!(error instanceof SseError)) return false;
  // The store itself never refuses but by what the test made of it
  return error.code !== "backend-failed" || (error.cause !== undefined ? isExpected(error.cause) : true);
}
