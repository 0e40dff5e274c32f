import { SseError } from "../../errors.ts";

/** What a call of a closed store is rejected with. */
export function closed(call: string): SseError {
  return new SseError("backend-failed", `Cannot ${call} as the store is closed`);
}
