import type { Delivery } from "../broker/entry.ts";
import { checkSubscribeOptions } from "../broker/subscribe_options.ts";
import type { SubscribeOptions } from "../broker/subscriber.ts";
import { checkPattern } from "../topic.ts";
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

/** What a host passes beside the request: a runtime's information about the connection, or anything else. */
export type HandlerInfo = unknown;

/** Options for {@linkcode createHandler}. */
export interface HandlerOptions extends Omit<SubscribeOptions, "lastEventId" | "signal" | "filter" | "snapshot"> {
  /**
   * The topics or patterns that a request subscribes to, or how to tell; a
   * `Response` refuses instead. One that is not valid is answered with 400, a
   * function that throws with 500.
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
   * throws, or says something else, answers 500 and opens nothing.
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
  /**
   * Whether a client is told to stop for good, with 204: it will not come back.
   * One that throws answers 500.
   */
  readonly gone?: ((request: Request, info: HandlerInfo) => boolean | Promise<boolean>) | undefined;
  /**
   * How many streams this handler has open at most.
   *
   * @default {Infinity}
   */
  readonly maxStreams?: number | undefined;
  /**
   * How long a response may wait to be read, in milliseconds: then its
   * subscriber is ended, as nobody will. So it goes with a response that could not be sent, or
   * in whose place a middleware has answered. `0` for no limit.
   *
   * @default {10_000}
   */
  readonly openTimeout?: number | undefined;
  /**
   * How a client is answered while `maxStreams` are open, or the broker closes.
   * `"503"` says so with `Retry-After`; but a browser's `EventSource` never
   * comes back after an error. So `"retry"` answers 200 with a `retry:` and ends.
   *
   * @default {"503"}
   */
  readonly whenFull?: "retry" | "503" | undefined;
  /**
   * How long clients are then asked to wait, in milliseconds, at most 1,000,000,000;
   * each is given up to half as much more, at random.
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

/** The longest time that clients are asked to wait, in milliseconds: with half as much more a timer can still keep it. */
const MAX_RETRY_MS = 1_000_000_000;

const CALL = "make handler";

const KINDS: { readonly [Name in keyof Required<HandlerOptions>]: Kind } = {
  topics: {
    must: "a string, a list of at least one string, or a function",
    is: (value) => typeof value === "function" || isListOfStrings(typeof value === "string" ? [value] : value),
  },
  methods: {
    must: "a list of at least one method in capitals, without HEAD and OPTIONS, which are answered anyway",
    is: (value) => isListOfStrings(value) && value.every((method) => /^(?!HEAD$|OPTIONS$)[^a-z\s]+$/.test(method)),
  },
  authorize: FUNCTION,
  cors: CORS,
  gone: FUNCTION,
  maxStreams: numberFrom(0),
  openTimeout: numberFrom(0),
  whenFull: oneOf("retry", "503"),
  retryWhenFull: numberFrom(0, MAX_RETRY_MS),
  headers: HEADERS,
  filter: PLAIN_FUNCTION,
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
 * Refuses options of a handler that it could not keep to.
 *
 * @throws {TypeError | RangeError} What was wrong, and what was got.
 */
export function checkHandlerOptions(options: HandlerOptions): void {
  checkOptions(CALL, options, KINDS);
  const { topics, filter: _, snapshot: _snapshot, ...subscribeOptions } = options;
  if (topics === undefined) throw mustBe(CALL, "topics", KINDS.topics.must, topics);
  if (typeof topics !== "function") { for (const topic of [topics].flat()) checkPattern(topic); }
  checkSubscribeOptions(subscribeOptions);
}

function isListOfStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "string");
}
