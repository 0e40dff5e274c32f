import { type IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Socket } from "node:net";
import { after } from "../time/timer.ts";

/** How long a connection that is to end may still take what was written, in milliseconds. */
export const LINGER_MS = 1_000;

/** A request of `node:http` or `node:http2`. */
export type Incoming = IncomingMessage | Http2ServerRequest;

/** Its response. */
export type Outgoing = ServerResponse | Http2ServerResponse;

const NOTHING = new Uint8Array(0);
/** RFC 9113, § 7. */
const INTERNAL_ERROR = 2;

/** Whether it is HTTP/1.0 or 1.1. */
export function isHttp1(outgoing: Outgoing): outgoing is ServerResponse {
  return outgoing instanceof ServerResponse;
}

/** Whether its client has left, or it has been answered already. Only the stream itself tells that HTTP/2 has reset it. */
export function isOver(outgoing: Outgoing): boolean {
  if (outgoing.destroyed || outgoing.writableEnded) return true;
  return !isHttp1(outgoing) && (outgoing.stream?.destroyed ?? true);
}

/** Writes at once, whatever compresses in between. Returns whether there is room for more. */
export function writeTo(outgoing: Outgoing, bytes: Uint8Array): boolean {
  const more: boolean = (outgoing as ServerResponse).write(bytes);
  (outgoing as { flush?: () => void }).flush?.(); // compression holds back what is not flushed
  return more;
}

/** Ends a response that has failed, so that its client can tell; what was sent before arrives if the client takes it soon. */
export function breakOff(outgoing: Outgoing): void {
  if (!isHttp1(outgoing)) {
    const { stream } = outgoing;
    stream.write(NOTHING, () => stream.close(INTERNAL_ERROR)); // a reset would overtake what was written
    return;
  }
  const { socket } = outgoing;
  while (outgoing.writableCorked > 0) outgoing.uncork();
  if (socket === null) outgoing.destroy();
  else endSoon(socket);
}

/** Ends a connection once its client has taken what was written, or soon without that. */
export function endSoon(socket: Socket): void {
  socket.destroySoon();
  const stop = after(LINGER_MS, () => socket.destroy());
  socket.once("close", stop);
}

/** Breaks a connection off now: what it has not sent is dropped, by this process and by the system. */
export function reset(socket: Socket): void {
  if (!("encrypted" in socket) && typeof socket.resetAndDestroy === "function") socket.resetAndDestroy();
  else socket.destroy();
}
