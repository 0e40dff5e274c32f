import type { Delivery } from "../broker/entry.ts";
import { checkSubscribeOptions } from "../broker/subscribe_options.ts";
import type { SubscribeOptions, Subscriber } from "../broker/subscriber.ts";
import { checkPattern, checkTopic } from "../topic.ts";
import {
  BOOLEAN,
  checkOptions,
  EVENT_TYPE,
  FUNCTION,
  HEADERS,
  type Kind,
  mustBe,
  numberFrom,
  oneOf,
  PLAIN_FUNCTION,
} from "./check_options.ts";
import { CORS, type CorsOptions } from "./cors.ts";
import type { HeadersInput } from "../wire/fetch_input.ts";

/** What a host passes beside the request: a runtime's information about the connection, or anything else. */
export type HandlerInfo = unknown;

/**
 * What {@linkcode createHandler} makes. Its second argument is what the host passes beside the request. It may be left
 * out unless the options need it.
 */
export type Handler<Info = HandlerInfo> = (
  request: Request,
  ...rest: undefined extends Info ? [info?: Info] : [info: Info]
) => Promise<Response>;

/**
 * Options for {@linkcode createHandler}. `Info` is the type of what the host passes beside the request: `ServeInfo` by our
 * `serve()`, `NodeInfo` by `toNodeListener()`, or your own.
 */
export interface HandlerOptions<Info = HandlerInfo>
  extends Omit<SubscribeOptions, "lastEventId" | "signal" | "filter" | "snapshot"> {
  /**
   * What a request subscribes to: topics and patterns for every request, or a
   * function that returns the topics of a request. That function may return
   * patterns only with `patterns: true`, and no topic whose first segment begins
   * with `$`. Instead of topics it may return a `Response`, which refuses the
   * request. Topics that are not valid are answered with 400. If the function
   * throws, the answer is 500.
   */
  readonly topics:
    | string
    | readonly string[]
    | ((
      request: Request,
      info: Info,
    ) => string | readonly string[] | Response | Promise<string | readonly string[] | Response>);
  /**
   * Whether a `topics` function may return patterns. Otherwise a client that asks
   * for the room `*` gets 400, and not every room.
   *
   * @default {false}
   */
  readonly patterns?: boolean | undefined;
  /**
   * The methods that open a stream. With `"POST"` a client may send a body,
   * which `topics` or `authorize` may read.
   *
   * @default {["GET"]}
   */
  readonly methods?: readonly string[] | undefined;
  /**
   * Called before anything is subscribed to. `true` lets the request pass,
   * `false` answers 403, and a `Response` is the answer (for example, 401 with
   * `www-authenticate`). If it throws or returns anything else, the answer is 500
   * and no stream is opened.
   */
  readonly authorize?:
    | ((request: Request, info: Info) => boolean | Response | Promise<boolean | Response>)
    | undefined;
  /**
   * Options for the subscriber of one request. They replace the handler's own
   * options; `undefined` keeps those. It is called after `authorize` and
   * `topics`. The request's last event ID is used unless it returns a
   * `lastEventId`. If it throws, or returns options that are not valid, the
   * answer is 500.
   */
  readonly subscribe?:
    | ((request: Request, info: Info) => SubscribeOptions | Promise<SubscribeOptions>)
    | undefined;
  /**
   * Called with the subscriber of a request before the response is sent. Keep it,
   * for example, to end it later by `close()`. If this throws, the subscriber
   * ends and the answer is 500.
   */
  readonly onOpen?: ((subscriber: Subscriber, request: Request) => void) | undefined;
  /**
   * The other origins whose pages may read.
   *
   * @default none: only pages of the same origin
   */
  readonly cors?: CorsOptions | undefined;
  /**
   * Returns whether a client must stop for good. It is answered with 204, and will
   * not come back. If this throws, the answer is 500.
   */
  readonly gone?: ((request: Request, info: Info) => boolean | Promise<boolean>) | undefined;
  /**
   * How many streams this handler may have open.
   *
   * @default {Infinity}
   */
  readonly maxStreams?: number | undefined;
  /**
   * How long a response may wait to be read, in milliseconds. After that its
   * subscriber is ended. This also ends the subscriber of a response that could
   * not be sent, or that middleware replaced. `0` for no limit.
   *
   * @default {10_000}
   */
  readonly openTimeout?: number | undefined;
  /**
   * How a client is answered while `maxStreams` are open, or the broker closes.
   * `"retry"` answers 200 with a `retry:` and ends, so that every client comes
   * back later. `"503"` answers with `Retry-After`, but a browser's `EventSource`
   * never comes back after an error.
   *
   * @default {"retry"}
   */
  readonly whenFull?: "retry" | "503" | undefined;
  /**
   * How long such clients are asked to wait, in milliseconds, at most 1,000,000,000.
   * Up to half as much more is added for each client, at random.
   *
   * @default {5_000}
   */
  readonly retryWhenFull?: number | undefined;
  /** Headers to add to every event stream. */
  readonly headers?: HeadersInput | undefined;
  /** Leaves out events for which it returns `false`; see `SubscribeOptions`. */
  readonly filter?: ((delivery: Delivery, request: Request) => boolean) | undefined;
  /** The present state, sent at the start and after a gap; see `SubscribeOptions`. */
  readonly snapshot?:
    | ((why: "start" | "gap", request: Request) => ReturnType<NonNullable<SubscribeOptions["snapshot"]>>)
    | undefined;
}

