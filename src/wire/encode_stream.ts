import { encodeEvent } from "./encode.ts";
import type { EventFields } from "./event.ts";

/** Events that may wait on either side: without room, each event costs a round of backpressure. */
const QUEUED_EVENTS = 16;

/**
 * Turns events into the bytes of an event stream, one chunk for each event,
 * with backpressure: at most 32 events wait inside. An event that cannot be
 * encoded errors both sides:
 * {@link https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream | § 9.2.5}.
 *
 * @example A response from a stream of events
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { EventEncoderStream, type EventFields } from "@freshet/sse";
 *
 * const events = ReadableStream.from<EventFields>([{ data: "one" }, { data: "two" }]);
 * const response = new Response(events.pipeThrough(new EventEncoderStream()));
 * assertEquals(await response.text(), "data: one\n\ndata: two\n\n");
 * ```
 */
export class EventEncoderStream extends TransformStream<EventFields, Uint8Array<ArrayBuffer>> {
  /** Makes a stream that encodes. Its errors are those of `encodeEvent`. */
  constructor() {
    const encoder = new TextEncoder();
    super(
      { transform: (event, controller) => controller.enqueue(encoder.encode(encodeEvent(event))) },
      { highWaterMark: QUEUED_EVENTS },
      { highWaterMark: QUEUED_EVENTS },
    );
  }
}
