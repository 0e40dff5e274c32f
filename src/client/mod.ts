/**
 * The client: event streams that resume where they stopped, built on `fetch`
 * alone, for Deno, Bun, Node, browsers and workers. `connect()` for applications,
 * `EventSource` to the letter of the standard, `parseEvents` for a response
 * that you already have.
 *
 * @example Listening
 * ```ts ignore
 * import { connect } from "@freshet/sse/client";
 *
 * const events = connect("https://example.com/news", { inactivityTimeout: 24_000 });
 * events.on("message", (event) => console.log(event.data));
 * ```
 *
 * @module
 */
export { SseError, type SseErrorCode } from "../errors.ts";
export type { ParsedEvent } from "../wire/event.ts";
export type { Gap, GapReason } from "../wire/gap.ts";
export type { EventParserOptions } from "../wire/parse.ts";
export { parseEvents, type ParseEventsOptions } from "../wire/parse_events.ts";
export type { BackoffFunction, BackoffOptions } from "./backoff.ts";
export { connect, type ConnectionEnd, type EventStreamConnection } from "./connect.ts";
export type { ConnectOptions } from "./connect_options.ts";
export {
  EventSource,
  type EventSourceErrorEvent,
  type EventSourceEventMap,
  type EventSourceHandler,
  type EventSourceInit,
  type EventSourceListener,
  type EventSourceMessage,
} from "./event_source.ts";
export type { BodyInput, HeadersInput } from "../wire/fetch_input.ts";
export type { FetchLike, HeadersSource } from "./request.ts";
export { ResponseError } from "./response_error.ts";