/** The longest time that clients are asked to wait, in milliseconds: with half as much more a timer can still keep it. */
const MAX_RETRY_MS = 1_000_000_000;

const CALL = "make handler";

const KINDS: { readonly [Name in keyof Required<HandlerOptions>]: Kind } = {
  topics: {
    must: "a string, a list of at least one string, or a function",
    is: (value) => typeof value === "function" || isListOfStrings(typeof value === "string" ? [value] : value),
  },
  patterns: BOOLEAN,
  methods: {
    must: "a list of at least one method in capitals, without HEAD and OPTIONS, which are answered anyway",
    is: (value) => isListOfStrings(value) && value.every((method) => /^(?!HEAD$|OPTIONS$)[^a-z\s]+$/.test(method)),
  },
  authorize: FUNCTION,
  subscribe: FUNCTION,
  onOpen: PLAIN_FUNCTION,
  cors: CORS,
  gone: FUNCTION,
  maxStreams: numberFrom(0),
  openTimeout: numberFrom(0),
  whenFull: oneOf("retry", "503"),
  retryWhenFull: numberFrom(0, MAX_RETRY_MS),
  headers: HEADERS,
  filter: PLAIN_FUNCTION,
  map: PLAIN_FUNCTION,
  snapshot: FUNCTION,
  start: { must: `"tail", "all", or an object`, is: (value) => typeof value === "string" || typeof value === "object" },
  maxBufferedBytes: numberFrom(1),
  overflow: oneOf("replay", "close", "drop-oldest", "conflate"),
  key: PLAIN_FUNCTION,
  checkpoints: BOOLEAN,
  gapEvent: EVENT_TYPE,
  closeEvent: EVENT_TYPE,
  retry: { must: "a number", is: (value) => typeof value === "number" },
  unknownId: oneOf("all", "start"),
};

/**
 * Refuses options that a handler cannot keep to.
 *
 * @throws {TypeError | RangeError} What was wrong, and what was got.
 */
export function checkHandlerOptions<Info>(options: HandlerOptions<Info>): void {
  checkOptions(CALL, options, KINDS);
  const { topics, filter: _, snapshot: _snapshot, ...subscribeOptions } = options;
  if (topics === undefined) throw mustBe(CALL, "topics", KINDS.topics.must, topics);
  if (typeof topics !== "function") { for (const topic of [topics].flat()) checkPattern(topic); }
  checkSubscribeOptions(subscribeOptions);
}

/**
 * Refuses topics that a `topics` function must not return.
 *
 * @throws {TypeError} If one is not a topic, or a pattern where only topics may be, or its first segment begins with `$`.
 */
export function checkNamed(wanted: string | readonly string[], patterns: boolean): void {
  for (const name of [wanted].flat()) {
    if (patterns) checkPattern(name);
    else checkTopic(name);
    if (!name.startsWith("$")) continue;
    throw new TypeError(`Cannot use topic as its first segment must not begin with $: got ${JSON.stringify(name)}`);
  }
}

/** What `subscribe` may return, and what it must be. */
const SUBSCRIBE_KINDS: { readonly [Name in keyof Required<SubscribeOptions>]: Kind } = {
  start: KINDS.start,
  maxBufferedBytes: KINDS.maxBufferedBytes,
  overflow: KINDS.overflow,
  key: KINDS.key,
  filter: KINDS.filter,
  map: KINDS.map,
  snapshot: KINDS.snapshot,
  checkpoints: KINDS.checkpoints,
  gapEvent: KINDS.gapEvent,
  closeEvent: KINDS.closeEvent,
  retry: KINDS.retry,
  unknownId: KINDS.unknownId,
  lastEventId: { must: "a string", is: (value) => typeof value === "string" },
  signal: { must: "an AbortSignal", is: (value) => value instanceof AbortSignal },
};

/**
 * What `subscribe` has returned, without members that are `undefined`.
 *
 * @throws {TypeError | RangeError} What was wrong, and what was got.
 */
export function ownOptions(own: SubscribeOptions): SubscribeOptions {
  checkOptions("subscribe", own, SUBSCRIBE_KINDS);
  return Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
}

function isListOfStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "string");
}
