import { SseError } from "../errors.ts";

/** The error that a reader gets if its source threw or broke off. */
export function sourceFailed(cause: unknown): SseError {
  return new SseError("source-failed", `Cannot read events as the source failed: got ${cause}`, { cause });
}
