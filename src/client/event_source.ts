import { isEventStream } from "../wire/event_stream_response.ts";
import { ask, type FetchLike, type HeadersSource, Permanent, resolveUrl } from "./request.ts";
import { StreamLoop } from "./stream_loop.ts";

/** Options for {@linkcode EventSource}: the standard's one, and what browsers lack. */
export interface EventSourceInit {
  /**
   * Whether cookies are sent to other origins.
   *
   * @default {false}
   */
  readonly withCredentials?: boolean | undefined;
  /**
   * Makes the requests.
   *
   * @default the global `fetch`
   */
  readonly fetch?: FetchLike | undefined;
  /** Further headers, or a function that makes them, asked at each attempt. */
  readonly headers?: HeadersSource | undefined;
}

/** What an `EventSource` dispatches beside events of the stream's own types. */
export interface EventSourceEventMap {
  /** The connection has been made. */
  open: Event;
  /** An event without a type of its own. */
  message: MessageEvent<string>;
  /** The connection is lost: `readyState` says whether for good. */
  error: Event;
}

/** An event handler, as `onmessage` takes it. */
export type EventSourceHandler<E extends Event> = ((this: EventSource, event: E) => unknown) | null;

/** What is called for a type: only `open` and `error` are not messages. */
export type EventSourceListener<T extends string> =
  | ((
    this: EventSource,
    event: T extends keyof EventSourceEventMap ? EventSourceEventMap[T] : MessageEvent<string>,
  ) => unknown)
  | EventListenerObject;

/** § 9.2.2: "an implementation-defined value, probably in the region of a few seconds"; in milliseconds, as in Chromium. */
const RECONNECTION_TIME = 3_000;

