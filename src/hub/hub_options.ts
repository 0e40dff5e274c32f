import type { Broker } from "../broker/broker.ts";
import type { CorsOptions } from "../server/cors.ts";
import { BOOLEAN, checkOptions, FUNCTION, type Kind, mustBe, numberFrom, oneOf } from "../server/check_options.ts";
import { checkGrant } from "./grants.ts";
import type { TokenOptions } from "./token_options.ts";

/** Options for {@linkcode createHub}. */
export interface HubOptions {
  /**
   * Where events go. The hub closes the one that it makes itself, never one
   * that it was given.
   *
   * @default {new Broker()}
   */
  readonly broker?: Broker | undefined;
  /**
   * The largest body that a publisher may send, in bytes.
   *
   * @default {1_048_576}
   */
  readonly maxBodyBytes?: number | undefined;
  /**
   * How tokens are checked. Without, nobody on the public address may do more
   * than `anonymous` says, which must then be given.
   */
  readonly tokens?: TokenOptions | undefined;
  /**
   * The topics and patterns that anybody may subscribe to: `["**"]` for all.
   *
   * @default none; without `tokens` it must be given
   */
  readonly anonymous?: readonly string[] | undefined;
  /**
   * Pages of which other origins may read.
   *
   * @default none
   */
  readonly cors?: CorsOptions | undefined;
  /**
   * The proxies whose `X-Forwarded-For` is believed: addresses and networks.
   *
   * @default none
   */
  readonly trustedProxies?: readonly string[] | undefined;
  /**
   * How many streams may be open. Who comes after that is answered with a
   * `retry:`, as a browser would not come back after an error.
   *
   * @default {10_000}
   */
  readonly maxConnections?: number | undefined;
  /**
   * How many streams one address may have open; of IPv6 one network of 64 bits. Whoever comes by `control`,
   * or from an address that is not known, is not counted.
   *
   * @default {100}
   */
  readonly maxConnectionsPerAddress?: number | undefined;
  /**
   * How many streams one user may have open, by the token's `sub` or `userId`.
   *
   * @default {100}
   */
  readonly maxConnectionsPerUser?: number | undefined;
  /**
   * Bytes held for a client that reads more slowly than others publish.
   *
   * @default {1_048_576}
   */
  readonly maxBufferedBytes?: number | undefined;
  /**
   * How long a publisher may take to send a body, in milliseconds; then it is
   * answered with 408. `0` for as long as it takes.
   *
   * @default {30_000}
   */
  readonly bodyTimeout?: number | undefined;
  /**
   * Whether `/subscribe/pet` hears every topic that begins so, `pets` and
   * `petstore/a` too, as mroth/sseserver has it.
   *
   * @default {false}
   */
  readonly prefixMatch?: boolean | undefined;
  /**
   * What a last event ID that is unknown here leads to, after a `gap`: all that
   * is retained, or nothing but what is new (`"start"`). All may be much, when many
   * clients return to a hub that has lost its log.
   *
   * @default {"all"}
   */
  readonly unknownId?: "all" | "start" | undefined;
  /**
   * The admin page: `false` for none; `{ password }` lets in who knows it, on
   * the public address too, as the user `admin`.
   *
   * @default for who comes by `control`, or with a token that says `admin`
   */
  readonly admin?: false | { readonly password: string } | undefined;
  /**
   * What this process is called in status and metrics.
   *
   * @default {"freshet"}
   */
  readonly node?: string | undefined;
  /** Hears of each request once it is answered. Must not throw. */
  readonly onRequest?: ((entry: RequestLog) => void) | undefined;
}

/** A request that was answered. It holds no token and no secret. */
export interface RequestLog {
  /** The method. */
  readonly method: string;
  /** The path and the query, but for a token in it. */
  readonly path: string;
  /** The answer's status. */
  readonly status: number;
  /** How long the answer took to begin, in milliseconds. */
  readonly ms: number;
  /** The client's address. */
  readonly address: string;
}

const OBJECT: Kind = { must: "an object", is: isObject };
const TEXT: Kind = { must: "text that is not empty", is: (value) => typeof value === "string" && value !== "" };
const LIST: Kind = {
  must: "a list of text",
  is: (value) => Array.isArray(value) && value.every((one) => typeof one === "string"),
};

const KINDS: Readonly<Record<keyof HubOptions, Kind>> = {
  broker: OBJECT,
  maxBodyBytes: numberFrom(1),
  tokens: OBJECT,
  anonymous: LIST,
  cors: OBJECT,
  trustedProxies: LIST,
  maxConnections: numberFrom(1),
  maxConnectionsPerAddress: numberFrom(1),
  maxConnectionsPerUser: numberFrom(1),
  maxBufferedBytes: numberFrom(0),
  bodyTimeout: numberFrom(0),
  prefixMatch: BOOLEAN,
  unknownId: oneOf("all", "start"),
  admin: {
    must: "false, or an object with a password",
    is: (value) => value === false || (isObject(value) && TEXT.is((value as { password?: unknown }).password)),
  },
  node: TEXT,
  onRequest: FUNCTION,
};

/**
 * Refuses options that are not valid, and those that do not say who may come in.
 *
 * @throws {TypeError | RangeError} What was wrong, and what was got.
 */
export function checkHubOptions(options: HubOptions): void {
  checkOptions("make a hub", options, KINDS);
  const { tokens, anonymous } = options;
  if (tokens === undefined && anonymous === undefined) {
    const must = "given, or tokens: who may subscribe?";
    throw mustBe("make a hub", "anonymous", must, undefined);
  }
  for (const pattern of anonymous ?? []) checkGrant(pattern);
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
