import { SseError } from "../errors.ts";
import { checkNumber } from "../wire/check_number.ts";
import type { ParsedEvent } from "../wire/event.ts";
import type { Gap } from "../wire/gap.ts";
import { PulledEvents } from "../wire/pulled_events.ts";
import { sourceFailed } from "../wire/source_failed.ts";
import { attempt, NO_CONTENT } from "./attempt.ts";
import { makeBackoff, nextWait } from "./backoff.ts";
import type { ConnectOptions } from "./connect_options.ts";
import { isHidden, watchPage } from "./page_events.ts";
import { call } from "./report.ts";
import { Permanent, resolveUrl } from "./request.ts";
import { ResponseError } from "./response_error.ts";
import { StreamLoop } from "./stream_loop.ts";

/**
 * Why a connection is closed: `"closed"` (by `close()`, or by leaving the
 * loop), `"aborted"` (by its signal, whose reason is `error`), `"ended"` (the
 * server answered 204, or its stream ended and `reconnect` is `false`),
 * `"failed"` (for good, by `error`).
 */
export interface ConnectionEnd {
  /** What closed it. */
  readonly reason: "closed" | "aborted" | "ended" | "failed";
  /** What a loop over its events throws: for `"aborted"` and `"failed"`. */
  readonly error?: unknown;
}

/** A connection to an event stream that resumes. It is read in one way: as an async iterable, or by listeners. */
export interface EventStreamConnection extends AsyncIterable<ParsedEvent>, AsyncDisposable {
  /** The URL that is asked for. */
  readonly url: string;
  /** `"connecting"` until a response is read, also between two of them; `"open"` while one is read; `"closed"` for good. */
  readonly readyState: "connecting" | "open" | "closed";
  /** The last event ID: that of the last event that was given out, or of a later block without data. Save it to resume. */
  readonly lastEventId: string;
  /** Resolves with the reason when it is closed. Never rejects. */
  readonly closed: Promise<ConnectionEnd>;
  /**
   * Its events. They can be read once. A slow loop slows the socket. To leave the loop closes the connection.
   *
   * @throws {TypeError} If it is being read already.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<ParsedEvent, undefined>;
  /**
   * Calls a listener for each event of a type. If it throws, its error is reported as uncaught, and nothing else changes.
   *
   * @param type The event type: `"message"` for events that have none.
   * @param listener What to call.
   * @returns Removes the listener.
   * @throws {TypeError} If it is being read in a loop.
   */
  on(type: string, listener: (event: ParsedEvent) => void): () => void;
  /**
   * Calls a listener for each event, after the listeners of its type.
   *
   * @param listener What to call.
   * @returns Stops that.
   * @throws {TypeError} If it is being read in a loop.
   */
  onAny(listener: (event: ParsedEvent) => void): () => void;
  /** Closes it: no event follows. May be called again. */
  close(): Promise<void>;
}

/**
 * Connects to an event stream, and connects again with the last event ID whenever
 * it breaks off. A server that replays (Freshet's does, with its replay store)
 * sends each event once, in order. No request is made before the first `next()` or
 * the first `on()`.
 *
 * @example Events, wherever they come from
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Broker, createHandler } from "@freshet/sse";
 * import { connect } from "@freshet/sse/client";
 *
 * await using broker = new Broker();
 * const handler = createHandler(broker, { topics: "pets", start: "all" });
 * await broker.publish("pets", { data: "woof" });
 *
 * const events = connect("http://localhost/pets", {
 *   headers: async () => ({ authorization: `Bearer ${await Promise.resolve("fresh token")}` }),
 *   fetch: (url, init) => handler(new Request(url, init)),
 * });
 * for await (const event of events) {
 *   assertEquals(event.data, "woof");
 *   break; // closes it
 * }
 * assertEquals(await events.closed, { reason: "closed" });
 * ```
 *
 * @param url Where the event stream is; relative to the page, where there is one.
 * @param options How to ask for it, when to try again, what to call.
 * @returns The connection, before it is made.
 * @throws {TypeError} If an option's name is unknown, or if the URL, the method, the headers or the combination of body and method are not valid.
 * @throws {RangeError} If a number is out of bounds.
 */
