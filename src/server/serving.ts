import type { Subscriber } from "../broker/subscriber.ts";
import { after } from "../time/timer.ts";
import { takeSubscriberOf } from "./carried.ts";
import { BOOLEAN, checkOptions, FUNCTION, type Kind, mustBe, numberFrom } from "./check_options.ts";
import { hostedBy } from "./hosts.ts";
import type { ServeHandler, ServeInfo, ServeOptions, Server } from "./serve_options.ts";

const isFilled = (value: unknown): boolean => typeof value === "string" && value !== "";

const OPTIONS: Readonly<Record<string, Kind>> = {
  port: {
    must: "an integer from 0 to 65535",
    is: (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65_535,
    isBound: true,
  },
  hostname: { must: "a string that is not empty", is: isFilled },
  signal: { must: "an AbortSignal", is: (value) => value instanceof AbortSignal },
  tls: {
    must: "{ cert, key }, as PEM",
    is: (value) => {
      const { cert, key } = Object(value);
      return isFilled(cert) && isFilled(key);
    },
  },
  backlog: {
    must: "an integer >= 1",
    is: (value) => Number.isInteger(value) && (value as number) >= 1,
    isBound: true,
  },
  reusePort: BOOLEAN,
  closeTimeout: numberFrom(0),
  onClosing: FUNCTION,
  onError: FUNCTION,
};

/** What all adapters have in common: they answer for a handler that throws, know their open streams, and end them to close. */
export class Serving {
  readonly #handler: ServeHandler;
  readonly #options: ServeOptions;
  readonly #open = new Set<Subscriber>();
  #closing: Promise<void> | undefined;

  /** @throws {TypeError | RangeError} If an option is unknown, or not what it must be. */
  constructor(handler: ServeHandler, options: ServeOptions) {
    if (typeof handler !== "function") throw mustBe("serve", "handler", FUNCTION.must, handler);
    checkOptions("serve", options, OPTIONS);
    this.#handler = handler;
    this.#options = options;
  }

  readonly #forget = (subscriber: Subscriber): void => void this.#open.delete(subscriber);

  /** The handler's response, or that of `onError`. Never rejects. */
  async respond(request: Request, info: ServeInfo): Promise<Response> {
    try {
      hostedBy(request, this);
      const response = await this.#handler(request, info);
      if (!(response instanceof Response)) {
        throw new TypeError(`Cannot answer as the handler must return a Response: got ${typeof response}`);
      }
      if (response.type === "error") throw new TypeError("Cannot answer with Response.error()");
      const subscriber = takeSubscriberOf(response);
      if (subscriber !== undefined) {
        this.#open.add(subscriber);
        subscriber.onceClosed(this.#forget);
        if (this.#closing !== undefined) void subscriber.close("drain");
      }
      return response;
    } catch (error) {
      return this.failed(error);
    }
  }

  /** The answer to an error. Never throws. */
  failed(error: unknown): Response {
    const { onError = (error) => void console.error(error) } = this.#options;
    let response: Response | undefined;
    try {
      response = onError(error) ?? undefined;
      if (response !== undefined && !(response instanceof Response)) {
        const got = typeof response;
        response = undefined;
        throw new TypeError(`Cannot answer as onError must return a Response or undefined: got ${got}`);
      }
    } catch (failure) {
      console.error(failure);
    }
    return response ?? new Response("Internal Server Error", { status: 500 });
  }

  /**
   * The server that users see.
   *
   * @param url Where it listens.
   * @param stop Stops accepting, ends idle connections and others after their responses; resolves when none is left.
   * @param cut Ends at once what is under way.
   */
  server(url: string, stop: () => Promise<unknown>, cut: () => unknown): Server {
    const { signal, closeTimeout = 2_000, onClosing } = this.#options;
    const close = async (): Promise<void> => {
      signal?.removeEventListener("abort", abort);
      const stopped = stop();
      try {
        await onClosing?.();
      } catch (error) {
        this.failed(error); // the streams are ended all the same
      }
      await Promise.all(Array.from(this.#open, (subscriber) => subscriber.close("drain")));
      const stopWaiting = after(closeTimeout, cut);
      await stopped;
      stopWaiting();
    };
    const closeOnce = (): Promise<void> => this.#closing ??= close();
    const abort = (): void => void closeOnce().catch((error) => this.failed(error));
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
    return { url, close: closeOnce, [Symbol.asyncDispose]: closeOnce };
  }
}

/** The address as part of a URL. */
export function urlOf(hostname: string, port: number, tls: unknown): string {
  return `${tls === undefined ? "http" : "https"}://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}/`;
}
