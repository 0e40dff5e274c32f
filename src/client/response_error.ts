import { SseError } from "../errors.ts";
import { notAnEventStream } from "../wire/event_stream_response.ts";
import { after } from "../time/timer.ts";

/** How much of a refusal's body is kept, in UTF-16 code units. */
const BODY_LENGTH = 4_096;
/** How long that may take to arrive. */
const BODY_MS = 1_000;

/**
 * A response that is not an event stream: `code` is `"not-an-event-stream"`.
 * It has the server's answer, so that you can tell a wrong token from a wrong address.
 */
export class ResponseError extends SseError {
  /** Always `"ResponseError"`. */
  override readonly name = "ResponseError";
  /** The response's status. */
  readonly status: number;
  /** The response's headers. */
  readonly headers: Headers;
  /** The beginning of the response's body: at most 4,096 UTF-16 code units, and what came within a second. */
  readonly body: string;

  /**
   * Makes an error of a response.
   *
   * @param response The response, whose body has been read.
   * @param body The beginning of its body.
   */
  constructor(response: Response, body: string) {
    const { status, headers } = response;
    super("not-an-event-stream", notAnEventStream(response));
    this.status = status;
    this.headers = headers;
    this.body = body;
  }

  /** How long the server asks clients to wait, in milliseconds; 0 if it does not say (`Retry-After`: RFC 9110, § 10.2.3). */
  get retryAfter(): number {
    const value = this.headers.get("retry-after") ?? "";
    const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
    return ms > 0 ? ms : 0;
  }
}

/** Makes the error of a response, and drops the response. */
export async function responseError(response: Response): Promise<ResponseError> {
  return new ResponseError(response, await beginningOf(response.body));
}

async function beginningOf(body: ReadableStream<Uint8Array> | null): Promise<string> {
  if (body === null) return "";
  const reader = body.getReader();
  const leave = (): void => void reader.cancel().catch(() => {}); // the rest is not needed
  const stop = after(BODY_MS, leave);
  const decoder = new TextDecoder();
  let text = "";
  try {
    while (text.length < BODY_LENGTH) {
      const { done, value } = await reader.read();
      if (done) break;
      text += decoder.decode(value, { stream: true });
    }
  } catch {
    // It broke off: the status says enough
  }
  stop();
  leave();
  return text.slice(0, BODY_LENGTH);
}
