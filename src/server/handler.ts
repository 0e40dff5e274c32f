import type { Broker } from "../broker/broker.ts";
import { SseError } from "../errors.ts";
import type { Delivery } from "../broker/entry.ts";
import type { SubscribeOptions } from "../broker/subscriber.ts";
import { checkPattern } from "../topic.ts";
import { carry } from "./carried.ts";
import { corsHeaders, type CorsOptions, isPreflight, preflight } from "./cors.ts";
import { full } from "./full.ts";
import { acceptsEventStream, eventStreamHeaders } from "./headers.ts";
import { lastEventIdOf } from "./last_event_id.ts";
import { problem } from "./problem.ts";

/** What a host passes beside the request: a runtime's information about the connection, or anything else. */
export type HandlerInfo = unknown;

/** Options for {@linkcode createHandler}. */
export interface HandlerOptions extends Omit<SubscribeOptions, "lastEventId" | "signal" | "filter" | "snapshot"> {
  /**
   * The topics or patterns that a request subscribes to, or how to tell; a
   * `Response` refuses instead. One that is not valid is answered with 400.
   */
  readonly topics:
    | string
    | readonly string[]
    | ((
      request: Request,
      info: HandlerInfo,
    ) => string | readonly string[] | Response | Promise<string | readonly string[] | Response>);
  /**
   * The methods that open a stream. With `"POST"` a client may send a body,
   * which `topics` or `authorize` may read.
   *
   * @default {["GET"]}
   */
  readonly methods?: readonly string[] | undefined;
  /**
   * Asked before anything is subscribed to: `true` lets pass, `false` answers
   * 403, a `Response` is the answer (401 with `www-authenticate`, say). One that
   * throws answers 500 and opens nothing.
   */
  readonly authorize?:
    | ((request: Request, info: HandlerInfo) => boolean | Response | Promise<boolean | Response>)
    | undefined;
  /**
   * Pages of which other origins may read.
   *
   * @default none: only pages of the same origin
   */
  readonly cors?: CorsOptions | undefined;
  /** Whether a client is told to stop for good, with 204: it will not come back. */
  readonly gone?: ((request: Request, info: HandlerInfo) => boolean | Promise<boolean>) | undefined;
  /**
   * How many streams this handler has open at most.
   *
   * @default {Infinity}
   */
  readonly maxStreams?: number | undefined;
  /**
   * How a client is answered while `maxStreams` are open, or the broker closes.
   * `"503"` says so with `Retry-After`; but a browser's `EventSource` never
   * comes back after an error. So `"retry"` answers 200 with a `retry:` and ends.
   *
   * @default {"503"}
   */
  readonly whenFull?: "retry" | "503" | undefined;
  /**
   * How long clients are then asked to wait, in milliseconds; each is given up
   * to half as much more, at random.
   *
   * @default {5_000}
   */
  readonly retryWhenFull?: number | undefined;
  /** Headers to add to every event stream. */
  readonly headers?: HeadersInit | undefined;
  /** Leaves out events for which it returns `false`; see `SubscribeOptions`. */
  readonly filter?: ((delivery: Delivery, request: Request) => boolean) | undefined;
  /** The present state, for who begins and after a gap; see `SubscribeOptions`. */
  readonly snapshot?:
    | ((why: "start" | "gap", request: Request) => ReturnType<NonNullable<SubscribeOptions["snapshot"]>>)
    | undefined;
}

/**
 * Makes a handler that answers a request with the event stream of a broker's
 * topics, for every host that takes `(Request) => Response`: `Deno.serve`,
 * `Bun.serve`, Hono, workers, and Node by our adapter.
 *
 * HEAD never opens a stream; other methods get 405; a client whose `Accept`
 * excludes event streams 406.
 *
 * @example A handler
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Broker, createHandler, parseEvents } from "@freshet/sse";
 *
 * await using broker = new Broker();
 * const handler = createHandler(broker, { topics: "pets/**" });
 *
 * const response = await handler(new Request("http://localhost/"));
 * await broker.publish("pets/dogs", { data: "woof" });
 * for await (const event of parseEvents(response)) {
 *   assertEquals(event.data, "woof");
 *   break;
 * }
 * ```
 *
 * @param broker Whose topics.
 * @param options Which topics, for whom, and how.
 * @returns The handler. Its second argument is whatever the host passes. It never rejects but for what `topics` throws.
 * @throws {TypeError} If a topic given as text is not valid.
 */
