import type { JsonEventFields } from "../wire/json.ts";
import { mustBe } from "./check_options.ts";
import { type EventWriter, SentEvents } from "./event_writer.ts";

/**
 * What `eventStream` streams: an async iterable; a function that makes one, such as an async generator function; or a
 * callback that sends, and whose promise ends the stream. The function is called when the response is first read. What it
 * returns tells which of the two it is.
 */
export type EventStreamSource =
  | AsyncIterable<JsonEventFields>
  | ((stream: EventWriter) => AsyncIterable<JsonEventFields> | Promise<void>);

const MUST = "an async iterable, or a function that returns one or a promise";

/**
 * Refuses what cannot be streamed.
 *
 * @throws {TypeError} If it is neither iterable nor a function.
 */
export function checkSource(source: unknown): void {
  if (typeof source !== "function" && !isAsyncIterable(source)) throw mustBe("stream", "the source", MUST, source);
}

/**
 * Begins to read a source.
 *
 * @param signal Aborts when the client leaves.
 * @param onLate Told a failed `send` that nobody awaits and that the events themselves cannot tell.
 * @throws {TypeError} If a function returns neither an async iterable nor a promise.
 * @throws What the source throws.
 */
export function eventsOf(
  source: EventStreamSource,
  signal: AbortSignal,
  onLate: (error: unknown) => void,
): AsyncIterator<JsonEventFields> {
  if (typeof source !== "function") return source[Symbol.asyncIterator]();
  const sent = new SentEvents(signal, onLate);
  const made: unknown = source({ send: sent.send, signal });
  if (isAsyncIterable(made)) {
    void sent.return(); // no sent event will be read
    return made[Symbol.asyncIterator]();
  }
  if (!(made instanceof Promise)) throw mustBe("stream", "what the function returns", MUST, made);
  made.then((value) => sent.end(isAsyncIterable(value) ? { error: mustNotBePromised() } : {}), (error) => {
    sent.end({ error });
  });
  return sent;
}

function mustNotBePromised(): TypeError {
  return new TypeError("Cannot stream as the function must return its async iterable itself: got a promise of one");
}

function isAsyncIterable(value: unknown): value is AsyncIterable<JsonEventFields> {
  return typeof (value as AsyncIterable<JsonEventFields> | null | undefined)?.[Symbol.asyncIterator] === "function";
}
