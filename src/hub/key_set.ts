import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import { isLoopback } from "./local_only.ts";

/** Time between the beginnings of two fetches, in milliseconds: unknown keys, which anybody can name, cost no more. */
const FETCH_INTERVAL_MS = 30_000;
/** Age from which keys are fetched again, in milliseconds: then a key that was taken back is taken no more. */
const FRESH_MS = 600_000;
/** How long a fetch may take, in milliseconds. */
const FETCH_MS = 5_000;
/** The largest key set, in bytes. */
const MAX_BYTES = 1 << 20;

/** Tokens cannot be checked now. */
export class KeysError extends Error {
  /** Always `"KeysError"`. */
  override readonly name = "KeysError";
}

/** What a key set needs beside its address. */
export interface KeySetOptions {
  /** How long keys are used while they cannot be fetched again, in milliseconds. */
  readonly maxStale: number;
  /** Hears of fetches that fail. */
  readonly onError: (error: unknown) => void;
  /** Milliseconds that only grow. */
  readonly now?: () => number;
}

/** Public keys that are fetched (RFC 7517), and used on while they cannot be fetched again. */
export class RemoteKeySet {
  readonly #url: URL;
  readonly #options: KeySetOptions;
  readonly #now: () => number;
  #keys: JWTVerifyGetKey | undefined;
  #fetchedAt = -Infinity;
  #triedAt = -Infinity;
  #pending: Promise<boolean> | undefined;

  /** @throws {TypeError} If others could change the keys on their way. */
  constructor(url: URL, options: KeySetOptions) {
    const { protocol, hostname } = url;
    if (protocol !== "https:" && !(protocol === "http:" && isLoopback(hostname))) {
      throw new TypeError(`Keys must be fetched by https, or from this machine: got ${protocol}//${hostname}`);
    }
    this.#url = url;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /**
   * The key of a token.
   *
   * @throws {KeysError} If the keys cannot be had, which is no fault of the token.
   * @throws {errors.JOSEError} If the keys are there, and none is the token's.
   */
  readonly keyOf: JWTVerifyGetKey = async (header, jws) => {
    if (this.#now() - this.#fetchedAt >= FRESH_MS) await this.#fetchAgain();
    try {
      return await this.#usable(header, jws);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      if (await this.#fetchAgain()) return await this.#usable(header, jws); // it may be a new one
      if (this.#fetchedAt < this.#triedAt) throw new KeysError("The keys cannot be had", { cause: error });
      throw error;
    }
  };

  get #usable(): JWTVerifyGetKey {
    if (this.#keys === undefined || this.#now() - this.#fetchedAt >= FRESH_MS + this.#options.maxStale) {
      throw new KeysError("The keys cannot be had");
    }
    return this.#keys;
  }

  /** Whether it has fetched them now. Never rejects. */
  #fetchAgain(): Promise<boolean> {
    if (this.#pending !== undefined) return this.#pending;
    const now = this.#now();
    if (now - this.#triedAt < FETCH_INTERVAL_MS) return Promise.resolve(false);
    this.#triedAt = now;
    return this.#pending = this.#fetch().finally(() => this.#pending = undefined);
  }

  async #fetch(): Promise<boolean> {
    try {
      this.#keys = createLocalJWKSet(await keySetAt(this.#url));
      this.#fetchedAt = this.#now();
      return true;
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      this.#options.onError(new KeysError(`Cannot fetch the keys at ${this.#url.origin}: ${why}`, { cause }));
      return false;
    }
  }
}

async function keySetAt(url: URL): Promise<JSONWebKeySet> {
  const response = await fetch(url, {
    headers: { accept: "application/jwk-set+json, application/json" },
    redirect: "error", // it could lead to where others can change the keys
    signal: AbortSignal.timeout(FETCH_MS),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`it answered ${response.status}`);
  }
  let text = "";
  let length = 0;
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? []) {
    length += bytes.byteLength;
    if (length > MAX_BYTES) throw new Error(`a key set must be at most ${MAX_BYTES} bytes: got more`);
    text += decoder.decode(bytes, { stream: true });
  }
  return JSON.parse(text);
}
