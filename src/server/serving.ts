import type { Subscriber } from "../broker/subscriber.ts";
import { after } from "../time/timer.ts";
import { takeSubscriberOf } from "./carried.ts";
import { hostedBy } from "./hosts.ts";
import type { ServeHandler, ServeInfo, ServeOptions, Server } from "./serve_options.ts";

/** What all adapters do alike: answer for a handler that throws, know their open streams, end them when closing. */
export class Serving {
  readonly #handler: ServeHandler;
  readonly #options: ServeOptions;
  readonly #open = new Set<Subscriber>();
  #closing: Promise<void> | undefined;

  constructor(handler: ServeHandler, options: ServeOptions) {
    this.#handler = handler;
    this.#options = options;
  }

  readonly #forget = (subscriber: Subscriber): void => void this.#open.delete(subscriber);

  /**
   * The handler's response, or that of `onError`. Never rejects.
   *
   * @param over Settles when the request is over, where the runtime tells.
   */
  async respond(request: Request, info: ServeInfo, over?: Promise<unknown>): Promise<Response> {
    try {
      hostedBy(request, over === undefined ? this : { failed: (error) => this.failed(error), over });
      const response = await this.#handler(request, info);
      if (!(response instanceof Response)) {
        throw new TypeError(`Cannot answer as the handler must return a Response: got ${typeof response}`);
      }
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

  /** The answer to an error. */
  failed(error: unknown): Response {
    const { onError } = this.#options;
    if (onError === undefined) console.error(error);
    return onError?.(error) ?? new Response("Internal Server Error", { status: 500 });
  }

  /**
   * The server that users see.
   *
   * @param url Where it listens.
   * @param stop Stops accepting; resolves when nothing is under way.
   * @param cut Ends at once what is under way.
   */
  server(url: string, stop: () => Promise<unknown>, cut: () => unknown): Server {
    const { signal, closeTimeout = 2_000, onClosing } = this.#options;
    const close = async (): Promise<void> => {
      signal?.removeEventListener("abort", abort);
      const stopped = stop();
      await onClosing?.().catch((error) => this.failed(error)); // the streams are ended all the same
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
