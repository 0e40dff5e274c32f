import type { ParsedEvent } from "./event.ts";
import { EventParser, type EventParserOptions } from "./parse.ts";

/** Options for {@linkcode EventParserStream}: those of the parser, whose events are read from the stream. */
export type EventParserStreamOptions = Omit<EventParserOptions, "onEvent">;

/** Events that may wait to be read before the stream stops taking chunks. */
const QUEUED_EVENTS = 64;

/**
 * Turns the bytes of an event stream into events. The events of one chunk are
 * queued together; the next chunk is taken when few wait. An unterminated last
 * event is dropped:
 * {@link https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation | § 9.2.6}.
 * To read a `Response`, `parseEvents` is simpler and several times faster.
 *
 * @example Piped
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { EventParserStream } from "@freshet/sse";
 *
 * const body = new Response("data: one\n\ndata: two\n\n").body!;
 * const events = await Array.fromAsync(body.pipeThrough(new EventParserStream()));
 * assertEquals(events.map((event) => event.data), ["one", "two"]);
 * ```
 */
export class EventParserStream extends TransformStream<Uint8Array, ParsedEvent> {
  /**
   * Makes a stream that parses.
   *
   * @param options What to begin with, how much to hold, and callbacks for comments and reconnection times.
   * @throws {RangeError} If `maxEventSize` is not a number >= 1.
   */
  constructor(options: EventParserStreamOptions = {}) {
    let enqueue: (event: ParsedEvent) => void;
    const parser = new EventParser({ ...options, onEvent: (event) => enqueue(event) });
    super(
      {
        start: (controller) => {
          enqueue = (event) => controller.enqueue(event);
        },
        transform: (chunk) => parser.push(chunk),
        flush: () => parser.end(),
      },
      { highWaterMark: 1 },
      { highWaterMark: QUEUED_EVENTS },
    );
  }
}
