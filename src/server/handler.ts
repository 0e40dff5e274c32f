import { type Broker, tellOnError } from "../broker/broker.ts";
import { SseError } from "../errors.ts";
import { checkSubscribeOptions } from "../broker/subscribe_options.ts";
import type { SubscribeOptions, Subscriber } from "../broker/subscriber.ts";
import { carry } from "./carried.ts";
import { corsHeaders, type CorsOptions, isPreflight, preflight } from "./cors.ts";
import { full } from "./full.ts";
import {
  checkHandlerOptions,
  checkNamed,
  type Handler,
  type HandlerInfo,
  type HandlerOptions,
  ownOptions,
} from "./handler_options.ts";
import { acceptsEventStream, eventStreamHeaders } from "./headers.ts";
import { hostOf } from "./hosts.ts";
import { lastEventIdOf } from "./last_event_id.ts";
import { problem } from "./problem.ts";
import { RequestError } from "./request_error.ts";
import { UnreadSubscribers } from "./unread.ts";

/**
 * Makes a handler that answers a request with the event stream of a broker's
 * topics, for every host that takes `(Request) => Response`: `Deno.serve`,
 * `Bun.serve`, Hono, workers, and Node by our adapter.
 *
 * HEAD never opens a stream. Other methods get 405, and a client whose `Accept`
 * excludes event streams gets 406. If `authorize`, `topics`, `gone`, `subscribe`
 * or `onOpen` throws, the answer is 500, and the error goes to the broker's
 * `onError`. If the broker has none, it goes to that of `serve()`, which prints it
 * by default.
 *
 * A subscriber ends with its response: when the client leaves, when the request's
 * signal aborts, and when the response is not read within `openTimeout`. With
 * `Deno.serve`, pass the handler its second argument. Then the request's signal is
 * not used, and Deno does not warn of it.
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
 * @example Options by request, and what the host knows of it
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Broker, createHandler, parseEvents } from "@freshet/sse";
 *
 * await using broker = new Broker();
 * const handler = createHandler<{ user: string }>(broker, {
 *   topics: (_request, { user }) => `users/${user}`,
 *   subscribe: (request) => new URL(request.url).searchParams.has("all") ? { start: "all" } : {},
 * });
 *
 * await broker.publish("users/ann", { data: "hello" });
 * const response = await handler(new Request("http://localhost/?all"), { user: "ann" });
 * for await (const { data } of parseEvents(response)) {
 *   assertEquals(data, "hello");
 *   break;
 * }
 * ```
 *
 * @param broker The broker that has the topics.
 * @param options Which topics a request gets, who may read them, and how they are sent.
 * @returns The handler. Its second argument is whatever the host passes. It never rejects.
 * @throws {TypeError | RangeError} If an option is unknown or not valid, or a topic given as text is not valid.
 */
export function createHandler<Info = HandlerInfo>(
  broker: Pick<Broker, "subscribe">,
  options: HandlerOptions<Info>,
): Handler<Info> {
  checkHandlerOptions(options);
  const {
    topics,
    patterns = false,
    methods = ["GET"],
    authorize,
    subscribe,
    onOpen,
    cors,
    gone,
    maxStreams = Infinity,
    openTimeout = 10_000,
    whenFull = "retry",
    retryWhenFull = 5_000,
    headers,
    filter,
    snapshot,
    ...subscribeOptions
  } = options;
  const allow = [...new Set([...methods, ...(methods.includes("GET") ? ["HEAD"] : []), "OPTIONS"])].join(", ");
  const unread = new UnreadSubscribers(openTimeout);
  let streams = 0;

  return async (request, ...[info]) => {
    try {
      // One that may be left out may be undefined
      if (cors === undefined) return await answer(request, info as Info);
      return await answerAcross(request, info as Info, cors);
    } catch (error) {
      return failed(request, error);
    }
  };

  /** Answers in a way that pages of other origins may read, if they may. */
  async function answerAcross(request: Request, info: Info, cors: CorsOptions): Promise<Response> {
    const across = await corsHeaders(request, cors);
    const response = isPreflight(request)
      ? preflight(methods, cors, across.has("access-control-allow-origin"))
      : await answer(request, info).catch((error) => failed(request, error));
    for (const [name, value] of across) response.headers.append(name, value);
    return response;
  }

  async function answer(request: Request, info: Info): Promise<Response> {
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
    if (typeof allowed !== "boolean") {
      throw new TypeError(`Cannot answer as authorize must return a boolean or a Response: got ${typeof allowed}`);
    }
    if (!allowed) return problem(403, "This request is not allowed to subscribe");
    const wanted = typeof topics === "function" ? await topics(request, info) : topics;
    if (wanted instanceof Response) return mutable(wanted);
    if (await gone?.(request, info)) return new Response(null, { status: 204 });
    if (isHead) return new Response(null, { headers: eventStreamHeaders(headers) });
    const own = subscribe === undefined ? undefined : ownOptions(await subscribe(request, info));
    if (streams >= maxStreams) return full(whenFull, retryWhenFull, headers);
    const how = {
      ...subscribeOptions,
      lastEventId: lastEventIdOf(request),
      ...(filter && filterFor(request, filter)),
      ...(snapshot && snapshotFor(request, snapshot)),
      ...own,
    };
    if (own !== undefined) checkSubscribeOptions(how); // what is wrong there is the server's fault, not the client's
    return open(request, info, wanted, how);
  }

  function open(request: Request, info: Info, wanted: string | readonly string[], how: SubscribeOptions): Response {
    let subscriber: Subscriber;
    try {
      if (typeof topics === "function") checkNamed(wanted, patterns);
      subscriber = broker.subscribe(wanted, how);
    } catch (error) {
      if (error instanceof SseError && error.code === "broker-closed") return full(whenFull, retryWhenFull, headers);
      if (error instanceof TypeError || error instanceof RangeError) return problem(400, error.message);
      throw error;
    }
    try {
      if (maxStreams < Infinity) {
        streams++;
        subscriber.onceClosed(ended);
      }
      keepOpen(request, info);
      unread.add(subscriber);
      onOpen?.(subscriber, request);
      return carry(subscriber, request, info, { headers: eventStreamHeaders(headers) });
    } catch (error) {
      void subscriber.close("error");
      throw error;
    }
  }

  function ended(): void {
    streams--;
  }

  /** The client is not told what went wrong, because the fault is the server's. */
  function failed(request: Request, error: unknown): Response {
    if (error instanceof RequestError) return problem(error.status, error.message);
    const isTold = tellOnError(broker, error);
    const host = hostOf(request);
    if (!isTold && host !== undefined) return mutable(host.failed(error));
    return problem(500, "The server could not decide on this request");
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

/** Bun ends a connection that is silent for ten seconds. This turns that off, by the server that Bun passes. */
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
