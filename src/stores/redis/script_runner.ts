import type { RedisConnection } from "./client.ts";

/** Runs scripts by their hashes; a server that does not know one is sent it whole. */
export class ScriptRunner {
  readonly #connection: RedisConnection;
  readonly #hashes = new Map<string, Promise<string>>();

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  async run(script: string, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    let hash = this.#hashes.get(script);
    if (hash === undefined) this.#hashes.set(script, hash = sha1(script));
    const rest = [String(keys.length), ...keys, ...args];
    try {
      return await this.#connection.call("EVALSHA", await hash, ...rest);
    } catch (error) {
      if (!isAnswer(error) || !/^NOSCRIPT /.test((error as Error).message)) throw error;
      return await this.#connection.call("EVAL", script, ...rest);
    }
  }
}

/** Whether the server has answered, and so done nothing; else the connection failed. */
export function isAnswer(error: unknown): boolean {
  return error instanceof Error && /^[A-Z]{3,} /.test(error.message);
}

async function sha1(text: string): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-1", new TextEncoder().encode(text)));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
