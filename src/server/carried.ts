import type { Subscriber } from "../broker/subscriber.ts";

const subscribers = new WeakMap<Response, Subscriber>();

/** Makes the response of a subscriber, which an adapter can find again. */
export function carry(subscriber: Subscriber, init: ResponseInit): Response {
  const response = new Response(subscriber.readable, init);
  subscribers.set(response, subscriber);
  return response;
}

/**
 * The subscriber whose bytes are this response's body, for an adapter that has
 * a faster sink. None once the body is in use, or if it is not ours any more:
 * what a middleware has wrapped must be read as it is.
 *
 * @param response What a handler returned.
 */
export function subscriberOf(response: Response): Subscriber | undefined {
  if (response.bodyUsed || response.body === null || response.body.locked) return undefined;
  return subscribers.get(response);
}
