import { isEventStream, notAnEventStream } from "../wire/event_stream_response.ts";
import { ask, type FetchLike, type HeadersSource, Permanent, type RequestOptions, resolveUrl } from "./request.ts";
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
  /** Further headers, or a function that makes them, which is called at each attempt. */
  readonly headers?: HeadersSource | undefined;
}

/** A `MessageEvent` whose data is text, whatever the platform's types say of it. */
export type EventSourceMessage = Omit<InstanceType<typeof MessageEvent>, "data"> & {
  /** The payload. */
  readonly data: string;
};

/** What an `EventSource` dispatches beside events of the stream's own types. */
export interface EventSourceEventMap {
  /** The connection has been made. */
  open: Event;
  /** An event without a type of its own. */
  message: EventSourceMessage;
  /** The connection is lost. `readyState` says whether it is lost for good. */
  error: EventSourceErrorEvent;
}

/** What an `error` event says beside the standard's, which says nothing. */
export interface EventSourceErrorEvent extends Event {
  /** What has happened, in words for a log. */
  readonly message: string | undefined;
  /** The response's status, if a response was refused. */
  readonly status: number | undefined;
}

/** An event handler, as `onmessage` takes it. */
export type EventSourceHandler<E extends Event> = ((this: EventSource, event: E) => unknown) | null;

/** What is called for a type: only `open` and `error` are not messages. */
export type EventSourceListener<T extends string> =
  | ((
    this: EventSource,
    event: T extends keyof EventSourceEventMap ? EventSourceEventMap[T] : EventSourceMessage,
  ) => unknown)
  | { handleEvent(event: Event): void };

/** § 9.2.2: "an implementation-defined value, probably in the region of a few seconds"; in milliseconds, as in Chromium. */
const RECONNECTION_TIME = 3_000;

/** What a class could say only with more code: the listeners' types, and members that are made alike. */
export interface EventSource {
  /** 0. */
  readonly CONNECTING: 0;
  /** 1. */
  readonly OPEN: 1;
  /** 2. */
  readonly CLOSED: 2;
  /** Called when a connection has been made. */
  onopen: EventSourceHandler<Event>;
  /** Called for each event without a type of its own. */
  onmessage: EventSourceHandler<EventSourceMessage>;
  /** Called when the connection is lost: `readyState` says whether for good. */
  onerror: EventSourceHandler<EventSourceErrorEvent>;
  /**
   * Calls a listener for each event of a type.
   *
   * @param type `"open"`, `"error"`, `"message"`, or a type of the stream's own.
   * @param listener What to call.
   * @param options Whether to call once, until when.
   */
  addEventListener<T extends string>(
    type: T,
    listener: EventSourceListener<T> | null,
    options?: Parameters<EventTarget["addEventListener"]>[2],
  ): void;
  /**
   * Removes a listener.
   *
   * @param type The type it was added for.
   * @param listener What was added.
   * @param options Whether it was added for capturing.
   */
  removeEventListener<T extends string>(
    type: T,
    listener: EventSourceListener<T> | null,
    options?: Parameters<EventTarget["removeEventListener"]>[2],
  ): void;
}

