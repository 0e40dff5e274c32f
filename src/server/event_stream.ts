import { Heartbeat } from "../time/heartbeat.ts";
import { SseError } from "../errors.ts";
import { encodeEvent } from "../wire/encode.ts";
import { checkRetry, type EventFields } from "../wire/event.ts";
import { COMMENT, encodeRetry } from "../wire/idle.ts";
import { eventStreamHeaders } from "./headers.ts";

/** What a callback given to {@linkcode eventStream} writes to. */
export interface EventWriter {
  /**
   * Sends an event. Await it: 1,024 that are not taken yet may wait, one more is rejected with `too-many-pending`.
   *
   * @returns When the client has taken enough that more may be sent. Rejects once the stream has ended, and for an
   * event that cannot be encoded, which ends nothing.
   */
  send(event: EventFields): Promise<void>;
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal;
}

/** Options for {@linkcode eventStream}. */
export interface EventStreamOptions {
  /** Headers to add, such as CORS. */
  readonly headers?: HeadersInit | undefined;
  /**
   * Milliseconds of silence after which a comment is sent; `0` for none.
   *
   * @default {8_000}
   */
  readonly heartbeat?: number | undefined;
  /** The reconnection time to tell the client first, in milliseconds: a safe integer >= 0. */
  readonly retry?: number | undefined;
  /**
   * Makes the last event from what the source threw; `undefined` for none. The
   * stream then ends well, so a client that reconnects will.
   *
   * @default none: the body fails, and the client sees the connection break off
   */
  readonly onError?: ((error: unknown) => EventFields | undefined) | undefined;
  /**
   * Called when the client has left before the end. An iterable is returned from, a callback's signal aborts.
   */
  readonly onCancel?: ((reason: unknown) => void) | undefined;
}

/** Events of a callback that may wait to be taken. */
const MAX_UNSENT = 1_024;

const encoder = new TextEncoder();
const HEARTBEAT = encoder.encode(COMMENT);

/**
 * Turns events into a streaming response: an async generator, any async
 * iterable, or a callback that sends. For answers of language models,
 * progress, logs: one source, one client.
 *
 * The headers and a first byte leave at once. The source is read as fast as the client
 * reads, and is stopped when the client leaves: a generator is returned from at
 * its next `yield`, a callback's `signal` aborts. What the source throws fails
 * the body, unless `onError` makes a last event of it.
 *
 * @example A generator
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { eventStream } from "@freshet/sse";
 *
 * async function* count() {
 *   for (let i = 1; i <= 2; i++) yield { id: i, data: `number ${i}` };
 * }
 * const response = eventStream(count());
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
 * @param source The events, or what sends them.
 * @param options Headers, heartbeat, what becomes of an error.
 * @returns The response, with status 200.
 * @throws {TypeError} If the source is neither iterable nor a function.
 * @throws {RangeError} If `retry` or `heartbeat` is out of bounds.
 */
