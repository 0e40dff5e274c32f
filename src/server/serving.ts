import type { Subscriber } from "../broker/subscriber.ts";
import { after } from "../time/timer.ts";
import { checkNumber } from "../wire/check_number.ts";
import { takeSubscriberOf } from "./carried.ts";
import { hostedBy } from "./hosts.ts";
import type { ServeHandler, ServeInfo, ServeOptions, Server } from "./serve_options.ts";

/** What all adapters have in common: they answer for a handler that throws, know their open streams, and end them to close. */
export class Serving {
  readonly #handler: ServeHandler;
  readonly #options: ServeOptions;
  readonly #open = new Set<Subscriber>();
  #closing: Promise<void> | undefined;

  constructor(handler: ServeHandler, options: ServeOptions) {
    checkNumber("closeTimeout", options.closeTimeout ?? 0);
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
      response = onError(error);
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
