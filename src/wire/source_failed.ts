import { SseError } from "../errors.ts";

/** The error of whoever reads from a source that threw or broke off. */
export function sourceFailed(cause: unknown): SseError {
  return new SseError("source-failed", `Cannot read events as the source failed: got ${cause}`, { cause });
}
