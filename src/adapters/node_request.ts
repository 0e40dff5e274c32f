import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { Readable } from "node:stream";

/** Node's request as a `Request`. */
export function toRequest(
  incoming: IncomingMessage | Http2ServerRequest,
  outgoing: ServerResponse | Http2ServerResponse,
): Request {
  const { method = "GET", rawHeaders } = incoming;
  const headers = new Headers();
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (!name.startsWith(":")) headers.append(name, rawHeaders[i + 1]!); // HTTP/2's pseudo-headers
  }
  const init: RequestInit & { duplex?: "half" } = { method, headers };
  if (method !== "GET" && method !== "HEAD") {
    init.body = Readable.toWeb(incoming as IncomingMessage) as ReadableStream<Uint8Array>;
    init.duplex = "half";
  }
  return new NodeRequest(urlOf(incoming), init, outgoing);
}

/** A request whose signal aborts when the client leaves before the response has ended; made only when it is asked for. */
class NodeRequest extends Request {
  readonly #outgoing: ServerResponse | Http2ServerResponse;
  #left: AbortController | undefined;

  constructor(url: string, init: RequestInit, outgoing: ServerResponse | Http2ServerResponse) {
    super(url, init);
    this.#outgoing = outgoing;
  }

  override get signal(): AbortSignal {
    if (this.#left === undefined) {
      const left = this.#left = new AbortController();
      const outgoing = this.#outgoing;
      if (outgoing.destroyed && !outgoing.writableFinished) left.abort();
      else outgoing.once("close", () => outgoing.writableFinished || left.abort());
    }
    return this.#left.signal;
  }
}

/** The URL as the client asked for it. A `Host` that is none falls back to the socket's address. */
function urlOf(incoming: IncomingMessage | Http2ServerRequest): string {
  // Express cuts the mounted path off `url`
  const { originalUrl } = incoming as { originalUrl?: string };
  const target = originalUrl ?? incoming.url ?? "/";
  if (/^https?:\/\//.test(target) && URL.canParse(target)) return target; // RFC 9112, § 3.2.2: absolute form
  const { socket } = incoming;
  const scheme = "encrypted" in socket && socket.encrypted ? "https" : "http";
  const authority = (incoming as Http2ServerRequest).authority ?? incoming.headers.host ?? "";
  const path = target.startsWith("/") ? target : `/${target}`;
  for (const host of [authority, `${socket.localAddress?.includes(":") ? "localhost" : socket.localAddress}`]) {
    const url = `${scheme}://${host}${path}`;
    if (host !== "" && URL.canParse(url)) return url;
  }
  return `${scheme}://localhost${path}`;
}
