import { isEventStream } from "../wire/event_stream_response.ts";
import type { ConnectOptions } from "./connect_options.ts";
import { ask, Permanent } from "./request.ts";
import { responseError } from "./response_error.ts";

/** The status by which a server says that the client must not come back. */
export const NO_CONTENT: Permanent = new Permanent(undefined);

/**
 * One attempt of `connect()`: resolves to a response that is to be read.
 *
 * @throws {Permanent} If no further attempt would do better.
 * @throws {ResponseError} If one might.
 */
export async function attempt(
  url: string,
  options: ConnectOptions,
  lastEventId: string,
  signal: AbortSignal,
): Promise<Response> {
  const response = await ask(url, options, lastEventId, signal);
  let accepted;
  try {
    accepted = await options.validate?.(response);
  } catch (error) {
    throw new Permanent(error);
  }
  const { body, status } = response;
  if ((accepted === true && body !== null) || isEventStream(response)) return response;
  if (status === 204) throw NO_CONTENT;
  const error = await responseError(response);
  const isTemporary = status >= 500 || status === 408 || status === 425 || status === 429;
  throw isTemporary ? error : new Permanent(error);
}
