/** The encoder as a stream, beside the standard library's. */
import { ServerSentEventStream } from "@std/http/server-sent-event-stream";
import { EventEncoderStream, type EventFields } from "../mod.ts";
import { compare, report, type Result } from "./support/compare.ts";

const EVENTS = 2_000;

const shapes: ReadonlyArray<readonly [shape: string, make: (i: number) => EventFields]> = [
  ["LLM deltas", (i) => ({ data: `{"id":"chatcmpl-${i}","choices":[{"index":0,"delta":{"content":"hello ${i}"}}]}` })],
  ["id, event and data", (i) => ({ id: String(i), event: "update", data: `{"key":"value","count":${i}}` })],
  ["three lines of data", (i) => ({ data: `line ${i}\nsecond line\nthird line` })],
  ["comments only", () => ({ comment: "heartbeat" })],
];

const results: Result[] = [];
for (const [shape, make] of shapes) {
  const events = Array.from({ length: EVENTS }, (_, i) => make(i));
  results.push(
    await compare({
      shape,
      work: EVENTS,
      ours: () => drain(source(events).pipeThrough(new EventEncoderStream())),
      peers: { "ServerSentEventStream": () => drain(source(events).pipeThrough(new ServerSentEventStream() as never)) },
    }),
  );
}
report("Encoder stream", results, (perSecond) => `${(perSecond / 1e3).toFixed(0)} k events/s`);

function source(events: readonly EventFields[]): ReadableStream<EventFields> {
  let next = 0;
  return new ReadableStream({
    pull(controller) {
      if (next < events.length) controller.enqueue(events[next++]!);
      else controller.close();
    },
  });
}

async function drain(stream: ReadableStream<Uint8Array>): Promise<number> {
  let sum = 0;
  const reader = stream.getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) sum += read.value.length;
  return sum;
}
