import { BOOLEAN, checkOptions, type Kind, mustBe, numberFrom } from "../server/check_options.ts";

/** How tokens are checked: JSON Web Tokens (RFC 7519), by a secret or by public keys. */
export interface TokenOptions {
  /**
   * The secret of HS256 tokens, as text or bytes: at least 32 bytes, 48 for
   * HS384 and 64 for HS512 (RFC 7518, 3.2). With it the hub can make tokens too.
   */
  readonly secret?: string | Uint8Array | undefined;
  /**
   * Takes a shorter secret. Who has one token can try all of those.
   *
   * @default {false}
   */
  readonly allowShortSecret?: boolean | undefined;
  /**
   * Public keys (a JSON Web Key Set, RFC 7517), or where to fetch them: by
   * https, or from this machine; at most 1 MiB, and at most once in 30 s.
   */
  readonly jwks?: { readonly keys: readonly Readonly<Record<string, unknown>>[] } | URL | undefined;
  /**
   * How long fetched keys are used while they cannot be fetched again, in milliseconds.
   *
   * @default {86_400_000}
   */
  readonly jwksMaxStale?: number | undefined;
  /**
   * The algorithms that are taken; `none` never is. Those of secrets need a
   * secret, others public keys. The hub makes tokens by the first that has a secret.
   *
   * @default HS256 with a secret, RS256, ES256 and EdDSA with public keys
   */
  readonly algorithms?: readonly string[] | undefined;
  /** What `iss` must be. */
  readonly issuer?: string | undefined;
  /** What `aud` must be or hold. Without, a token that has an `aud` is refused, as it is meant for others (RFC 7519, 4.1.3). */
  readonly audience?: string | undefined;
  /**
   * Takes tokens without `exp`, which are valid for ever.
   *
   * @default {false}
   */
  readonly allowEternalTokens?: boolean | undefined;
  /**
   * A cookie that may hold the token, and the origins whose pages may use it;
   * the hub's own origin may always.
   */
  readonly cookie?: { readonly name: string; readonly origins: readonly string[] } | undefined;
  /** A query parameter that may hold the token. It is kept out of logs; addresses end up in others' logs. */
  readonly query?: string | undefined;
}

/** What tokens are made and checked by. */
export interface Signing {
  readonly secret: Uint8Array<ArrayBuffer> | undefined;
  /** All that are taken. */
  readonly algorithms: string[];
  /** The one that tokens are made by. */
  readonly signs: string | undefined;
}

/** How many bytes a secret must have at least: as many as the algorithm's hash (RFC 7518, 3.2). */
const SECRET_BYTES: Readonly<Record<string, number>> = { HS256: 32, HS384: 48, HS512: 64 };
const PUBLIC_ALGORITHMS = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"],
];

const TEXT: Kind = { must: "text that is not empty", is: isText };

const KINDS: Readonly<Record<keyof TokenOptions, Kind>> = {
  secret: {
    must: "text or bytes, and not be empty",
    is: (value) => isText(value) || (value instanceof Uint8Array && value.length > 0),
  },
  allowShortSecret: BOOLEAN,
  jwks: {
    must: "a URL or an object with a list of keys",
    is: (value) => value instanceof URL || Array.isArray((value as { keys?: unknown } | null)?.keys),
  },
  jwksMaxStale: numberFrom(0),
  algorithms: { must: "a list of text", is: (value) => isListOfText(value) && (value as unknown[]).length > 0 },
  issuer: TEXT,
  audience: TEXT,
  allowEternalTokens: BOOLEAN,
  cookie: {
    must: "an object with a name and a list of origins",
    is(value) {
      const { name, origins } = (value ?? {}) as { name?: unknown; origins?: unknown };
      return isText(name) && isListOfText(origins);
    },
  },
  query: TEXT,
};

/**
 * Refuses options that are not valid, or do not go together.
 *
 * @throws {TypeError | RangeError} What was wrong, and what was got; never the secret.
 */
export function signingOf(options: TokenOptions): Signing {
  const { secret: given, ...others } = options;
  if (given !== undefined && !KINDS.secret.is(given)) {
    throw new TypeError(
      `Cannot check tokens as secret must be ${KINDS.secret.must}: got ${
        given === "" ? "empty text" : given === null ? "null" : typeof given
      }`,
    );
  }
  checkOptions("check tokens", others, KINDS);
  const { jwks, allowShortSecret = false } = options;
  if (given === undefined && jwks === undefined) throw new TypeError("Tokens need a secret or a set of public keys");
  const secret = typeof given === "string" ? new TextEncoder().encode(given) : given && Uint8Array.from(given);
  const algorithms = [
    ...options.algorithms ?? [...(secret ? ["HS256"] : []), ...(jwks ? ["RS256", "ES256", "EdDSA", "Ed25519"] : [])],
  ];
  for (const algorithm of algorithms) {
    if (algorithm.toLowerCase() === "none") throw new TypeError('The algorithm "none" protects nothing');
    const minimum = Object.hasOwn(SECRET_BYTES, algorithm) ? SECRET_BYTES[algorithm] : undefined;
    if (minimum === undefined && !PUBLIC_ALGORITHMS.includes(algorithm)) {
      const must = `of ${[...Object.keys(SECRET_BYTES), ...PUBLIC_ALGORITHMS].join(", ")}`;
      throw mustBe("check tokens", "algorithms", must, algorithm);
    }
    if (minimum === undefined && jwks === undefined) {
      throw new TypeError(`The algorithm ${algorithm} needs public keys`);
    }
    if (minimum === undefined) continue;
    if (secret === undefined) throw new TypeError(`The algorithm ${algorithm} needs a secret`);
    if (secret.length < minimum && !allowShortSecret) {
      throw new RangeError(`The secret for ${algorithm} must have at least ${minimum} bytes: got ${secret.length}`);
    }
  }
  const signs = algorithms.find((algorithm) => Object.hasOwn(SECRET_BYTES, algorithm));
  if (secret !== undefined && signs === undefined) {
    throw new TypeError(`The secret is of no use, as none of these algorithms has one: got ${algorithms.join(", ")}`);
  }
  return { secret, algorithms, signs };
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

function isListOfText(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}
