import { every } from "../time/timer.ts";
import { encodeEvent } from "../wire/encode.ts";
import { checkRetry } from "../wire/event.ts";
import { COMMENT, encodeRetry } from "../wire/idle.ts";
import { type JsonEventFields, withText } from "../wire/json.ts";
import { checkOptions, FUNCTION, HEADERS, type Kind, numberFrom, PLAIN_FUNCTION } from "./check_options.ts";
import { checkSource, eventsOf, type EventStreamSource } from "./event_source.ts";
import { eventStreamHeaders } from "./headers.ts";
import type { HeadersInput } from "../wire/fetch_input.ts";

/** Options for {@linkcode eventStream}. */
export interface EventStreamOptions {
  /** Headers to add, such as CORS. */
  readonly headers?: HeadersInput | undefined;
  /**
   * Milliseconds of silence after which a comment is sent; `0` for none.
   *
   * @default {8_000}
   */
  readonly heartbeat?: number | undefined;
  /** The reconnection time to tell the client first, in milliseconds: a safe integer >= 0. */
  readonly retry?: number | undefined;
  /**
   * Makes the last event from the error that the source threw; `undefined` for no
   * event. The stream then ends as usual, so a client that reconnects comes back.
   * It is also called with errors after the end or after the client has left (of
   * `onCancel`, of the `finally` of a generator, of a `send` that is not awaited).
   * Then no event is sent. If it returns a promise, the body fails.
   *
   * @default none: the body fails, and the client sees the connection break off
   */
  readonly onError?: ((error: unknown) => JsonEventFields | undefined) | undefined;
  /**
   * Called when the client has left before the end. If it throws, the error goes to
   * `onError`. Without `onError` the `cancel()` of the body rejects with it.
   */
  readonly onCancel?: ((reason: unknown) => void) | undefined;
}

const CALL = "stream";

const KINDS: { readonly [Name in keyof Required<EventStreamOptions>]: Kind } = {
  headers: HEADERS,
  heartbeat: numberFrom(0),
  retry: { must: "a number", is: (value) => typeof value === "number" },
  onError: PLAIN_FUNCTION,
  onCancel: FUNCTION,
};

const encoder = new TextEncoder();
const HEARTBEAT = encoder.encode(COMMENT);

/**
 * Turns events into a streaming response: an async iterable, a function that
 * makes one (such as an async generator function), or a callback that sends. For answers of
 * language models, progress, logs: one source, one client.
 *
 * The headers and a first byte leave at once. The source begins when the response
 * is first read, and is read as fast as the client reads. When the client leaves,
 * the source is stopped: the function's `signal` aborts, and `return()` of the
 * iterable is called. A generator that is waiting at that moment stops only after
 * its wait, so pass the `signal` on to what it waits for. If the source throws, the
 * body fails, unless `onError` makes a last event of the error.
 *
 * @example A generator
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { eventStream } from "@freshet/sse";
 *
 * async function* count() {
 *   for (let i = 1; i <= 2; i++) yield { id: i, data: `number ${i}` };
 * }
 * const response = eventStream(count); // or count()
 * assertEquals(response.headers.get("content-type"), "text/event-stream");
 * assertEquals(await response.text(), ":\nid: 1\ndata: number 1\n\nid: 2\ndata: number 2\n\n");
 * ```
 *
 * @example A callback
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { eventStream } from "@freshet/sse";
 *
 * const response = eventStream(async ({ send }) => {
 *   await send({ data: "working" });
 *   await send({ event: "done", data: "" });
 * });
 * assertEquals(await response.text(), ":\ndata: working\n\nevent: done\ndata: \n\n");
 * ```
 *
 * @example A generator that waits, and is told when its client leaves
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Broker, eventStream } from "@freshet/sse";
 *
 * await using broker = new Broker();
 * const response = eventStream(async function* ({ signal }) {
 *   for await (const { data } of broker.subscribe("news", { signal })) yield { data: data.toUpperCase() };
 * });
 *
 * const reader = response.body!.getReader();
 * await reader.read();
 * await reader.cancel();
 * assertEquals(broker.stats().subscribers, 0);
 * ```
 *
 * @param source The events, or what makes or sends them.
 * @param options Headers, heartbeat, what to do with an error.
 * @returns The response, with status 200.
 * @throws {TypeError} If the source is neither an async iterable nor a function, or an option is unknown or of the wrong
 * type.
 * @throws {RangeError} If `retry` or `heartbeat` is out of bounds.
 */
