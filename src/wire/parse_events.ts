import { SseError } from "../errors.ts";
import type { ParsedEvent } from "./event.ts";
import { isEventStream, notAnEventStream } from "./event_stream_response.ts";
import { EventParser, type EventParserOptions } from "./parse.ts";
import { PulledEvents } from "./pulled_events.ts";
import { sourceFailed } from "./source_failed.ts";

/** Options for {@linkcode parseEvents}: those of the parser, and a signal. */
export interface ParseEventsOptions extends Omit<EventParserOptions, "onEvent"> {
  /** Ends the loop with the signal's reason, and stops the source. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads events from a response, a stream of bytes, or any async iterable of
 * bytes or text. Chunks are taken one at a time, when events are asked for, so a
 * slow loop slows the source. To leave the loop stops the source:
 * {@link https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation | § 9.2.6}.
 *
 * @example The events of a response
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseEvents } from "@freshet/sse";
 *
 * const response = new Response("data: one\n\ndata: two\n\n", {
 *   headers: { "content-type": "text/event-stream" },
 * });
 * const seen: string[] = [];
 * for await (const event of parseEvents(response)) seen.push(event.data);
 * assertEquals(seen, ["one", "two"]);
 * ```
 *
 * @param source What to read. A `Response` must have status 200 and the type `text/event-stream`.
 * @param options What to begin with, how much to hold, when to stop.
 * @returns The events, in order. Once only: a source cannot be read twice.
 * @throws {TypeError} If the source is none of these, or is locked or used.
 * @throws {SseError} `not-an-event-stream` at once for another response; `source-failed` from the loop when the source
 * breaks off, `event-too-large` when an event outgrows `maxEventSize`. The events before it are given out first.
 */
export function parseEvents(
  source: Response | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array | string>,
  options: ParseEventsOptions = {},
): AsyncIterableIterator<ParsedEvent> {
  const { signal, ...parserOptions } = options;
  const chunks = open(source);
  const events = new PulledEvents({
    async read() {
      try {
        const { done, value } = await chunks.next();
        if (events.hasEnded) return;
        if (done) end();
        else push(value);
      } catch (cause) {
        end({ error: sourceFailed(cause) });
      }
    },
    leave(busy) {
      signal?.removeEventListener("abort", abort);
      const stopped = chunks.stop();
      // A source that is busy may never answer: it is told and not waited for, and its read has its error
      return busy ? void Promise.resolve(stopped).catch(() => {}) : stopped;
    },
  });
  const parser = new EventParser({ ...parserOptions, onEvent: (event) => events.push(event) });
  if (signal?.aborted) abort();
  else signal?.addEventListener("abort", abort, { once: true });
  return events;

  function push(chunk: Uint8Array | string): void {
    try {
      parser.push(chunk);
    } catch (error) {
      stop(error);
    }
  }

  function abort(): void {
    events.drop();
    stop(signal!.reason);
  }

  /** Ends early: the loop gets the error, the source is told. */
  function stop(error: unknown): void {
    end({ error });
    void Promise.resolve(chunks.stop(error)).catch(() => {});
  }

  function end(failure?: { readonly error: unknown }): void {
    events.end(failure);
    signal?.removeEventListener("abort", abort);
  }
}

/** What is left of a source once it is open: chunks, and a way to stop it. */
interface Chunks {
  next(): Promise<IteratorResult<Uint8Array | string, unknown>>;
  stop(reason?: unknown): Promise<unknown> | undefined;
}

function open(source: Response | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array | string>): Chunks {
  if (source instanceof Response) return readBody(source);
  if (source instanceof ReadableStream) return readStream(source);
  if (typeof source?.[Symbol.asyncIterator] !== "function") {
    throw new TypeError(
      `Cannot read events as the source must be a Response, a ReadableStream or an async iterable: got ${typeof source}`,
    );
  }
  return readIterable(source[Symbol.asyncIterator]());
}

/** An iterator that is busy cannot be stopped, only left: its `return` waits behind its `next`. */
function readIterable(iterator: AsyncIterator<Uint8Array | string>): Chunks {
  let leave = (): void => {};
  return {
    next: () =>
      new Promise((resolve, reject) => {
        leave = () => resolve({ done: true, value: undefined });
        iterator.next().then(resolve, reject);
      }),
    stop: () => {
      leave();
      return iterator.return?.();
    },
  };
}

function readBody(response: Response): Chunks {
  const { body } = response;
  if (!isEventStream(response)) {
    // It will not be read: close the connection. The caller need not know if that fails
    if (!body?.locked) body?.cancel().catch(() => {});
    throw new SseError("not-an-event-stream", notAnEventStream(response));
  }
  return readStream(body!);
}

function readStream(stream: ReadableStream<Uint8Array>): Chunks {
  const reader = stream.getReader();
  return {
    next: () => reader.read() as Promise<IteratorResult<Uint8Array, unknown>>,
    // A stream that has failed has stopped. A later read gets its failure
    stop: (reason) => reader.cancel(reason).catch(() => {}),
  };
}
