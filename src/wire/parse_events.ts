import { SseError } from "../errors.ts";
import type { ParsedEvent } from "./event.ts";
import { isEventStream } from "./media_type.ts";
import { EventParser, type EventParserOptions } from "./parse.ts";

/** Options for {@linkcode parseEvents}: those of the parser, and a signal. */
export interface ParseEventsOptions extends Omit<EventParserOptions, "onEvent"> {
  /** Ends the loop with the signal's reason, and stops the source. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads events from a response, a stream of bytes, or any async iterable of
 * bytes or text. Chunks are taken one at a time, as events are asked for, so a
 * slow loop slows the source. Leaving the loop stops the source:
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
  return new EventIterator(open(source), parserOptions, signal);
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
  const { status, body } = response;
  const type = response.headers.get("content-type");
  if (status !== 200 || !isEventStream(type) || body === null) {
    // Nobody will read it: let the connection go. Its failure is none of the caller's
    if (body !== null && !body.locked) body.cancel().catch(() => {});
    throw new SseError(
      "not-an-event-stream",
      `Cannot read events as the response is not an event stream: got status ${status}, type ${type ?? "none"}` +
        (body === null ? ", no body" : ""),
    );
  }
  return readStream(body);
}

function readStream(stream: ReadableStream<Uint8Array>): Chunks {
  const reader = stream.getReader();
  return {
    next: () => reader.read() as Promise<IteratorResult<Uint8Array, unknown>>,
    // A stream that has failed has stopped: its failure belongs to whoever reads on
    stop: (reason) => reader.cancel(reason).catch(() => {}),
  };
}

type Result = IteratorResult<ParsedEvent, undefined>;

const DONE: Result = { done: true, value: undefined };

/** By hand: an async generator costs several promises an event, this one the promise that `next` returns. */
class EventIterator implements AsyncIterableIterator<ParsedEvent> {
  readonly #chunks: Chunks;
  readonly #parser: EventParser;
  readonly #signal: AbortSignal | undefined;
  #queue: ParsedEvent[] = [];
  #taken = 0;
  /** The `next` that waits for a chunk; those that overlap it wait for it. */
  #pulling: Promise<Result> | undefined;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(chunks: Chunks, options: Omit<EventParserOptions, "onEvent">, signal: AbortSignal | undefined) {
    this.#chunks = chunks;
    this.#parser = new EventParser({ ...options, onEvent: (event) => void this.#queue.push(event) });
    this.#signal = signal;
    if (signal?.aborted) this.#abort();
    else signal?.addEventListener("abort", this.#abort, { once: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Result> {
    if (this.#pulling !== undefined) return this.#pulling.then(() => this.next(), () => this.next());
    if (this.#taken < this.#queue.length) {
      return Promise.resolve({ done: false, value: this.#queue[this.#taken++]! });
    }
    if (this.#failure === undefined && this.#ended) return Promise.resolve(DONE);
    return this.#pulling = this.#pull();
  }

  async return(): Promise<Result> {
    this.#queue = [];
    this.#failure = undefined;
    if (this.#ended) return DONE;
    const busy = this.#pulling !== undefined;
    const stopped = this.#end();
    // A source that is busy may never answer: it is told and not waited for, and its read has its error
    if (busy) void Promise.resolve(stopped).catch(() => {});
    else await stopped;
    return DONE;
  }

  /** Reads chunks until there is something to give. */
  async #pull(): Promise<Result> {
    this.#queue = [];
    this.#taken = 0;
    while (!this.#ended) {
      try {
        const { done, value } = await this.#chunks.next();
        if (this.#ended) break;
        if (done) {
          this.#parser.end();
          this.#leave();
        } else {
          this.#push(value as Uint8Array | string);
        }
      } catch (cause) {
        if (this.#ended) break;
        this.#leave();
        const why = cause instanceof Error ? cause.message : String(cause);
        this.#failure = {
          error: new SseError("source-failed", `Cannot read events as the source failed: got ${why}`, { cause }),
        };
      }
      if (this.#queue.length > 0) {
        this.#pulling = undefined;
        return { done: false, value: this.#queue[this.#taken++]! };
      }
    }
    await undefined; // never before `next` has kept this promise
    this.#pulling = undefined;
    if (this.#failure === undefined) return DONE;
    const { error } = this.#failure;
    this.#failure = undefined;
    throw error;
  }

  #push(chunk: Uint8Array | string): void {
    try {
      this.#parser.push(chunk);
    } catch (error) {
      this.#failure = { error };
      void Promise.resolve(this.#end(error)).catch(() => {}); // the loop gets the parser's error
    }
  }

  readonly #abort = (): void => {
    const { reason } = this.#signal!;
    this.#queue = [];
    this.#failure = { error: reason };
    void Promise.resolve(this.#end(reason)).catch(() => {}); // the loop gets the reason
  };

  /** Ends early: stops the source. */
  #end(reason?: unknown): Promise<unknown> | undefined {
    this.#leave();
    return this.#chunks.stop(reason);
  }

  #leave(): void {
    this.#ended = true;
    this.#signal?.removeEventListener("abort", this.#abort);
  }
}
