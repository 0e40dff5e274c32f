import { EventParser, type ParsedEvent } from "../../mod.ts";
import { interpret, type Interpretation } from "../support/naive_interpreter.ts";
import { cutter } from "./cutter.ts";
import { Draw } from "./draw.ts";
import { StreamDrawer } from "./stream_drawer.ts";

/** A parser is used for so many streams, one after another, as a client does that reconnects. */
const STREAMS_A_PARSER = 8;
const LAST_EVENT_IDS = ["", "", "7", "ü"];

/** What has been seen: that the streams say something, and all of it. */
export interface Seen {
  streams: number;
  bytes: number;
  chunks: number;
  events: number;
  comments: number;
  retries: number;
}

/**
 * Draws streams, cuts each at random, and compares what our parser makes of it with what a plain interpreter of the
 * standard makes of the whole.
 *
 * @param seed The run's seed.
 * @param batch Which batch of it.
 * @param count How many streams.
 * @param expected The interpreter.
 * @throws {Error} At the first stream that they differ on, with all that is needed to see it again.
 */
export function fuzzStreams(
  seed: number,
  batch: number,
  count: number,
  expected: (bytes: Uint8Array, lastEventId: string) => Interpretation = interpret,
): Seen {
  const draw = new Draw(seed, batch);
  const drawer = new StreamDrawer(draw);
  const seen: Seen = { streams: count, bytes: 0, chunks: 0, events: 0, comments: 0, retries: 0 };
  let recorder = new Recorder("");
  for (let i = 0; i < count; i++) {
    if (i % STREAMS_A_PARSER === 0) recorder = new Recorder(draw.pick(LAST_EVENT_IDS));
    else recorder.reset();
    const lastEventId = recorder.lastEventId;
    const bytes = drawer.next();
    const wanted = expected(bytes, lastEventId);
    const chunks = recorder.push(bytes, draw);
    const got = recorder.interpretation;
    if (!isSame(got, wanted)) {
      throw new Error(
        [
          `The parser and the standard differ: seed ${seed}, batch ${batch}, stream ${i}`,
          `bytes:    ${[...bytes]}`,
          `chunks:   ${chunks}`,
          `parser:   ${JSON.stringify(got)}`,
          `standard: ${JSON.stringify(wanted)}`,
        ].map((line) => line.slice(0, 1_000)).join("\n"),
      );
    }
    seen.bytes += bytes.length;
    seen.chunks += chunks.length;
    seen.events += got.events.length;
    seen.comments += got.comments.length;
    seen.retries += got.retries.length;
  }
  return seen;
}

/** A parser, and what it calls back with. */
class Recorder {
  readonly #parser: EventParser;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  /** Each chunk is pushed from here, so that a parser that kept one would read the next one's bytes. */
  readonly #chunk = new Uint8Array(16_384);
  #events: ParsedEvent[] = [];
  #comments: string[] = [];
  #retries: number[] = [];

  constructor(lastEventId: string) {
    this.#parser = new EventParser({
      onEvent: (event) => this.#events.push(event),
      onComment: (comment) => this.#comments.push(comment),
      onRetry: (retry) => this.#retries.push(retry),
      lastEventId,
    });
  }

  get lastEventId(): string {
    return this.#parser.lastEventId;
  }

  get interpretation(): Interpretation {
    return {
      events: this.#events,
      comments: this.#comments,
      retries: this.#retries,
      lastEventId: this.#parser.lastEventId,
    };
  }

  reset(): void {
    this.#parser.reset();
    this.#events = [];
    this.#comments = [];
    this.#retries = [];
  }

  /**
   * Pushes a stream in chunks that are drawn.
   *
   * @returns Their lengths, in bytes or UTF-16 code units.
   */
  push(bytes: Uint8Array, draw: Draw): number[] {
    const source = draw.below(5) === 0 ? this.#decoder.decode(bytes) : bytes;
    const next = cutter(draw, source.length);
    const sizes: number[] = [];
    for (let from = 0; from < source.length;) {
      const size = Math.min(next(), source.length - from);
      if (typeof source === "string") this.#parser.push(source.slice(from, from + size));
      else {
        const chunk = this.#chunk.subarray(0, size);
        chunk.set(source.subarray(from, from + size));
        this.#parser.push(chunk);
      }
      from += size;
      sizes.push(size);
    }
    this.#parser.end();
    return sizes;
  }
}

function isSame(a: Interpretation, b: Interpretation): boolean {
  return a.lastEventId === b.lastEventId && isSameList(a.comments, b.comments) && isSameList(a.retries, b.retries) &&
    isSameList(a.events, b.events, isSameEvent);
}

function isSameEvent(a: ParsedEvent, b: ParsedEvent): boolean {
  return a.type === b.type && a.data === b.data && a.lastEventId === b.lastEventId;
}

function isSameList<T>(a: readonly T[], b: readonly T[], isSame: (a: T, b: T) => boolean = Object.is): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!isSame(a[i]!, b[i]!)) return false;
  return true;
}