/** The listeners' types: a class could say them only by overriding what needs none. */
export interface EventSource {
  /**
   * Calls for each event of a type.
   *
   * @param type `"open"`, `"error"`, `"message"`, or a type of the stream's own.
   * @param listener What to call.
   * @param options Whether to call once, until when.
   */
  addEventListener<T extends string>(
    type: T,
    listener: EventSourceListener<T> | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  /**
   * Stops calling.
   *
   * @param type The type it was added for.
   * @param listener What was added.
   * @param options Whether it was added for capturing.
   */
  removeEventListener<T extends string>(
    type: T,
    listener: EventSourceListener<T> | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

/**
 * The standard's `EventSource`, on `fetch` alone, wherever there is none or a
 * poorer one, and with headers of your own:
 * {@link https://html.spec.whatwg.org/multipage/server-sent-events.html#the-eventsource-interface | § 9.2.2}.
 *
 * It behaves as browsers' do: any status but 200 ends it for good, everything
 * else is tried again after the reconnection time, with the last event ID. An
 * event that is longer than 16 Mi UTF-16 code units ends it too. `connect()`
 * has more to set.
 *
 * @example Events of a server
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { EventSource } from "@freshet/sse/client";
 *
 * const source = new EventSource("http://localhost/news", {
 *   fetch: () =>
 *     Promise.resolve(
 *       new Response("id: 1\ndata: hello\n\n", { headers: { "content-type": "text/event-stream" } }),
 *     ),
 * });
 * const event = await new Promise<MessageEvent<string>>((resolve) => source.onmessage = resolve);
 * assertEquals([event.data, event.lastEventId, event.origin], ["hello", "1", "http://localhost"]);
 * source.close();
 * ```
 */
export class EventSource extends EventTarget {
  /** A connection is being made, for the first time or again. */
  static readonly CONNECTING = 0;
  /** A stream is being read. */
  static readonly OPEN = 1;
  /** It has ended for good. */
  static readonly CLOSED = 2;

  /** The URL, resolved: not where redirects led to. */
  readonly url: string;
  /** Whether cookies are sent to other origins. */
  readonly withCredentials: boolean;

  readonly #init: EventSourceInit;
  readonly #loop: StreamLoop;
  readonly #handlers = new Map<string, EventSourceHandler<never>>();
  #readyState: 0 | 1 | 2 = 0;
  #reconnectionTime = RECONNECTION_TIME;
  #origin = "";

  /**
   * Connects, once the present turn is over.
   *
   * @param url Where the event stream is; relative to the page, where there is one.
   * @param init Credentials, headers, `fetch`.
   * @throws {DOMException} `SyntaxError` if the URL cannot be parsed.
   */
  constructor(url: string | URL, init: EventSourceInit = {}) {
    super();
    // § 9.2.2, steps 3 to 5 of the constructor: parse the URL; failure is a SyntaxError
    try {
      this.url = resolveUrl(url).href;
    } catch (error) {
      throw new DOMException((error as Error).message, "SyntaxError");
    }
    // § 9.2.2, steps 6 and 7: the CORS state
    this.withCredentials = init.withCredentials ?? false;
    this.#init = init;
    this.#loop = new StreamLoop({
      request: (lastEventId, signal) => this.#request(lastEventId, signal),
      onOpen: (response) => this.#announce(response),
      onEvent: ({ type, data, lastEventId }) => {
        // § 9.2.6, steps 4 to 6 of dispatching; step 8: not if it is closed. The loop ends with `close()`
        this.dispatchEvent(new MessageEvent(type, { data, origin: this.#origin, lastEventId }));
      },
      // § 9.2.6: set the event stream's reconnection time
      onRetry: (retry) => this.#reconnectionTime = retry,
      onLost: (failure) => failure instanceof Permanent ? this.#fail() : this.#reestablish(),
    });
    // § 9.2.2, step 15: fetch the request
    void this.#loop.run();
  }

  /** 0. */
  get CONNECTING(): 0 {
    return 0;
  }

  /** 1. */
  get OPEN(): 1 {
    return 1;
  }

  /** 2. */
  get CLOSED(): 2 {
    return 2;
  }

  /** Where it stands: `CONNECTING`, `OPEN` or `CLOSED`. */
  get readyState(): 0 | 1 | 2 {
    return this.#readyState;
  }

  /** Called when a connection has been made. */
  get onopen(): EventSourceHandler<Event> {
    return this.#handler("open");
  }
  set onopen(handler: EventSourceHandler<Event>) {
    this.#setHandler("open", handler);
  }

  /** Called for each event without a type of its own. */
  get onmessage(): EventSourceHandler<MessageEvent<string>> {
    return this.#handler("message");
  }
  set onmessage(handler: EventSourceHandler<MessageEvent<string>>) {
    this.#setHandler("message", handler);
  }

  /** Called when the connection is lost: `readyState` says whether for good. */
  get onerror(): EventSourceHandler<Event> {
    return this.#handler("error");
  }
  set onerror(handler: EventSourceHandler<Event>) {
    this.#setHandler("error", handler);
  }

  /** § 9.2.2: aborts the fetch and sets `readyState` to `CLOSED`. Nothing is dispatched any more. */
  close(): void {
    this.#readyState = 2;
    this.#loop.end();
  }

  /** § 9.2.2, steps 8 to 15 of the constructor, and the last steps of reestablishing in § 9.2.3. */
  async #request(lastEventId: string, signal: AbortSignal): Promise<Response> {
    // Step 8: a potential-CORS request
    const credentials = this.withCredentials ? "include" : undefined;
    const response = await ask(this.url, { ...this.#init, credentials }, lastEventId, signal);
    // Step 15.3: any other status or type fails the connection
    if (isEventStream(response)) return response;
    throw new Permanent(undefined);
  }

  /** § 9.2.3: announce the connection. */
  #announce({ url }: Response): void {
    // § 9.2.6, step 5 of dispatching: the origin of the final URL, after redirects
    this.#origin = new URL(url || this.url).origin;
    this.#readyState = 1;
    this.dispatchEvent(new Event("open"));
  }

  /** § 9.2.3: reestablish the connection. */
  #reestablish(): number {
    // Step 1: back to CONNECTING, and an event named error. Step 5, where it has been closed, is the loop's
    this.#readyState = 0;
    this.dispatchEvent(new Event("error"));
    // Step 2: a delay equal to the reconnection time
    return this.#reconnectionTime;
  }

  /** § 9.2.3: fail the connection. */
  #fail(): number {
    this.close();
    this.dispatchEvent(new Event("error"));
    return 0;
  }

  #handler<E extends Event>(type: string): EventSourceHandler<E> {
    return this.#handlers.get(type) as EventSourceHandler<E> | undefined ?? null;
  }

  #setHandler<E extends Event>(type: string, handler: EventSourceHandler<E>): void {
    if (typeof handler === "function") {
      this.#handlers.set(type, handler as EventSourceHandler<never>);
      this.addEventListener(type, this.#call); // in its old place, if there was one before it
    } else {
      this.#handlers.delete(type);
      this.removeEventListener(type, this.#call);
    }
  }

  readonly #call = (event: Event): void => {
    this.#handlers.get(event.type)?.call(this, event as never);
  };
}
