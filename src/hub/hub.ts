/**
 * The standalone hub: topics over HTTP, for publishers and subscribers in any
 * language.
 *
 * @example A hub of one's own
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createHub } from "@freshet/sse/hub";
 *
 * await using hub = createHub({ anonymous: ["news/**"] });
 * const request = new Request("http://localhost/publish/pets/dogs", { method: "POST", body: "woof" });
 * const response = await hub.control(request);
 * assertEquals(response.status, 201);
 * ```
 *
 * @module
 */
import { Broker, tellOnError } from "../broker/broker.ts";
import type { Publication } from "../broker/broker_options.ts";
import { Pauses } from "../time/pauses.ts";
import { subscriberOf } from "../server/carried.ts";
import { full } from "../server/full.ts";
import { createHandler } from "../server/handler.ts";
import type { HandlerOptions } from "../server/handler_options.ts";
import { lastEventIdOf } from "../server/last_event_id.ts";
import { problem } from "../server/problem.ts";
import { type Access, accessOf, adminRefusalOf, refusalOf } from "./access.ts";
import { adminPage } from "./admin_page.ts";
import { adminEvents } from "./admin_events.ts";
import { ClientAddresses } from "./client_address.ts";
import { ConnectionEnds } from "./connection_ends.ts";
import { Connections } from "./connections.ts";
import { emit, endConnections, makeToken } from "./control.ts";
import { checkHubOptions, type HubOptions } from "./hub_options.ts";
import { page } from "./page.ts";
import { type BodyLimits, publish } from "./publish.ts";
import { topicOf, wantedOf } from "./routes.ts";
import { Sampler } from "./sampler.ts";
import { compatibleStatus, metrics, type Numbers, status } from "./status.ts";
import { Tokens } from "./tokens.ts";

export { createDemo, type DemoOptions } from "./demo.ts";
export type { HubOptions, RequestLog } from "./hub_options.ts";
export type { TokenOptions } from "./token_options.ts";

/** A hub: two handlers, to be served on one address or on two. */
export interface Hub extends AsyncDisposable {
  /**
   * For everybody: who asks needs a token for all that `anonymous` does not
   * allow.
   */
  readonly public: (request: Request, info?: unknown) => Promise<Response>;
  /** For publishers and operators: it asks nobody who they are. Serve it where only those come who may. */
  readonly control: (request: Request, info?: unknown) => Promise<Response>;
  /**
   * Ends all streams before a shutdown, spread over a time: each is told to
   * come back, at different times. From then on who comes is told the same, and
   * `/health/ready` answers 503. A second call waits for the first.
   *
   * @param ms Over how long, in milliseconds.
   * @returns When none is left.
   */
  drain(ms: number): Promise<void>;
  /** Ends every stream, and the broker that the hub made. May be called again. */
  close(): Promise<void>;
}

/** How long who comes while the hub is full or draining is asked to wait, in milliseconds. */
const RETRY_MS = 5_000;

/**
 * Makes a hub.
 *
 * - `GET /subscribe/pets` hears `pets` and all below, such as `pets/dogs`;
 *   `GET /subscribe?topic=pets&topic=news/*` these topics and patterns. Both
 *   resume by `Last-Event-ID`.
 * - `GET /events/` hears what the token's `userId` and `channel` say.
 * - `POST /publish/pets/dogs` publishes the body: text, JSON, or a form with
 *   `data`, `event`, `id` and `retry`. It answers 201 and the event's ID.
 * - `POST /emit/` publishes a form's `payload`, event stream text, to the
 *   `userId` of a `channel`, or to `*`; `POST /token/` makes a token for them.
 * - `DELETE /connections/<id>` and `?user=` end streams.
 * - `GET /status`, `/metrics`, `/health/live`, `/health/ready`, `/admin/`.
 *
 * @param options The broker, who may do what, the bounds.
 * @returns Its handlers.
 * @throws {TypeError | RangeError} If it says neither `tokens` nor `anonymous`, or an option is unknown or not valid.
 */
