import type { Chunk } from "../broker/chunk.ts";

/** How many of them are kept: subscribers of other topics are sent other chunks, in turns. */
const KEPT = 4;

interface Framed {
  readonly chunk: Chunk;
  readonly bytes: Uint8Array;
}

/** Chunks as HTTP/1.1 frames them (RFC 9112, § 7.1), each made once for all connections that get it. */
export class FramedChunks {
  /** The one that was asked for last comes first. */
  readonly #kept: Framed[] = [];

  /** A chunk's bytes in their frame. */
  of(chunk: Chunk): Uint8Array {
    const last = this.#kept[0];
    if (last?.chunk === chunk) return last.bytes; // mostly so: it needs no more than this
    const at = this.#kept.findIndex((other) => other.chunk === chunk);
    const framed = at === -1 ? { chunk, bytes: frame(chunk.bytes) } : this.#kept.splice(at, 1)[0]!;
    this.#kept.unshift(framed);
    if (this.#kept.length > KEPT) this.#kept.pop();
    return framed.bytes;
  }
}

function frame(data: Uint8Array): Uint8Array {
  const head = `${data.length.toString(16)}\r\n`;
  const bytes = Buffer.allocUnsafeSlow(head.length + data.length + 2);
  bytes.write(head, 0, "latin1");
  bytes.set(data, head.length);
  bytes.write("\r\n", head.length + data.length, "latin1");
  return bytes;
}
