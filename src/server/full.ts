import { encodeChecked } from "../wire/encode.ts";
import { eventStreamHeaders } from "./headers.ts";
import type { HeadersInput } from "../wire/fetch_input.ts";
import { problem } from "./problem.ts";

/**
 * The answer to a client that cannot be served now. `"503"` answers with `Retry-After`. `"retry"` answers 200 with a
 * `retry:` and ends, because a browser's `EventSource` never comes back after an error.
 *
 * @param wait How long to ask for, in milliseconds; up to half as much is added at random.
 */
export function full(whenFull: "retry" | "503", wait: number, headers?: HeadersInput): Response {
  const retry = Math.round(wait * (1 + Math.random() / 2));
  // With its blank line: nothing follows, and undici takes the time only there
  if (whenFull === "retry") return new Response(encodeChecked({ retry }), { headers: eventStreamHeaders(headers) });
  return problem(503, "No more streams can be opened now", { "retry-after": String(Math.ceil(retry / 1_000)) });
}
