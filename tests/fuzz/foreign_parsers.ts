import { ServerSentEventParseStream } from "@std/http/unstable-server-sent-event-parse-stream";
import { createParser } from "eventsource-parser";
import { createParser as createParser3 } from "eventsource-parser-3";
import { Buffer } from "node:buffer";
import { EventSourceStream } from "undici/lib/web/eventsource/eventsource-stream.js";
import type { ParsedEvent } from "../../mod.ts";

const LF = 0x0a;

/** What a whole stream says. */
export interface Read {
  readonly events: ParsedEvent[];
  /** The last reconnection time, if there was one. */
  readonly retry: number | undefined;
}

/** Somebody else's parser, as near to the standard as it can be used. */
export interface ForeignParser {
  readonly name: string;
  /** Where it differs from the standard on what our encoder writes, and what is done about it here. */
  readonly deviations: readonly string[];
  /** Whether it tells of the ID of a block without data, which the standard keeps. */
  readonly tellsIdWithoutData: boolean;
  read(chunks: readonly Uint8Array[]): Read | Promise<Read>;
}

/** Keeps the last event ID, as a client has to: these parsers tell only of each event's own. */
class Sink {
  readonly events: ParsedEvent[] = [];
  retry: number | undefined;
  #lastEventId = "";

  id(id: string | undefined): void {
    this.#lastEventId = id ?? this.#lastEventId;
  }

  event(type: string | undefined, data: string): void {
    this.events.push({ type: type || "message", data, lastEventId: this.#lastEventId });
  }
}

/** They take text: a decoder stands before them. */
function readText(create: typeof createParser | typeof createParser3, chunks: readonly Uint8Array[]): Read {
  const sink = new Sink();
  // Not the default: Deno's then drops a U+FEFF that begins a chunk, wherever in the stream
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const parser = create({
    onEvent: ({ id, event, data }) => {
      sink.id(id);
      sink.event(event, data);
    },
    onId: (id: string) => sink.id(id),
    onRetry: (retry) => sink.retry = retry,
  });
  for (const chunk of chunks) parser.feed(decoder.decode(chunk, { stream: true }));
  return sink;
}

/** The same bytes in chunks that end with a line: each is what has come since the last line end. */
function* cutAfterLines(chunks: readonly Uint8Array[]): Generator<Uint8Array> {
  const rest: Uint8Array[] = [];
  for (const chunk of chunks) {
    const end = chunk.lastIndexOf(LF) + 1;
    if (end > 0) yield Buffer.concat([...rest.splice(0), chunk.subarray(0, end)]);
    rest.push(chunk.subarray(end));
  }
}

/** Parsers that many use: the two of most of npm, Node's own, and the one of Deno's standard library. */
export const foreignParsers: readonly ForeignParser[] = [
  {
    name: "eventsource-parser 4",
    deviations: [],
    tellsIdWithoutData: true,
    read: (chunks) => readText(createParser, chunks),
  },
  {
    name: "eventsource-parser 3",
    deviations: ["does not tell of the ID of a block without data: that ID is not expected"],
    tellsIdWithoutData: false,
    read: (chunks) => readText(createParser3, chunks),
  },
  {
    name: "undici 8",
    deviations: [],
    tellsIdWithoutData: true,
    read(chunks) {
      const sink = new Sink();
      const state: { lastEventId?: string; reconnectionTime?: number } = {};
      const stream = new EventSourceStream({
        eventSourceSettings: state,
        push: ({ type, options }) => {
          sink.id(options.lastEventId);
          sink.event(type, options.data);
          return true;
        },
      });
      for (const chunk of chunks) stream._transform(Buffer.from(chunk), "buffer", () => {});
      return { events: sink.events, retry: state.reconnectionTime };
    },
  },
  {
    name: "@std/http",
    deviations: [
      "hands over blocks without data: they are taken for what they set, and not for events",
      "loses a U+FEFF that begins a chunk, on Deno, by its TextDecoder: chunks end with lines, which begin with a field",
    ],
    tellsIdWithoutData: true,
    async read(chunks) {
      const sink = new Sink();
      const stream = ReadableStream.from(cutAfterLines(chunks)).pipeThrough(new ServerSentEventParseStream());
      for await (const { id, event, data, retry } of stream) {
        sink.id(id?.toString());
        sink.retry = retry ?? sink.retry;
        if (data !== undefined) sink.event(event, data);
      }
      return sink;
    },
  },
];
