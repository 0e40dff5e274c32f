import { readableSink } from "../broker/stream_sink.ts";
import type { Subscriber } from "../broker/subscriber.ts";
import { hostOf } from "./hosts.ts";
import { endWithRequest } from "./leaving.ts";

/** A response that we made, and its subscriber. */
interface Carried {
  readonly subscriber: Subscriber;
  readonly body: ReadableStream<Uint8Array>;
  /** Whether an adapter sends it as it is, and so ends the subscriber when the client leaves. */
  isSentAsItIs: boolean;
}

const carried = new WeakMap<Response, Carried>();

/**
 * Makes the response of a subscriber, which an adapter can find again. The subscriber ends when the request has gone.
 *
 * @param info What the host has passed beside the request.
 */
export function carry(subscriber: Subscriber, request: Request, info: unknown, init: ResponseInit): Response {
  let watch: (() => void) | undefined = () => endWithRequest(subscriber, request, info);
  if (hostOf(request) === undefined) {
    watch();
    watch = undefined;
  }
  const body = readableSink((open) => {
    subscriber.attach((leave) =>
      open(() => {
        watch = undefined;
        leave();
      })
    );
    // Middleware wrapped or cloned it: its reader may leave without telling us
    if (!own.isSentAsItIs) watch?.();
    watch = undefined; // so that the request may be collected before the stream ends
  });
  const own: Carried = { subscriber, body, isSentAsItIs: false };
  const response = new Response(body, init);
  carried.set(response, own);
  return response;
}

/**
 * The subscriber whose bytes are this response's body, for an adapter that has
 * a faster sink for {@linkcode Subscriber.attach}. It is `undefined` if the body was
 * read from, cloned, teed, piped, or put into another response. Then the response
 * must be sent as it is.
 *
 * @example An adapter that takes a faster way where it can
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Broker, createHandler, subscriberOf } from "@freshet/sse";
 *
 * await using broker = new Broker();
 * const handler = createHandler(broker, { topics: "pets" });
 *
 * const response = await handler(new Request("http://localhost/"));
 * const subscriber = subscriberOf(response); // now attach a sink to it
 * assertEquals(subscriber?.topics, ["pets"]);
 * assertEquals(subscriberOf(new Response("other")), undefined); // to be sent as it is
 * ```
 *
 * @param response What a handler returned.
 * @returns The subscriber, or `undefined`.
 */
export function subscriberOf(response: Response): Subscriber | undefined {
  return untouched(response)?.subscriber;
}

/** The same, for an adapter that ends the subscriber when the client leaves. */
export function takeSubscriberOf(response: Response): Subscriber | undefined {
  const own = untouched(response);
  if (own !== undefined) own.isSentAsItIs = true;
  return own?.subscriber;
}

function untouched(response: Response): Carried | undefined {
  const own = carried.get(response);
  if (own === undefined || own.subscriber.attached || own.body.locked) return undefined;
  return response.bodyUsed || response.body !== own.body ? undefined : own;
}
