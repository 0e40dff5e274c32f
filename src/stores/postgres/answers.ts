/** SQLSTATEs of a server that is starting, stopping, full, or has become a replica. */
const PASSING = /^(?:57P0[123]|53300|25006|40001|40P01|08...)$/;
/** Failures to connect: nothing was sent. */
const UNSENT = /^(?:ECONNREFUSED|ENOENT|ENOTFOUND|EAI_AGAIN|CONNECT_TIMEOUT|CONNECTION_ENDED)$/;

/** Whether a failure may be over when the server is asked again. */
export function isPassing(error: unknown): boolean {
  return !isAnswer(error) || PASSING.test(codeOf(error));
}

/** Whether the server may have done all the same what was asked. */
export function isUncertain(error: unknown): boolean {
  return !isAnswer(error) && !UNSENT.test(codeOf(error));
}

/** Whether the server has answered, and so done nothing. */
function isAnswer(error: unknown): boolean {
  return /^(?=.*\d)[0-9A-Z]{5}$/.test(codeOf(error));
}

function codeOf(error: unknown): string {
  return String((error as { readonly code?: unknown } | null)?.code);
}
