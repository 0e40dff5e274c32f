import { encodeChecked } from "./encode.ts";

/**
 * What keeps a stream alive: a comment, without a blank line. Many clients hand their application an empty event for each
 * blank line, though none is due (§ 9.2.6: with an empty data buffer nothing is dispatched).
 */
export const COMMENT = ":\n";

/** The reconnection time, without a blank line: § 9.2.6 sets it as the line is read. */
export function encodeRetry(retry: number): string {
  return `retry: ${retry}\n`;
}

/**
 * Gives a client its place without an event. § 9.2.6: the blank line sets the last event ID, and dispatches nothing, as the
 * data buffer is empty. Clients that dispatch such blocks all the same see a type that has no listener.
 */
export function encodeCheckpoint(id: string): string {
  return encodeChecked({ event: "checkpoint", id });
}
