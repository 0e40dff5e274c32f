/**
 * What a correct program must expect to go wrong, by code.
 *
 * - `"event-too-large"`: an event in a stream outgrew the parser's `maxEventSize`.
 * - `"parser-failed"`: a parser was fed after it had failed or ended.
 * - `"not-an-event-stream"`: a response is not a `200` of type `text/event-stream`.
 * - `"source-failed"`: what an event stream is read or made from threw or broke off.
 * - `"stream-ended"`: the server ended an event stream that was to go on.
 * - `"inactive"`: nothing came for longer than `inactivityTimeout`.
 * - `"retries-exhausted"`: a client gave up reconnecting; `cause` is the last failure.
 * - `"body-used"`: a client cannot send the body of its request a second time; `cause` is why it had to.
 * - `"broker-closed"`: the broker has been closed.
 * - `"backend-failed"`: the replay store refused; the event reached nobody.
 * - `"publish-uncertain"`: the replay store may or may not have the event.
 * - `"too-many-pending"`: more publishes are under way than `maxPendingPublishes`.
 * - `"id-taken"`: a publisher's own ID is of the form that only the store may make, or another event of the same
 *   topics has it.
 */
export type SseErrorCode =
  | "event-too-large"
  | "parser-failed"
  | "not-an-event-stream"
  | "source-failed"
  | "stream-ended"
  | "inactive"
  | "retries-exhausted"
  | "body-used"
  | "broker-closed"
  | "backend-failed"
  | "publish-uncertain"
  | "too-many-pending"
  | "id-taken";

/**
 * A failure that a correct program must expect. Misuse is a `TypeError` or a
 * `RangeError` instead. The `code` is part of the API, the message is not.
 *
 * @example Telling failures apart
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { SseError } from "@freshet/sse";
 *
 * const error = new SseError("broker-closed", "Cannot publish as the broker is closed");
 * assertEquals(error.code, "broker-closed");
 * assertEquals(error instanceof Error, true);
 * ```
 */
export class SseError extends Error {
  /** `"SseError"`; a subclass has its own. */
  override readonly name: string = "SseError";
  /** What went wrong, for programs. */
  readonly code: SseErrorCode;

  /**
   * Makes an error.
   *
   * @param code What went wrong, for programs.
   * @param message What went wrong, for people.
   * @param options The `cause`, if something else failed first.
   */
  constructor(code: SseErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
