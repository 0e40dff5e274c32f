/** How long an answer may take before a message is sent again, which the server stores once, or a question fails. */
export const ATTEMPT_MS = 1_000;
export const NS_PER_MS = 1_000_000;