export function eventStream(
  source: AsyncIterable<EventFields> | ((stream: EventWriter) => Promise<void>),
  options: EventStreamOptions = {},
): Response {
  const { headers, heartbeat = 8_000, retry, onError, onCancel } = options;
  if (typeof heartbeat !== "number" || !(heartbeat >= 0)) {
    throw new RangeError(`Cannot stream as heartbeat must be a number >= 0: got ${heartbeat}`);
  }
  if (retry !== undefined) checkRetry(retry);
  const opening = retry === undefined ? HEARTBEAT : encoder.encode(encodeRetry(retry));
  const left = new AbortController();
  const iterator = typeof source === "function" ? sent(source, left.signal) : iteratorOf(source);
  let silent = false;
  let opened = false;
  let beat: Heartbeat<ReadableStreamDefaultController<Uint8Array>> | undefined;

  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      // Looked at twice an interval: silence lasts from one half to a whole
      beat = new Heartbeat(heartbeat / 2, () => {
        if (silent && (controller.desiredSize ?? 0) > 0) controller.enqueue(HEARTBEAT);
        silent = true;
      });
      beat.add(controller);
    },
    async pull(controller) {
      if (!opened) {
        opened = true;
        return controller.enqueue(opening);
      }
      try {
        const { done, value } = await iterator.next();
        silent = false;
        if (left.signal.aborted) return;
        if (!done) return controller.enqueue(encoder.encode(encodeEvent(value)));
        beat!.delete(controller);
        controller.close();
      } catch (error) {
        fail(controller, error);
      }
    },
    async cancel(reason) {
      beat!.clear();
      left.abort(reason);
      onCancel?.(reason);
      await iterator.return?.();
    },
  }, { highWaterMark: 1 });

  return new Response(body, { headers: eventStreamHeaders(headers) });

  function fail(controller: ReadableStreamDefaultController<Uint8Array>, error: unknown): void {
    beat!.delete(controller);
    if (left.signal.aborted) return; // the client has left: nobody to tell
    left.abort(error);
    void Promise.resolve(iterator.return?.()).catch(() => {}); // it has told already
    try {
      const last = onError?.(error);
      if (onError === undefined) return controller.error(error);
      if (last !== undefined) controller.enqueue(encoder.encode(encodeEvent(last)));
      controller.close();
    } catch (failure) {
      controller.error(failure);
    }
  }
}

function iteratorOf(source: AsyncIterable<EventFields>): AsyncIterator<EventFields> {
  if (typeof source?.[Symbol.asyncIterator] !== "function") {
    throw new TypeError(`Cannot stream as the source must be an async iterable or a function: got ${typeof source}`);
  }
  return source[Symbol.asyncIterator]();
}

/** What a callback sends, one event at a time: `send` waits until it is taken. */
function sent(callback: (stream: EventWriter) => Promise<void>, signal: AbortSignal): AsyncIterator<EventFields> {
  const queue: { readonly event: EventFields; readonly taken: () => void; readonly failed: (e: unknown) => void }[] =
    [];
  let waiting: PromiseWithResolvers<IteratorResult<EventFields>> | undefined;
  let started = false;
  let ended: { readonly error?: unknown } | undefined;

  const settle = (): void => {
    if (waiting === undefined) return;
    const next = queue.shift();
    if (next !== undefined) {
      waiting.resolve({ done: false, value: next.event });
      next.taken();
    } else if (ended !== undefined) {
      if ("error" in ended) waiting.reject(ended.error);
      else waiting.resolve({ done: true, value: undefined });
    } else {
      return;
    }
    waiting = undefined;
  };
  const end = (how: { readonly error?: unknown }): void => {
    ended ??= how;
    settle();
  };
  const send = (event: EventFields): Promise<void> => {
    if (ended !== undefined || signal.aborted) {
      return Promise.reject(new SseError("source-failed", "Cannot send event as the stream has ended"));
    }
    try {
      encodeEvent(event);
    } catch (error) {
      return Promise.reject(error);
    }
    if (queue.length >= MAX_UNSENT) {
      return Promise.reject(
        new SseError("too-many-pending", `Cannot send event as ${MAX_UNSENT} wait already: await send()`),
      );
    }
    const sending = new Promise<void>((taken, failed) => {
      queue.push({ event, taken, failed });
      settle();
    });
    sending.catch(() => {}); // a client that leaves must not kill a process that does not await
    return sending;
  };
  return {
    next() {
      waiting = Promise.withResolvers();
      const { promise } = waiting;
      if (!started) {
        started = true;
        (async () => await callback({ send, signal }))().then(() => end({}), (error) => end({ error }));
      }
      settle();
      return promise;
    },
    return() {
      end({});
      for (const { failed } of queue.splice(0)) {
        failed(new SseError("source-failed", "Cannot send event as the client has left"));
      }
      return Promise.resolve({ done: true, value: undefined });
    },
  };
}
