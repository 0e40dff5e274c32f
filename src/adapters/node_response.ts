import { type IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Chunk } from "../broker/chunk.ts";
import { laterTurn } from "../time/later_turn.ts";
import { subscriberOf } from "../server/carried.ts";
import { FramedChunks } from "./framed_chunks.ts";
import type { Connections } from "./node_connections.ts";
import { type Incoming, isHttp1, isOver, type Outgoing, writeTo } from "./node_outgoing.ts";
import { ResponseSink, SocketSink } from "./node_sinks.ts";

/** Headers of one connection, which HTTP/2 forbids (RFC 9113, § 8.2.2). */
const CONNECTION_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
]);
/** Those that an answer over HTTP/1.1 may not choose either: how a body is framed, and how long a connection stays. */
const OWN_HEADERS: ReadonlySet<string> = new Set(["keep-alive", "proxy-connection", "transfer-encoding"]);

/** Chunks of one body that are written before others have a turn. */
const CHUNKS_A_TURN = 64;

/** Sends responses. One for each listener: it frames what many connections are sent once. */
export class Responder {
  readonly #connections: Connections;
  readonly #framed = new FramedChunks();

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  /**
   * Sends a response, to the end of its body. Whatever happens, the body is read to its end or cancelled.
   *
   * @throws What its headers or its body fail with. If `outgoing.headersSent` is not set, another can be sent.
   */
  async send(response: Response, incoming: Incoming, outgoing: Outgoing): Promise<void> {
    const { body } = response;
    if (body?.locked || response.bodyUsed) throw new TypeError("Cannot send response as its body is in use");
    if (isOver(outgoing)) return await body?.cancel(); // the client has left already
    // A body that has been asked for is ours to read or to drop: Node would read the rest of others without bound
    if (isHttp1(outgoing) && !incoming.complete) (incoming as IncomingMessage).read(0);
    const subscriber = subscriberOf(response);
    try {
      this.#writeHead(response, outgoing);
    } catch (error) {
      await body?.cancel();
      throw error;
    }
    if (incoming.method === "HEAD" || body === null) {
      outgoing.end();
      return await body?.cancel();
    }
    if (subscriber === undefined) return await pump(response, body, outgoing);
    flushHeaders(outgoing); // the first byte leaves at once
    outgoing.on("error", () => {}); // a client that leaves is no error; `close` follows
    const socket = rawSocket(outgoing);
    subscriber.attach((leave) => {
      outgoing.on("close", leave);
      return socket === undefined
        ? new ResponseSink(this, outgoing)
        : new SocketSink(this, outgoing as ServerResponse, socket);
    });
  }

  /** A chunk as HTTP/1.1 frames it, made once for all connections that get it. */
  frame(chunk: Chunk): Uint8Array {
    return this.#framed.of(chunk);
  }

  cut(outgoing: Outgoing): void {
    this.#connections.cut(outgoing);
  }

  #writeHead(response: Response, outgoing: Outgoing): void {
    const { status, statusText, headers } = response;
    // As pairs they are written and forgotten; setHeader() would keep them as long as the stream lasts
    const pairs: string[] = [];
    if (!isHttp1(outgoing)) {
      const ofConnection = headers.get("connection")?.toLowerCase().split(/[\s,]+/) ?? [];
      for (const [name, value] of headers) {
        if (name === "set-cookie") continue; // of pairs with one name it would keep the last
        if (!CONNECTION_HEADERS.has(name) && !ofConnection.includes(name)) pairs.push(name, value);
      }
      if (headers.has("set-cookie")) outgoing.setHeader("set-cookie", headers.getSetCookie());
      outgoing.writeHead(status, pairs as never); // taken, though not typed
      return;
    }
    const { closing } = this.#connections;
    for (const [name, value] of headers) { // each cookie is a pair of its own
      if (!OWN_HEADERS.has(name) && !(closing && name === "connection")) pairs.push(name, value);
    }
    if (closing) outgoing.shouldKeepAlive = false;
    if (statusText === "") outgoing.writeHead(status, pairs);
    else outgoing.writeHead(status, statusText, pairs);
  }

  end(outgoing: Outgoing): void {
    outgoing.end();
  }
}

/**
 * The socket, if framed chunks may be written past the response: over HTTP/1.1, after the headers, and with no middleware in
 * between (compression, for example, replaces `write`).
 */
function rawSocket(outgoing: Outgoing): Socket | undefined {
  if (!isHttp1(outgoing) || outgoing.write !== ServerResponse.prototype.write) return undefined;
  const { socket, chunkedEncoding } = outgoing as ServerResponse & { chunkedEncoding: boolean };
  if (socket === null || !chunkedEncoding || outgoing.writableCorked > 0) return undefined;
  return outgoing.writableLength === socket.writableLength ? socket : undefined;
}

/** Copies a body, waiting for the client where it is slow. */
async function pump(response: Response, body: ReadableStream<Uint8Array>, outgoing: Outgoing): Promise<void> {
  const length = isHttp1(outgoing) ? Number(response.headers.get("content-length") ?? NaN) : NaN;
  const reader = body.getReader();
  let sent = 0;
  let chunks = 0;
  let wake = (): void => {};
  const onClose = (): void => {
    void reader.cancel().catch(() => {}); // a body that has failed has ended
    wake();
  };
  const onDrain = (): void => wake();
  outgoing.once("close", onClose);
  outgoing.on("drain", onDrain);
  outgoing.on("error", () => {}); // a client that leaves is no error; `close` follows
  reader.closed.catch(onDrain); // a body that fails is not waited for
  const flush = gather(outgoing);
  try {
    while (!outgoing.destroyed) {
      const { done, value } = await reader.read();
      if (done) break;
      sent += value.byteLength;
      if (sent > length) throw new RangeError(`Cannot send body as it is longer than content-length: ${length}`);
      const hasRoom = writeTo(outgoing, value);
      if (!hasRoom && !isOver(outgoing)) await new Promise<void>((resolve) => wake = resolve);
      // A source that never waits would fill all that the system takes before other connections have a turn
      if (++chunks % CHUNKS_A_TURN === 0) await new Promise<void>((resolve) => laterTurn(resolve));
    }
    if (sent < length && !isOver(outgoing)) {
      throw new RangeError(`Cannot send body as content-length is ${length}: got ${sent}`);
    }
    if (isHttp1(outgoing)) outgoing.socket?.cork(); // until the end, which is in the same write
    flush(); // Node would write the end first, and what is gathered after it
    outgoing.end();
  } catch (error) {
    await reader.cancel().catch(() => {}); // it may have failed itself
    if (!isOver(outgoing)) throw error;
  } finally {
    outgoing.off("close", onClose);
    outgoing.off("drain", onDrain);
  }
}

function flushHeaders(outgoing: Outgoing): void {
  (outgoing as ServerResponse).flushHeaders(); // HTTP/2's has it as well, though it is not typed
}

/**
 * Gathers what is written in this turn, so that a short answer is one write.
 *
 * @returns Writes it now.
 */
function gather(outgoing: Outgoing): () => void {
  let isGathering = isHttp1(outgoing);
  if (!isHttp1(outgoing)) flushHeaders(outgoing);
  else outgoing.cork();
  const flush = (): void => {
    if (!isGathering) return;
    isGathering = false;
    flushHeaders(outgoing);
    (outgoing as ServerResponse).uncork();
  };
  if (isGathering) setImmediate(flush);
  return flush;
}