/**
 * The standard's `EventSource`, built on `fetch` alone, for runtimes that have
 * none, and with headers of your own:
 * {@link https://html.spec.whatwg.org/multipage/server-sent-events.html#the-eventsource-interface | § 9.2.2}.
 *
 * It behaves as those of browsers do. Any status but 200 ends it for good. After
 * any other failure it tries again after the reconnection time, with the last event
 * ID. An event that is longer than 16 Mi UTF-16 code units ends it too.
 * `connect()` has more options.
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
  declare static readonly CONNECTING: 0;
  /** A stream is being read. */
  declare static readonly OPEN: 1;
  /** It has ended for good. */
  declare static readonly CLOSED: 2;

  // Pure, so that a bundle of `connect()` alone leaves the class out
  static readonly #exposed: void = /* @__PURE__ */ this.#expose();

  readonly #url: string;
  readonly #init: RequestOptions;
  readonly #loop: StreamLoop;
  readonly #handlers: Record<string, EventSourceHandler<never>> = {};
  #readyState: 0 | 1 | 2 = 0;
  #reconnectionTime = RECONNECTION_TIME;
  #origin = "";

  /**
   * Connects, once the present turn is over.
   *
   * @param url Where the event stream is; relative to the page, where there is one.
   * @param init Credentials, headers, `fetch`.
   * @throws {TypeError} If there is no URL.
   * @throws {DOMException} `SyntaxError` if the URL cannot be parsed.
   */
  constructor(url: string | URL, init: EventSourceInit = {}) {
    super();
    if (arguments.length === 0) throw new TypeError("Cannot connect without a URL");
    // § 9.2.2, steps 3 to 5 of the constructor: parse the URL; failure is a SyntaxError
    try {
      this.#url = resolveUrl(url).href;
    } catch (error) {
      throw new DOMException((error as Error).message, "SyntaxError");
    }
    // § 9.2.2, steps 6 to 8: a potential-CORS request
    this.#init = { ...init, credentials: init.withCredentials ? "include" : undefined };
    this.#loop = new StreamLoop({
      request: (lastEventId, signal) => this.#request(lastEventId, signal),
      onOpen: (response) => this.#announce(response),
      onEvent: ({ type, data, lastEventId }) => {
        // § 9.2.6, steps 4 to 6 of dispatching; step 8: not if it is closed. The loop ends with `close()`
        this.dispatchEvent(new MessageEvent(type, { data, origin: this.#origin, lastEventId }));
      },
      // § 9.2.6: set the event stream's reconnection time
      onRetry: (retry) => this.#reconnectionTime = retry,
      onLost: (failure) => this.#lose(failure),
    });
    // § 9.2.2, step 15: fetch the request
    void this.#loop.run();
  }

  /** The URL, resolved: not where redirects led to. */
  get url(): string {
    return this.#url;
  }

  /** Whether cookies are sent to other origins. */
  get withCredentials(): boolean {
    return this.#init.credentials !== undefined;
  }

  /** Where it stands: `CONNECTING`, `OPEN` or `CLOSED`. */
  get readyState(): 0 | 1 | 2 {
    return this.#readyState;
  }

  /** § 9.2.2: aborts the fetch and sets `readyState` to `CLOSED`. Nothing is dispatched any more. */
  close(): void {
    this.#readyState = 2;
    this.#loop.end();
  }

  /** § 9.2.2, step 15 of the constructor, and the last steps of reestablishing in § 9.2.3. */
  async #request(lastEventId: string, signal: AbortSignal): Promise<Response> {
    const response = await ask(this.#url, this.#init, lastEventId, signal);
    // Step 15.3: any other status or type fails the connection
    if (isEventStream(response)) return response;
    throw new Permanent({ message: notAnEventStream(response), status: response.status });
  }

  /** § 9.2.3: announce the connection. */
  #announce({ url }: Response): void {
    // § 9.2.6, step 5 of dispatching: the origin of the final URL, after redirects
    this.#origin = new URL(url || this.#url).origin;
    this.#readyState = 1;
    this.dispatchEvent(new Event("open"));
  }

  /** § 9.2.3: reestablish the connection, or fail it: back to CONNECTING or CLOSED for good, and an event named error. */
  #lose(failure: unknown): number {
    const isFinal = failure instanceof Permanent;
    const { message, status } = Object(isFinal ? failure.error : failure);
    if (isFinal) this.close();
    else this.#readyState = 0;
    this.dispatchEvent(Object.assign(new Event("error"), { message, status }));
    // Step 2 of reestablishing: a delay equal to the reconnection time
    return this.#reconnectionTime;
  }

  /** Web IDL: constants stand on the class and on its prototype, and every member is enumerable. */
  static #expose(): void {
    const members = this.prototype;
    ["CONNECTING", "OPEN", "CLOSED"].forEach((name, value) => {
      for (const owner of [this, members]) Object.defineProperty(owner, name, { value, enumerable: true });
    });
    for (const type of ["open", "message", "error"]) {
      Object.defineProperty(members, `on${type}`, {
        configurable: true,
        get(this: EventSource) {
          return this.#handlers[type] ?? null;
        },
        set(this: EventSource, handler: unknown) {
          this.#setHandler(type, handler);
        },
      });
    }
    for (const name of ["url", "withCredentials", "readyState", "close", "onopen", "onmessage", "onerror"]) {
      Object.defineProperty(members, name, { enumerable: true });
    }
  }

  #setHandler(type: string, handler: unknown): void {
    if (typeof handler === "function") {
      this.#handlers[type] = handler as EventSourceHandler<never>;
      this.addEventListener(type, this.#call); // in its old place, if there was one before it
    } else {
      delete this.#handlers[type];
      this.removeEventListener(type, this.#call);
    }
  }

  readonly #call = (event: Event): void => {
    this.#handlers[event.type]?.call(this, event as never);
  };
}
