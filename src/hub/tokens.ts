import {
  createLocalJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  jwtVerify,
  type JWTVerifyGetKey,
  SignJWT,
} from "jose";
import { channelTopic, type ChannelUser, userTopic } from "./channel.ts";
import { type Grants, grantsOf } from "./grants.ts";
import { KeysError, RemoteKeySet } from "./key_set.ts";
import { type Signing, signingOf, type TokenOptions } from "./token_options.ts";

/** Who a token stands for. */
export interface Identity extends Grants {
  /** `sub`, or `userId`: by which a user's streams are ended. */
  readonly user: string | undefined;
  /** When it ends, in milliseconds since 1970. */
  readonly expires: number | undefined;
  /** What `userId` and `channel` subscribe to at `/events/`. */
  readonly channelTopics: readonly string[];
}

/** Why a token is refused, for who sent it: the token is not in it, at most a claim that is wrong. */
export class TokenError extends Error {
  /** Always `"TokenError"`. */
  override readonly name = "TokenError";
}

/** More is no token that anybody makes, and costs time to check. */
const MAX_TOKEN_LENGTH = 8_192;

/** How long keys are used while they cannot be fetched again, in milliseconds. */
const DAY_MS = 86_400_000;

/** Checks tokens, and makes them. */
export class Tokens {
  readonly #options: TokenOptions;
  readonly #signing: Signing;
  readonly #keys: JWTVerifyGetKey | undefined;

  /**
   * @param onError Hears of keys that cannot be fetched.
   * @throws {TypeError | RangeError} If an option is not valid, or the secret too short.
   */
  constructor(options: TokenOptions, onError: (error: unknown) => void = () => {}) {
    this.#options = options;
    this.#signing = signingOf(options);
    const { jwks } = options;
    this.#keys = jwks instanceof URL
      ? new RemoteKeySet(jwks, { maxStale: options.jwksMaxStale ?? DAY_MS, onError }).keyOf
      : jwks && createLocalJWKSet(jwks as unknown as JSONWebKeySet);
  }

  /** Whether it can make tokens. */
  get canSign(): boolean {
    return this.#signing.signs !== undefined;
  }

  /**
   * Who a request comes from.
   *
   * @returns `undefined` if it has no token.
   * @throws {TokenError} If its token is not valid.
   */
  async identify(request: Request): Promise<Identity | undefined> {
    const token = this.#tokenOf(request);
    return token === undefined ? undefined : await this.verify(token);
  }

  /**
   * Who a token stands for.
   *
   * @throws {TokenError} If it is not valid.
   */
  async verify(token: string): Promise<Identity> {
    if (token.length > MAX_TOKEN_LENGTH) {
      throw new TokenError(`The token is longer than ${MAX_TOKEN_LENGTH} characters`);
    }
    let payload: JWTPayload;
    try {
      const { issuer, audience, allowEternalTokens = false } = this.#options;
      const { secret, algorithms } = this.#signing;
      const verified = await jwtVerify(token, (header, jws) => {
        if (header.typ !== undefined && !/^(?:application\/)?(?:at\+)?jwt$/i.test(header.typ)) {
          throw new TokenError("The token is of another type");
        }
        if (header.alg.startsWith("HS") && secret !== undefined) return secret;
        if (!header.alg.startsWith("HS") && this.#keys !== undefined) return this.#keys(header, jws);
        throw new TokenError("The token's algorithm is not allowed");
      }, {
        algorithms,
        requiredClaims: allowEternalTokens ? [] : ["exp"],
        ...(issuer !== undefined && { issuer }),
        ...(audience !== undefined && { audience }),
      });
      payload = verified.payload;
      // RFC 7519, § 4.1.3: who does not find itself in it must refuse the token
      if (payload.aud !== undefined && audience === undefined) {
        throw new TokenError("The token's claim aud is for others: this hub has no audience");
      }
    } catch (error) {
      if (error instanceof TokenError) throw error;
      if (error instanceof errors.JWTExpired) throw new TokenError("The token has expired");
      if (error instanceof errors.JWTClaimValidationFailed) {
        throw new TokenError(
          `The token's claim ${error.claim} is ${error.reason === "missing" ? "missing" : "not valid"}`,
        );
      }
      if (error instanceof errors.JOSEAlgNotAllowed) throw new TokenError("The token's algorithm is not allowed");
      if (error instanceof KeysError) throw error;
      throw new TokenError("The token is not valid");
    }
    return identityOf(payload);
  }

  /**
   * Makes a token by the secret.
   *
   * @param claims What it says.
   * @param ttl How long it is valid, in seconds.
   * @throws {TypeError} If there is no secret.
   */
  async sign(claims: Readonly<Record<string, unknown>>, ttl: number): Promise<string> {
    const { secret, signs } = this.#signing;
    if (secret === undefined || signs === undefined) throw new TypeError("Cannot make a token as there is no secret");
    const { issuer, audience } = this.#options;
    const now = Math.floor(Date.now() / 1_000);
    const jwt = new SignJWT({ ...claims }).setProtectedHeader({ alg: signs, typ: "JWT" })
      .setIssuedAt(now).setExpirationTime(now + ttl);
    if (issuer !== undefined) jwt.setIssuer(issuer);
    if (audience !== undefined) jwt.setAudience(audience);
    return await jwt.sign(secret);
  }

  #tokenOf(request: Request): string | undefined {
    const authorization = request.headers.get("authorization");
    if (authorization !== null) {
      const [, token] = /^bearer +(\S+)$/i.exec(authorization.trim()) ?? [];
      if (token === undefined) throw new TokenError("Authorization must be a bearer token");
      return token;
    }
    const { cookie, query } = this.#options;
    const url = new URL(request.url);
    const cookies = request.headers.get("cookie");
    if (cookie !== undefined && cookies !== null) {
      const prefix = `${cookie.name}=`;
      const found = cookies.split(";").map((part) => part.trim()).find((part) => part.startsWith(prefix));
      if (found !== undefined) {
        // A browser sends cookies whoever's page asks: only for pages that may
        const origin = request.headers.get("origin");
        const isOwn = origin === url.origin ||
          (origin === null && ["same-origin", null].includes(request.headers.get("sec-fetch-site")));
        if (!isOwn && !cookie.origins.includes(origin ?? "")) {
          throw new TokenError("Pages of this origin may not use the cookie");
        }
        return found.slice(prefix.length);
      }
    }
    return (query === undefined ? undefined : url.searchParams.get(query)) ?? undefined;
  }
}

function identityOf({ sub, exp, freshet, userId, channel }: JWTPayload): Identity {
  try {
    if (sub !== undefined && typeof sub !== "string") throw new TypeError("The claim sub must be text");
    const grants = grantsOf(freshet);
    const hasChannel = typeof userId === "string" && typeof channel === "string";
    if (!hasChannel && (userId !== undefined || channel !== undefined)) {
      throw new TypeError("The claims userId and channel must both be text");
    }
    const topics = hasChannel ? channelTopicsOf({ userId, channel }) : [];
    return {
      ...grants,
      subscribe: [...grants.subscribe, ...topics],
      user: sub ?? (hasChannel ? userId : undefined),
      expires: exp === undefined ? undefined : exp * 1_000,
      channelTopics: topics,
    };
  } catch (error) {
    if (error instanceof URIError) throw new TokenError("The claims userId and channel must be well-formed text");
    throw new TokenError((error as Error).message);
  }
}

function channelTopicsOf(user: ChannelUser): string[] {
  return [channelTopic(user.channel), userTopic(user)];
}
