import { after } from "../time/timer.ts";
import { checkNumber } from "../wire/check_number.ts";
import { encodeEvent } from "../wire/encode.ts";
import { COMMENT } from "../wire/idle.ts";
import { eventStreamHeaders } from "../server/headers.ts";
import { lastEventIdOf } from "../server/last_event_id.ts";
import { problem } from "../server/problem.ts";
import { equalSecrets } from "./secrets.ts";

/** Options for {@linkcode createDemo}. */
export interface DemoOptions {
  /** The token that `Authorization: Bearer` must hold. */
  readonly token?: string | undefined;
  /**
   * Milliseconds between two events; a request may ask for another by `interval`.
   *
   * @default {1_000}
   */
  readonly interval?: number | undefined;
  /**
   * Whether `Last-Event-ID: message-4` is answered from message 5 on, as servers do, and not with message 4 again, as
   * mpetazzoni/sse-server does.
   *
   * @default {false}
   */
  readonly exclusive?: boolean | undefined;
}

/** Everybody may read, as the original allows. */
const CORS = {
  "access-control-allow-origin": "*",
  "access-control-allow-headers": "*, authorization",
  "access-control-allow-methods": "GET",
  "access-control-expose-headers": "x-expected-events",
};
const HEARTBEAT_MS = 15_000;
/** How long a piece is given to leave alone, in milliseconds. */
const PIECE_MS = 5;

interface Client {
  readonly remote: string;
  readonly connectedAt: string;
  lastEventId: number;
}

/**
 * A stream to test clients against, as mpetazzoni/sse-server serves: `hello`, then a numbered message every second, the
 * same for a number always; `/status` lists who listens. A request may ask for `count` events, an `interval`, and faults:
 *
 * - `drop=N` cuts the connection after N events, `stall=MS` sends nothing for so long after the first message;
 * - `status=503` answers with that status;
 * - `crlf`, `cr` end lines so, `bom` begins with a byte order mark, `split=BYTES` sends pieces of so many bytes.
 *
 * @throws {RangeError} If the interval is out of bounds.
 */
export function createDemo(options: DemoOptions = {}): (request: Request, info?: unknown) => Promise<Response> {
  const { token, exclusive = false } = options;
  checkNumber("interval", options.interval ?? 1_000);
  const clients = new Set<Client>();
  let opened = 0;

  return async (request, info) => {
    const response = await answer(request, info);
    for (const [name, value] of Object.entries(CORS)) response.headers.set(name, value);
    return response;
  };

  async function answer(request: Request, info: unknown): Promise<Response> {
    if (request.method === "OPTIONS") return new Response(null, { status: 204 });
    if (token !== undefined && !equalSecrets(request.headers.get("authorization") ?? "", `Bearer ${token}`)) {
      return problem(401, "This needs the bearer token", { "www-authenticate": "Bearer" });
    }
    const { pathname } = new URL(request.url);
    if (pathname === "/status") {
      return Response.json(Object.fromEntries(Array.from(clients, (client) => [client.remote, client])));
    }
    if (pathname !== "/stream") return problem(404, `There are /stream and /status: got ${pathname}`);
    const remote = `${(info as { remoteAddress?: string } | undefined)?.remoteAddress || "unknown"}:${++opened}`;
    try {
      return stream(await fieldsOf(request), firstOf(lastEventIdOf(request) ?? "", exclusive), remote);
    } catch (error) {
      if (error instanceof RangeError) return problem(400, error.message);
      throw error;
    }
  }

  function stream(fields: URLSearchParams, first: number, remote: string): Response {
    const status = numberOf(fields, "status", 200, 599);
    if (status === 204 || status === 205 || status === 304) return new Response(null, { status });
    if (status !== undefined && status !== 200) {
      return problem(status, "Asked for", status === 503 ? { "retry-after": "1" } : {});
    }
    const count = countOf(fields);
    const interval = numberOf(fields, "interval", 0) ?? options.interval ?? 1_000;
    const drop = numberOf(fields, "drop", 0) ?? Infinity;
    const stall = numberOf(fields, "stall", 0) ?? 0;
    const write = writerOf(fields);
    const client: Client = { remote, connectedAt: new Date().toISOString(), lastEventId: first };
    const gone = new AbortController();
    clients.add(client);
    gone.signal.addEventListener("abort", () => clients.delete(client));

    async function* pieces(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
      let sent = 0;
      const event = (id: string, data: string): AsyncGenerator<Uint8Array<ArrayBuffer>> => {
        sent++;
        return write(encodeEvent({ id, data }), gone.signal);
      };
      const cut = (): void => {
        if (sent >= drop) throw new Error("The demo was asked to drop the connection");
      };
      yield* event("hello", `Hello, ${remote}!`);
      cut();
      for (let n = first, left = count ?? Infinity; left > 0; n++, left--) {
        client.lastEventId = n;
        if (stall > 0 && n === first + 1) await sleep(stall, gone.signal); // and no heartbeat
        let silence = interval;
        for (; silence > HEARTBEAT_MS && !gone.signal.aborted; silence -= HEARTBEAT_MS) {
          await sleep(HEARTBEAT_MS, gone.signal);
          yield* write(COMMENT, gone.signal);
        }
        await sleep(silence, gone.signal);
        if (gone.signal.aborted) return;
        yield* event(`message-${n}`, messageOf(n));
        cut();
      }
    }
    const source = pieces();
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        try {
          const { done, value } = await source.next();
          if (!done) return controller.enqueue(value);
          gone.abort();
          controller.close();
        } catch (error) {
          gone.abort();
          controller.error(error);
        }
      },
      async cancel() {
        gone.abort();
        await source.return(undefined);
      },
    }, { highWaterMark: 0 });
    return new Response(body, {
      headers: eventStreamHeaders(count === undefined ? {} : { "x-expected-events": String(count) }),
    });
  }
}

