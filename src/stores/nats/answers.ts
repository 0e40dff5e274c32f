import { SseError } from "../../errors.ts";

/** How long an answer may take before a message is sent again, which the server stores once, or a question fails. */
export const ATTEMPT_MS = 1_000;
/** The server counts time in nanoseconds. */
export const NS_PER_MS = 1_000_000;
/** JetStream's code for a subject that has a message already. */
export const WRONG_LAST_SEQUENCE = 10071;
/** What a server answers for a while only: no leader, no resources now, JetStream not up yet. */
const PASSING: readonly number[] = [10005, 10008, 10009, 10023, 10076];

/** JetStream's code, if the server has answered. */
export function codeOf(error: unknown): number | undefined {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === "number" ? code : undefined;
}

/** Whether no server has the stream just now. */
export function isUntaken(error: unknown): boolean {
  return error instanceof Error && error.name === "JetStreamNotEnabled";
}

/** Whether a failure may be over when the server is asked again. */
export function isPassing(error: unknown): boolean {
  const code = codeOf(error);
  if (code !== undefined) return PASSING.includes(code);
  return !(error instanceof SseError) && (error as Error | null)?.name !== "InvalidArgumentError"; // it is too large
}
