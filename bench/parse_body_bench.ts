/** The parser over a body: read with `for await`, as applications do, beside the peers' streams. */
import { ServerSentEventParseStream } from "@std/http/unstable-server-sent-event-parse-stream";
import { EventSourceParserStream } from "eventsource-parser/stream";
import process from "node:process";
import { parseEvents } from "../mod.ts";
import { compare, report, type Result } from "./support/compare.ts";
import { byteLength, shapes } from "./support/streams.ts";

const only = process.argv[2] ?? "";
const results: Result[] = [];
for (const [shape, chunks] of shapes) {
  if (!shape.includes(only)) continue;
  results.push(
    await compare({
      shape,
      work: byteLength(chunks),
      ours: () => drain(parseEvents(body(chunks))),
      peers: {
        "EventSourceParserStream": () =>
          // Bun's TextDecoderStream is not of the type that pipeThrough() declares
          drain(body(chunks).pipeThrough(new TextDecoderStream() as never).pipeThrough(new EventSourceParserStream())),
        "ServerSentEventParseStream": () => drain(body(chunks).pipeThrough(new ServerSentEventParseStream())),
      },
    }),
  );
}
report("Parser over a body", results, (perSecond) => `${(perSecond / 1e6).toFixed(0)} MB/s`);

function body(chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  let next = 0;
  return new ReadableStream({
    pull(controller) {
      if (next < chunks.length) controller.enqueue(chunks[next++]!);
      else controller.close();
    },
  });
}

async function drain(events: AsyncIterable<{ data?: string }>): Promise<number> {
  let sum = 0;
  for await (const { data } of events) sum += data?.length ?? 0;
  return sum;
}