export function eventStream(source: EventStreamSource, options: EventStreamOptions = {}): Response {
  checkOptions(CALL, options, KINDS);
  if (options.retry !== undefined) checkRetry(options.retry);
  checkSource(source);
  const body = new ReadableStream<Uint8Array>(new EventStreamBody(source, options), { highWaterMark: 1 });
  return new Response(body, { headers: eventStreamHeaders(options.headers) });
}

function encode(event: JsonEventFields): Uint8Array {
  return encoder.encode(encodeEvent(withText(event, CALL)));
}

class EventStreamBody implements UnderlyingDefaultSource<Uint8Array> {
  readonly #source: EventStreamSource;
  readonly #options: EventStreamOptions;
  readonly #left = new AbortController();
  #phase: "unread" | "opened" | "streaming" | "ended" = "unread";
  #events: AsyncIterator<JsonEventFields> | undefined;
  #stopBeating = (): void => {};
  #isSilent = false;

  constructor(source: EventStreamSource, options: EventStreamOptions) {
    this.#source = source;
    this.#options = options;
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    if (this.#phase === "unread") {
      const { retry } = this.#options;
      this.#phase = "opened";
      return controller.enqueue(retry === undefined ? HEARTBEAT : encoder.encode(encodeRetry(retry)));
    }
    try {
      if (this.#phase === "opened") this.#begin(controller); // the first byte has been read
      const { done, value } = await this.#events!.next();
      this.#isSilent = false;
      if (this.#left.signal.aborted) return;
      if (!done) return controller.enqueue(encode(value));
      this.#phase = "ended";
      this.#stopBeating();
      controller.close();
    } catch (error) {
      this.#fail(controller, error);
    }
  }

  async cancel(reason: unknown): Promise<void> {
    const { onCancel, onError } = this.#options;
    this.#stopBeating();
    this.#left.abort(reason);
    this.#return(onError);
    try {
      await onCancel?.(reason);
    } catch (error) {
      if (onError === undefined) throw error;
      onError(error);
    }
  }

  #begin(controller: ReadableStreamDefaultController<Uint8Array>): void {
    const { heartbeat = 8_000 } = this.#options;
    this.#phase = "streaming";
    this.#events = eventsOf(this.#source, this.#left.signal, (error) => this.#failLate(controller, error));
    if (heartbeat === 0) return;
    // Looked at twice an interval: silence lasts from one half to a whole
    this.#stopBeating = every(heartbeat / 2, () => {
      if (this.#isSilent && (controller.desiredSize ?? 0) > 0) controller.enqueue(HEARTBEAT);
      this.#isSilent = true;
    });
  }

  #fail(controller: ReadableStreamDefaultController<Uint8Array>, error: unknown): void {
    const { onError } = this.#options;
    this.#stopBeating();
    if (this.#left.signal.aborted) return; // the client has left: no event can be sent
    this.#left.abort(error);
    this.#return(undefined); // it has told already
    if (onError === undefined) return controller.error(error);
    try {
      const last = onError(error);
      if (last instanceof Promise) {
        last.catch(() => {}); // what the stream fails with says more
        throw new TypeError("Cannot stream as onError must return its event itself: got a promise");
      }
      if (last !== undefined) controller.enqueue(encode(last));
      controller.close();
    } catch (failure) {
      controller.error(failure);
    }
  }

  /** Of a `send` that nobody awaits: what has ended cannot be failed. */
  #failLate(controller: ReadableStreamDefaultController<Uint8Array>, error: unknown): void {
    if (this.#phase !== "ended" && !this.#left.signal.aborted) return this.#fail(controller, error);
    try {
      this.#options.onError?.(error);
    } catch {
      // there is no caller left to tell
    }
  }

  /** Returns from the source, without waiting: it may be busy for ever. One that has not begun may hold something as well. */
  #return(onError: ((error: unknown) => unknown) | undefined): void {
    const source = this.#source;
    const hasBegun = this.#phase !== "unread" && this.#phase !== "opened";
    (async () => {
      const events = hasBegun || typeof source === "function" ? this.#events : source[Symbol.asyncIterator]();
      await events?.return?.();
    })().catch((error) => onError?.(error)).catch(() => {}); // there is no caller left to tell
  }
}