export function connect(url: string | URL, options: ConnectOptions = {}): EventStreamConnection {
  const { body, headers, method = "GET", reconnect = true, signal } = options;
  for (const name of Object.keys(options)) {
    if (!NAMES.includes(name)) throw new TypeError(`Cannot connect as there is no option of this name: got ${name}`);
  }
  const { href } = resolveUrl(url);
  // Refuses what can be refused at once: a bad method or header
  const request = new Request(href, { method, headers: typeof headers === "function" ? {} : headers ?? {} });
  if (body !== undefined && /^(?:GET|HEAD)$/.test(request.method)) {
    throw new TypeError(`Cannot connect as ${request.method} takes no body`);
  }
  checkNumber("inactivityTimeout", options.inactivityTimeout ?? 0);

  const backoff = makeBackoff(options.backoff);
  const closed = Promise.withResolvers<ConnectionEnd>();
  const listening = new AbortController(); // to the signal and to the page
  const listeners = new Map<string | undefined, Set<Listener>>();
  /** Not of what cannot be had again. */
  const pauses = options.whenHidden === "pause" && reconnect && !(body instanceof ReadableStream);
  let readyState: EventStreamConnection["readyState"] = "connecting";
  let reading: "loop" | "listeners" | undefined;
  /** Failures since a connection was healthy. */
  let failures = 0;
  let openedAt = 0;
  /** The server's reconnection time, in milliseconds. */
  let reconnectionTime = 0;
  /** When the server allows us to come back. */
  let notBefore = 0;
  /** The ID of the last event that was given out. */
  let givenId = options.lastEventId ?? "";

  const loop = new StreamLoop({
    ...options,
    onEvent(event) {
      failures = 0;
      events.push(event);
    },
    onComment: options.onComment && ((comment) => events.push(() => call(options.onComment, comment))),
    onRetry: (time) => reconnectionTime = time,
    request: (lastEventId, signal) => attempt(href, options, lastEventId, signal),
    onOpen(response) {
      openedAt = performance.now();
      become("open");
      call(options.onOpen, response);
    },
    onLost,
  });
  const events = new PulledEvents({
    read: () => loop.step(),
    leave: close,
    accept(event) {
      givenId = event.lastEventId;
      return !isTold(event, options);
    },
  });
  if (signal?.aborted) abort();
  else signal?.addEventListener("abort", abort, listening);

  return {
    url: href,
    closed: closed.promise,
    get readyState() {
      return readyState;
    },
    get lastEventId() {
      return lastEventId();
    },
    on: listen,
    onAny: (listener) => listen(undefined, listener),
    [Symbol.asyncIterator]: () => readAs("loop"),
    close,
    [Symbol.asyncDispose]: close,
  };

  function lastEventId(): string {
    return events.isEmpty && readyState !== "closed" ? loop.lastEventId : givenId;
  }

  function readAs(how: "loop" | "listeners"): PulledEvents {
    if (reading !== undefined) throw new TypeError("Cannot read events as they are being read already");
    reading = how;
    watchPage(onPageChange, listening.signal);
    return events;
  }

  function listen(type: string | undefined, listener: Listener): () => void {
    if (reading !== "listeners") void dispatchAll(readAs("listeners"));
    let own = listeners.get(type);
    if (own === undefined) listeners.set(type, own = new Set());
    own.add(listener);
    return () => void own.delete(listener);
  }

  async function dispatchAll(events: PulledEvents): Promise<void> {
    await undefined; // so that all listeners that are added in this turn get every event
    try {
      for await (const event of events) {
        for (const type of [event.type, undefined]) {
          for (const listener of listeners.get(type) ?? []) {
            if (readyState !== "closed") call(listener, event);
          }
        }
      }
    } catch {
      // `closed` tells
    }
  }

  // deno-lint-ignore require-await
  async function close(): Promise<void> {
    leave({ reason: "closed" });
  }

  function abort(): void {
    leave({ reason: "aborted", error: signal!.reason });
  }

  /** Events before a failure are given out first. After the loop has been left, none is. */
  function leave(end: ConnectionEnd): void {
    finish(end);
    events.drop();
  }

  function finish(end: ConnectionEnd): void {
    if (readyState === "closed") return;
    givenId = lastEventId();
    become("closed");
    events.end("error" in end ? { error: end.error } : undefined);
    listening.abort();
    loop.end();
    closed.resolve(end);
  }

  function become(state: EventStreamConnection["readyState"]): void {
    if (readyState === state) return;
    readyState = state;
    call(options.onReadyState, state);
  }

  function onPageChange(): void {
    if (!isHidden()) loop.hurry(notBefore - performance.now());
    else if (pauses) loop.breakOff(HIDDEN);
  }

  /** Whether to try again, and when. */
  function onLost(failure: unknown): number {
    const now = performance.now();
    if (readyState === "open" && now - openedAt >= HEALTHY_MS) failures = 0;
    become("connecting");
    if (events.hasEnded) return 0; // by the callback that was told of it
    // The time that the server asked for is kept, whatever the page does meanwhile
    const asked = failure === HIDDEN
      ? 0
      : Math.max(reconnectionTime, failure instanceof ResponseError ? failure.retryAfter : 0);
    notBefore = now + asked;
    if (pauses && isHidden()) return Infinity; // until it is shown
    if (failure === HIDDEN) return 0;
    try {
      if (failure === NO_CONTENT) throw failure;
      if (failure instanceof Permanent) throw failure.error;
      const error = failure instanceof SseError ? failure : sourceFailed(failure);
      if (!reconnect) throw error.code === "stream-ended" ? NO_CONTENT : error;
      if (body instanceof ReadableStream) {
        const message = "Cannot reconnect as the body is a stream: give a function that makes it";
        throw new SseError("body-used", message, { cause: error });
      }
      const delay = asked + nextWait(backoff, ++failures, error);
      call(options.onRetry, error, delay, failures);
      return delay;
    } catch (error) {
      finish(error === NO_CONTENT ? { reason: "ended" } : { reason: "failed", error });
      return 0;
    }
  }
}

/** The names of all options. */
const NAMES = ("method headers body credentials fetch lastEventId reconnect backoff validate inactivityTimeout " +
  "maxEventSize whenHidden onReadyState onOpen onRetry onGap onCloseNotice onComment signal").split(" ");

/** How long a connection without an event must last to count as healthy. */
const HEALTHY_MS = 5_000;

type Listener = (event: ParsedEvent) => void;

/** The reason for which the connection of a hidden page is closed. */
const HIDDEN = new Permanent(undefined);

/** Whether it was one of Freshet's own events, and there is a callback for it. */
function isTold({ type, data }: ParsedEvent, { onCloseNotice, onGap }: ConnectOptions): boolean {
  const hook = type === "gap"
    ? onGap
    : type === "close" && onCloseNotice && ((told: Gap) => onCloseNotice(told.reason));
  if (!hook) return false;
  try {
    const told = JSON.parse(data);
    if (typeof told.reason !== "string") return false;
    call(hook, told);
    return true;
  } catch {
    return false; // an event of that type that is not Freshet's
  }
}