export function createHandler(
  broker: Pick<Broker, "subscribe">,
  options: HandlerOptions,
): (request: Request, info?: HandlerInfo) => Promise<Response> {
  const {
    topics,
    methods = ["GET"],
    authorize,
    cors,
    gone,
    maxStreams = Infinity,
    whenFull = "503",
    retryWhenFull = 5_000,
    headers,
    filter,
    snapshot,
    ...subscribeOptions
  } = options;
  if (typeof topics !== "function") { for (const topic of [topics].flat()) checkPattern(topic); }
  const allow = [...new Set([...methods, ...(methods.includes("GET") ? ["HEAD"] : []), "OPTIONS"])].join(", ");
  let streams = 0;

  return async (request, info) => {
    const response = await answer(request, info);
    if (cors !== undefined) {
      for (const [name, value] of corsHeaders(request, cors)) response.headers.append(name, value);
    }
    return response;
  };

  async function answer(request: Request, info: HandlerInfo): Promise<Response> {
    if (cors !== undefined && isPreflight(request)) return preflightWithoutCors(request);
    const isHead = request.method === "HEAD" && methods.includes("GET");
    if (!isHead && !methods.includes(request.method)) {
      if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
      return problem(405, `This resource answers ${allow}: got ${request.method}`, { allow });
    }
    if (!acceptsEventStream(request.headers.get("accept"))) {
      return problem(406, `This resource is text/event-stream: got accept ${request.headers.get("accept")}`);
    }
    const allowed = authorize === undefined ? true : await authorize(request, info);
    if (allowed instanceof Response) return mutable(allowed);
    if (!allowed) return problem(403, "This request is not allowed to subscribe");
    const wanted = typeof topics === "function" ? await topics(request, info) : topics;
    if (wanted instanceof Response) return mutable(wanted);
    if (await gone?.(request, info)) return new Response(null, { status: 204 });
    if (isHead) return new Response(null, { headers: eventStreamHeaders(headers) });
    return streams >= maxStreams ? full(whenFull, retryWhenFull, headers) : open(request, info, wanted);
  }

  function open(request: Request, info: HandlerInfo, wanted: string | readonly string[]): Response {
    try {
      const subscriber = broker.subscribe(wanted, {
        ...subscribeOptions,
        lastEventId: lastEventIdOf(request),
        ...(filter && filterFor(request, filter)),
        ...(snapshot && snapshotFor(request, snapshot)),
      });
      if (maxStreams < Infinity) {
        streams++;
        subscriber.onceClosed(ended);
      }
      keepOpen(request, info);
      return carry(subscriber, { headers: eventStreamHeaders(headers) });
    } catch (error) {
      if (error instanceof SseError && error.code === "broker-closed") return full(whenFull, retryWhenFull, headers);
      if (error instanceof TypeError) return problem(400, error.message);
      throw error;
    }
  }

  function ended(): void {
    streams--;
  }

  function preflightWithoutCors(request: Request): Response {
    const response = preflight(request, methods, cors!);
    for (const name of corsHeaders(request, cors!).keys()) response.headers.delete(name); // added to every answer
    return response;
  }
}

function filterFor(request: Request, filter: NonNullable<HandlerOptions["filter"]>): Pick<SubscribeOptions, "filter"> {
  return { filter: (delivery) => filter(delivery, request) };
}

function snapshotFor(
  request: Request,
  snapshot: NonNullable<HandlerOptions["snapshot"]>,
): Pick<SubscribeOptions, "snapshot"> {
  return { snapshot: (why) => snapshot(why, request) };
}

/** Bun ends a connection that is silent for ten seconds: not one that we answer. Its server is what it passes. */
function keepOpen(request: Request, info: HandlerInfo): void {
  const server = info as { timeout?: unknown } | null | undefined;
  if (typeof server?.timeout !== "function") return;
  try {
    server.timeout(request, 0);
  } catch {
    // Somebody else's `timeout`: then the heartbeat keeps the stream alive
  }
}

/** Headers of a fetched or redirecting response cannot be changed: take a copy that can. */
function mutable(response: Response): Response {
  return new Response(response.body, response);
}
