import type { IncomingMessage } from "node:http";
import { isAuthority } from "../server/authority.ts";
import { type Incoming, isOver, type Outgoing } from "./node_outgoing.ts";

/** Methods that no `Request` can be made with: handlers see them all the same, and refuse them. */
const FORBIDDEN_METHODS: ReadonlySet<string> = new Set(["CONNECT", "TRACE", "TRACK"]);

/**
 * Node's request as a `Request`.
 *
 * @throws {TypeError} If its target is no URL, or its `Host` none.
 */
export function toRequest(incoming: Incoming, outgoing: Outgoing): Request {
  const { method = "GET", rawHeaders } = incoming;
  const headers = new Headers();
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (!name.startsWith(":")) headers.append(name, rawHeaders[i + 1]!); // HTTP/2's pseudo-headers
  }
  const url = urlOf(incoming, hostOf(incoming));
  if (FORBIDDEN_METHODS.has(method)) return new NodeRequest(url, { headers }, outgoing, method);
  const init: RequestInit & { duplex?: "half" } = { method, headers };
  if (method !== "GET" && method !== "HEAD") {
    init.body = bodyOf(incoming);
    init.duplex = "half";
  }
  return new NodeRequest(url, init, outgoing);
}

/** A request whose signal aborts when the client leaves before the response has ended; made only when it is asked for. */
class NodeRequest extends Request {
  readonly #outgoing: Outgoing;
  readonly #method: string | undefined;
  #left: AbortController | undefined;

  constructor(url: string, init: RequestInit, outgoing: Outgoing, method?: string) {
    super(url, init);
    this.#outgoing = outgoing;
    this.#method = method;
  }

  override get method(): string {
    return this.#method ?? super.method;
  }

  override get signal(): AbortSignal {
    if (this.#left === undefined) {
      const left = this.#left = new AbortController();
      const outgoing = this.#outgoing;
      if (isOver(outgoing) && !outgoing.writableFinished) left.abort();
      else outgoing.once("close", () => outgoing.writableFinished || left.abort());
    }
    return this.#left.signal;
  }
}

/** The body, read from the connection only as it is asked for. The rest stays there. */
function bodyOf(incoming: Incoming): ReadableStream<Uint8Array> {
  const readable = incoming as IncomingMessage;
  let stop: (() => void) | undefined;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (stop === undefined) stop = read(controller);
      else readable.resume();
    },
    cancel() {
      stop?.();
    },
  }, { highWaterMark: 0 });

  function read(controller: ReadableStreamDefaultController<Uint8Array>): () => void {
    const onData = (bytes: Uint8Array): void => {
      controller.enqueue(new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength));
      readable.pause();
    };
    const onEnd = (): void => {
      end();
      controller.close();
    };
    const onError = (error: unknown): void => {
      end();
      controller.error(error);
    };
    const onClose = (): void => onError(new DOMException("The client left before it had sent the body", "AbortError"));
    const end = (): void => {
      readable.off("data", onData).off("end", onEnd).off("error", onError).off("close", onClose);
      readable.on("error", () => {}); // it has been told
      readable.pause();
    };
    if (readable.readableEnded || readable.destroyed) {
      controller.close(); // other code has read it
      return () => {};
    }
    readable.on("data", onData).on("end", onEnd).on("error", onError).on("close", onClose);
    return end;
  }
}

/**
 * The host that the client asked for; `undefined` for HTTP/1.0 without `Host`.
 *
 * @throws {TypeError} If that is missing, comes twice or is none.
 */
function hostOf(incoming: Incoming): string | undefined {
  const { authority } = incoming as { authority?: string };
  const hosts = authority === undefined || authority === "" ? [] : [authority];
  const { rawHeaders, httpVersion } = incoming;
  let named = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length !== 4 || name.toLowerCase() !== "host") continue;
    hosts.push(rawHeaders[i + 1]!);
    named++;
  }
  if (hosts.length === 0 && httpVersion === "1.0") return undefined;
  if (hosts.length === 0 || named > 1 || !hosts.every(isAuthority)) {
    throw new TypeError("Cannot answer a request that does not name one host");
  }
  return hosts[0];
}

/** The URL as the client asked for it. */
function urlOf(incoming: Incoming, host: string | undefined): string {
  // Express cuts the mounted path off `url`
  const { originalUrl } = incoming as { originalUrl?: string };
  const target = originalUrl ?? incoming.url ?? "/";
  if (/^https?:\/\//i.test(target) && URL.canParse(target)) { // RFC 9112, § 3.2.2: absolute form
    if (new URL(target).username !== "") throw new TypeError("Cannot answer a target that names a user");
    return target;
  }
  const { socket } = incoming;
  const scheme = "encrypted" in socket && socket.encrypted ? "https" : "http";
  const path = incoming.method === "CONNECT" ? "/" : target.startsWith("/") ? target : `/${target}`;
  const local = socket.localAddress?.includes(":") ? "localhost" : socket.localAddress;
  return `${scheme}://${host ?? local ?? "localhost"}${path}`;
}
