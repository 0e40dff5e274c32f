import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerResponse, Http2Session } from "node:http2";
import type { Socket } from "node:net";
import { after } from "../time/timer.ts";
import { endSoon, type Incoming, isHttp1, LINGER_MS, type Outgoing, reset } from "./node_outgoing.ts";

/** Bytes of a request's body that are read and dropped once it is answered, so that its connection can go on. */
const DRAIN_BYTES = 262_144;
/** Requests that one connection of HTTP/1.1 may have sent without waiting for answers. */
const MAX_PIPELINED = 100;

const NO_TUNNEL = "HTTP/1.1 405 Method Not Allowed\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/** The error code of a stream of HTTP/2 that is not needed any more (RFC 9113, § 7). */
const CANCEL = 8;

/** The connections of a listener: how many requests each has under way, and what follows their responses. */
export class Connections {
  /** Whether a connection ends with its response. */
  closing = false;
  /** Whether a server tells of its connections. */
  #tells = false;
  /** Those that no request is under way on. */
  readonly #idle = new Set<Socket>();
  readonly #sessions = new Set<Http2Session>();
  /** Weak: of requests that wait behind another when their connection closes, Node tells nothing. */
  readonly #underWay = new WeakMap<Socket | Http2Session, number>();
  // One function for all, called as a method of what has closed: ten thousand connections need no closures
  readonly #onSocketClose: (this: Socket) => void;
  readonly #onResponseClose: (this: ServerResponse) => void;

  constructor() {
    const idle = this.#idle;
    const ended = (outgoing: ServerResponse): void => this.#ended(outgoing.req);
    this.#onSocketClose = function () {
      idle.delete(this);
    };
    this.#onResponseClose = function () {
      ended(this);
    };
  }

  /** A connection of HTTP/1.1 has begun. */
  add(socket: Socket): void {
    if (this.closing) return void socket.destroy();
    this.#tells = true;
    this.#idle.add(socket);
    socket.on("close", this.#onSocketClose);
  }

  /** A session of HTTP/2 has begun. */
  addSession(session: Http2Session): void {
    this.#sessions.add(session);
    session.once("close", () => this.#sessions.delete(session));
    if (this.closing) session.close();
  }

  /**
   * A request has begun.
   *
   * @returns Whether it may be answered: a connection that has sent too many at once is broken off.
   */
  begin(incoming: Incoming, outgoing: Outgoing): boolean {
    if (!isHttp1(outgoing)) {
      this.#beginStream(outgoing);
      return true;
    }
    const socket = incoming.socket as Socket;
    const underWay = (this.#underWay.get(socket) ?? 0) + 1;
    this.#underWay.set(socket, underWay);
    this.#idle.delete(socket);
    outgoing.on("close", this.#onResponseClose);
    if (underWay > MAX_PIPELINED) socket.destroy();
    return underWay <= MAX_PIPELINED;
  }

  /**
   * Answers a request for a tunnel with 405, and ends its connection. Node has let go of that connection: nobody else hears
   * of its errors, and a response that is under way there cannot go on.
   */
  refuseTunnel(socket: Socket): void {
    socket.on("error", () => {}); // a client that resets; `close` follows
    if (this.#underWay.has(socket)) return void socket.destroy();
    socket.write(NO_TUNNEL);
    endSoon(socket);
  }

  /** Breaks off the connection of a response; of a session of HTTP/2 its stream alone, if it has others. */
  cut(outgoing: Outgoing): void {
    if (isHttp1(outgoing)) return reset(outgoing.req.socket);
    const { stream } = outgoing;
    const { session } = stream;
    stream.close(CANCEL);
    if (session !== undefined && this.#underWay.get(session) === 1) session.destroy();
  }

  /** Ends connections that are idle now, and all others after their responses. */
  close(): void {
    this.closing = true;
    for (const socket of this.#idle) socket.destroySoon();
    for (const session of this.#sessions) session.close();
  }

  #beginStream({ stream }: Http2ServerResponse): void {
    const { session } = stream;
    if (session === undefined) return; // it has been reset
    this.#underWay.set(session, (this.#underWay.get(session) ?? 0) + 1);
    stream.once("close", () => this.#count(session));
  }

  #ended(incoming: IncomingMessage): void {
    const { socket } = incoming;
    const left = this.#count(socket);
    if (socket.destroyed) return;
    if (!incoming.complete) this.#drain(incoming);
    else if (left === 0) this.#rest(socket);
  }

  #count(connection: Socket | Http2Session): number {
    const left = (this.#underWay.get(connection) ?? 1) - 1;
    if (left > 0) this.#underWay.set(connection, left);
    else this.#underWay.delete(connection);
    return left;
  }

  /** A connection may wait for its next request. */
  #rest(socket: Socket): void {
    if (this.#underWay.has(socket)) return; // its next request came with the end of a body
    if (this.closing) socket.destroySoon();
    else if (this.#tells) this.#idle.add(socket);
  }

  /** Reads the rest of a request's body; if that is too long, ends its connection. */
  #drain(incoming: IncomingMessage): void {
    const { socket } = incoming;
    let drained = 0;
    const count = (bytes: Uint8Array): void => {
      const before = drained;
      drained += bytes.length;
      if (drained <= DRAIN_BYTES || before > DRAIN_BYTES) return;
      socket.end(); // the client can read the answer while we read on
      const stop = after(LINGER_MS, () => socket.destroy());
      socket.once("close", stop);
    };
    incoming.on("data", count);
    incoming.once("end", () => this.#rest(socket));
    incoming.resume();
  }
}