/** The fields of the query, and of a form in the body. */
async function fieldsOf(request: Request): Promise<URLSearchParams> {
  const fields = new URLSearchParams(new URL(request.url).search);
  if (/^application\/x-www-form-urlencoded\b/i.test(request.headers.get("content-type") ?? "")) {
    for (const [name, value] of new URLSearchParams(await request.text())) fields.set(name, value);
  }
  return fields;
}

/** The first message: inclusive, as the original counts. */
function firstOf(lastEventId: string, exclusive: boolean): number {
  const [, digits] = /^message-(\d+)/.exec(lastEventId) ?? [];
  const last = digits === undefined ? 1 : Number(digits);
  return Number.isSafeInteger(last) ? last + (exclusive && digits !== undefined ? 1 : 0) : 1;
}

/** How many messages; what is no number is not looked at, as in the original. */
function countOf(fields: URLSearchParams): number | undefined {
  const text = fields.get("count") ?? "";
  if (!/^[+-]?\d+$/.test(text)) return undefined;
  if (Number(text) < 0) throw new RangeError(`count must not be negative: got ${text}`);
  return Number(text);
}

function numberOf(fields: URLSearchParams, name: string, min: number, max = Infinity): number | undefined {
  const text = fields.get(name);
  if (text === null) return undefined;
  if (!/^\d+$/.test(text) || Number(text) < min || Number(text) > max) {
    throw new RangeError(`${name} must be a number from ${min}: got ${JSON.stringify(text)}`);
  }
  return Number(text);
}

/** How text becomes pieces of bytes, with the faults that were asked for. */
function writerOf(
  fields: URLSearchParams,
): (text: string, signal: AbortSignal) => AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const lineEnd = fields.has("crlf") ? "\r\n" : fields.has("cr") ? "\r" : "\n";
  const size = numberOf(fields, "split", 1) ?? Infinity;
  let prefix = fields.has("bom") ? "\uFEFF" : "";
  return async function* (text, signal) {
    const bytes = new TextEncoder().encode(prefix + text.replaceAll("\n", lineEnd));
    prefix = "";
    for (let at = 0; at < bytes.length; at += size) {
      yield bytes.slice(at, Math.min(bytes.length, at + size));
      if (size !== Infinity) await sleep(PIECE_MS, signal);
    }
  };
}

/** The same for a number always, but for the time: a client can check that it got the message again. */
function messageOf(n: number): string {
  return `{\n  "time": ${Math.floor(Date.now() / 1_000)},\n  "random": "${randomOf(n)}"\n}`;
}

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** 16 letters from a seed, by mulberry32. */
function randomOf(seed: number): string {
  let text = "";
  let state = seed % 2 ** 32;
  for (let i = 0; i < 16; i++) {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    text += LETTERS[((mixed ^ (mixed >>> 14)) >>> 0) % LETTERS.length];
  }
  return text;
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = (): void => {
      stop();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const stop = after(ms, end);
    signal.addEventListener("abort", end);
  });
}