export function createHub(options: HubOptions): Hub {
  checkHubOptions(options);
  const { broker = new Broker(), cors, prefixMatch = false, node = "freshet", onRequest } = options;
  const { maxConnections = 10_000, maxConnectionsPerAddress = 100, maxConnectionsPerUser = 100 } = options;
  const bodies: BodyLimits = { maxBytes: options.maxBodyBytes ?? 1 << 20, timeout: options.bodyTimeout ?? 30_000 };
  const tokens = options.tokens === undefined
    ? undefined
    : new Tokens(options.tokens, (error) => void tellOnError(broker, error));
  const { anonymous = [] } = options;
  const password = options.admin === false ? undefined : options.admin?.password;
  const addresses = new ClientAddresses(options.trustedProxies);
  const connections = new Connections();
  const ends = new ConnectionEnds(broker, connections);
  const sampler = new Sampler(() => broker.stats());
  const began = Date.now();
  let resumed = 0;
  const pauses = new Pauses();
  let draining = false;
  let drained: Promise<void> | undefined;
  /** Who asked, for what the stream handler calls. */
  const accesses = new WeakMap<Request, Access>();
  /** Their places, until their streams are open. */
  const places = new WeakMap<Request, () => void>();

  const streamOptions: HandlerOptions = {
    topics: (request) => wantedBy(request, accesses.get(request)!),
    patterns: true, // those that the token grants
    unknownId: options.unknownId,
    maxBufferedBytes: options.maxBufferedBytes,
    async authorize(request, info) {
      const access = accesses.get(request) ?? await accessOf(request, tokens);
      if (access instanceof Response) return access;
      accesses.set(request, access);
      const wanted = wantedBy(request, access);
      if (wanted instanceof Response) return wanted;
      const refusal = refusalOf(access, "subscribe", wanted, anonymous);
      if (refusal !== undefined) return refusal;
      const address = addresses.of(request, info);
      const user = typeof access === "object" ? access.user : undefined;
      const isCounted = access !== "trusted" && address !== "";
      if (
        draining || connections.taken >= maxConnections ||
        (isCounted && connections.countOf(address) >= maxConnectionsPerAddress) ||
        (user !== undefined && connections.countOfUser(user) >= maxConnectionsPerUser)
      ) return full("retry", RETRY_MS);
      places.set(request, connections.reserve(address, user));
      return true;
    },
    ...(prefixMatch && { filter: ({ topics }, request) => isEvents(request) || hasPrefix(topics, request) }),
  };
  const streams = createHandler(broker, { ...streamOptions, ...(cors && { cors }) });
  // Pages of other origins have nothing to do where nobody is asked who they are
  const controlStreams = createHandler(broker, streamOptions);
  const numbers: Numbers = {
    node,
    began,
    broker,
    connections,
    sampler,
    watchers: 0,
    get resumed() {
      return resumed;
    },
    get draining() {
      return draining;
    },
  };
  /** Notes how long each takes. */
  const publisher: Pick<Broker, "publish"> = {
    async publish(topics: string | readonly string[], publication: Publication) {
      const start = performance.now();
      const id = await broker.publish(topics, publication);
      sampler.latency.observe((performance.now() - start) / 1_000);
      return id;
    },
  };

  function wantedBy(request: Request, access: Access): readonly string[] | Response {
    if (!isEvents(request)) return wantedOf(request, prefixMatch);
    if (access === "trusted") return problem(404, "Events are on the public address");
    if (access === "anonymous") return refusalOf(access, "subscribe", [""])!;
    return access.channelTopics.length > 0
      ? access.channelTopics
      : problem(403, "The token does not say userId and channel");
  }

  /** Opens a stream, and notes it. */
  async function open(request: Request, info: unknown, trusted: boolean): Promise<Response> {
    let response;
    try {
      response = await (trusted ? controlStreams : streams)(request, info);
    } finally {
      places.get(request)?.();
    }
    const subscriber = subscriberOf(response);
    if (subscriber === undefined) return response;
    const access = accesses.get(request)!;
    const identity = typeof access === "object" ? access : undefined;
    if (lastEventIdOf(request) !== undefined) resumed++;
    connections.add({
      id: crypto.randomUUID(),
      subscriber,
      address: addresses.of(request, info),
      userAgent: request.headers.get("user-agent") ?? "",
      path: pathOf(request, options.tokens?.query),
      user: identity?.user,
      since: Date.now(),
      expires: identity?.expires,
    });
    return response;
  }

  async function control(request: Request, trusted: boolean): Promise<Response> {
    const { pathname } = new URL(request.url);
    const [first = ""] = pathname.slice(1).split("/", 1);
    if (first === "publish" || first === "emit") {
      if (request.method !== "POST") return wrongMethod(request, "POST");
      const access = trusted ? "trusted" : await accessOf(request, tokens);
      if (access instanceof Response) return access;
      if (first === "emit") {
        return emit(publisher, request, bodies, (topic) => refusalOf(access, "publish", [topic]));
      }
      const topic = topicOf(request, "/publish/");
      if (topic instanceof Response) return topic;
      return refusalOf(access, "publish", [topic]) ?? publish(publisher, request, topic, bodies);
    }
    if (!["token", "connections", "status", "metrics", "admin"].includes(first)) return notFound(pathname);
    if (first === "admin" && options.admin === false) return problem(403, "The admin page is turned off");
    const refusal = trusted ? undefined : await adminRefusalOf(request, tokens, password);
    if (refusal !== undefined) return refusal;
    if (first === "token") {
      return request.method === "POST" ? makeToken(tokens, request, bodies) : wrongMethod(request, "POST");
    }
    if (first === "connections") {
      return request.method === "DELETE" ? endConnections(ends, request) : wrongMethod(request, "DELETE");
    }
    if (request.method !== "GET" && request.method !== "HEAD") return wrongMethod(request, "GET, HEAD");
    if (pathname === "/status") return Response.json(status(numbers), { headers: NO_STORE });
    if (pathname === "/metrics") {
      return new Response(metrics(numbers), { headers: { ...NO_STORE, "content-type": "text/plain; version=0.0.4" } });
    }
    if (pathname === "/admin/status.json") return Response.json(compatibleStatus(numbers), { headers: NO_STORE });
    if (pathname === "/admin/events") return adminEvents(numbers);
    if (pathname === "/admin") return new Response(null, { status: 308, headers: { location: "/admin/" } });
    return pathname === "/admin/" ? new Response(adminPage.html, { headers: adminPage.headers }) : notFound(pathname);
  }

  async function answer(request: Request, info: unknown, trusted: boolean): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (trusted) accesses.set(request, "trusted");
    if (/^\/(?:subscribe|events)(?:\/|$)/.test(pathname)) return await open(request, info, trusted);
    if (pathname === "/health/live") return new Response("ok\n", { headers: NO_STORE });
    if (pathname === "/health/ready") {
      return draining ? problem(503, "The hub is draining") : new Response("ok\n", { headers: NO_STORE });
    }
    if (pathname !== "/") return await control(request, trusted);
    if (request.method !== "GET" && request.method !== "HEAD") return wrongMethod(request, "GET, HEAD");
    return new Response(request.method === "HEAD" ? null : page.html, { headers: page.headers });
  }

  function handler(trusted: boolean): Hub["public"] {
    return async (request, info) => {
      const start = performance.now();
      const response = await answer(request, info, trusted);
      onRequest?.({
        method: request.method,
        path: pathOf(request, options.tokens?.query),
        status: response.status,
        ms: performance.now() - start,
        address: addresses.of(request, info),
      });
      return response;
    };
  }

  async function drain(ms: number): Promise<void> {
    draining = true;
    const open = Array.from(connections);
    const steps = Math.max(1, Math.min(open.length, Math.ceil(ms / DRAIN_STEP_MS)));
    for (let step = 0; step < steps; step++) {
      const some = open.slice(open.length * step / steps, open.length * (step + 1) / steps);
      for (const { subscriber } of some) {
        void subscriber.close("drain", { retry: Math.round(RETRY_MS * (0.5 + Math.random())) });
      }
      if (step < steps - 1) await pauses.wait(ms / steps);
    }
    await Promise.all(open.map(({ subscriber }) => subscriber.closed));
  }

  return {
    public: handler(false),
    control: handler(true),
    drain(ms) {
      return drained ??= drain(ms);
    },
    async close() {
      sampler.close();
      ends.close();
      pauses.end();
      for (const { subscriber } of connections) void subscriber.close("drain");
      if (options.broker === undefined) await broker.close();
    },
    async [Symbol.asyncDispose]() {
      await this.close();
    },
  };
}

/** How often some are ended while draining, in milliseconds. */
const DRAIN_STEP_MS = 50;

const NO_STORE = { "cache-control": "no-store" };

function isEvents(request: Request): boolean {
  return /^\/events(?:\/|$)/.test(new URL(request.url).pathname);
}

/** As mroth/sseserver matches: any topic that begins so. */
function hasPrefix(topics: readonly string[], request: Request): boolean {
  const prefix = topicOf(request, "/subscribe/");
  return prefix instanceof Response || topics.some((topic) => topic.startsWith(prefix));
}

/** Path and query, for logs and lists: without a token. */
function pathOf(request: Request, secretParameter?: string): string {
  const url = new URL(request.url);
  if (secretParameter !== undefined && url.searchParams.has(secretParameter)) {
    url.searchParams.set(secretParameter, "***");
  }
  return url.pathname + url.search;
}

function notFound(pathname: string): Response {
  return problem(404, `There is nothing at this path: got ${pathname}`);
}

function wrongMethod({ method }: Request, allow: string): Response {
  return problem(405, `This takes ${allow}: got ${method}`, { allow });
}
