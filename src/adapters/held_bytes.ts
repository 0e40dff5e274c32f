/** The most that a runtime is handed at once: that it has been taken shows that a slow client still reads. */
export const PIECE_BYTES = 65_536;

/** Bytes that wait until a connection takes more, in order, and come in pieces. */
export class HeldBytes {
  #chunks: Uint8Array[] = [];
  /** Those before it are gone. */
  #first = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    this.#length += bytes.length;
  }

  /** The next piece. */
  shift(): Uint8Array | undefined {
    const chunk = this.#chunks[this.#first];
    if (chunk === undefined) return undefined;
    const piece = chunk.subarray(0, PIECE_BYTES);
    this.#length -= piece.length;
    if (piece.length < chunk.length) {
      this.#chunks[this.#first] = chunk.subarray(piece.length);
    } else if (++this.#first === this.#chunks.length) {
      this.#chunks = [];
      this.#first = 0;
    } else {
      this.#chunks[this.#first - 1] = NOTHING; // it need not be kept
    }
    return piece;
  }
}

const NOTHING = new Uint8Array(0);
