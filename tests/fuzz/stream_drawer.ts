import { parseVectors } from "../vectors/parse.ts";
import type { Draw } from "./draw.ts";

/** The longest stream, in bytes: room for a few long lines. */
const CAPACITY = 16_384;
/** The parser lets up to 1,024 bytes wait undecoded: long lines end on either side of that. */
const LONG_LINE_BYTES = 1_100;

const encoder = new TextEncoder();
const vectors = parseVectors.map(([, stream]) =>
  typeof stream === "string" ? encoder.encode(stream) : Uint8Array.from(stream)
);
const encoded = (...texts: string[]): Uint8Array[] => texts.map((text) => encoder.encode(text));

const FIELDS = encoded("data", "event", "id", "retry", "data:", "event:", "id:", "retry:", "data: ", "id: ", ":", ": ");
const LINES = encoded("data: a\n", "data:b\n\n", "id: 1\n", "event: add\n", "retry: 15\n", ": c\n", "data: é\r\n\r\n");
const LINE_ENDS = encoded("\n", "\r", "\r\n");
const BLANK_LINES = encoded("\n\n", "\r\r", "\r\n\r\n", "\n\r", "\r\n\n", "\n\r\n");
const CHARACTERS = encoded(" ", ":", "\0", "0", "7", "x", "ü", "世", "🌍", "\u2028", "\u0085", "\ufeff", "D", "\t");
/** What is not UTF-8: cut, overlong, surrogates, beyond the last plane, bytes that never occur. */
const MALFORMED = [[0xc3], [0xe4, 0xb8], [0xf0, 0x9f, 0x8c], [0x80], [0xbf, 0xbf], [0xc0, 0xaf], [0xe0, 0x80, 0x80]]
  .concat([[0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xf8, 0x88], [0xfe], [0xff], [0xef, 0xbb], [0xef]])
  .map((bytes) => Uint8Array.from(bytes));
const PIECES = [FIELDS, FIELDS, LINES, LINES, LINE_ENDS, LINE_ENDS, BLANK_LINES, CHARACTERS, CHARACTERS, MALFORMED];
const INSERTED = [CHARACTERS, MALFORMED, LINE_ENDS, FIELDS, LINES];

const LF = 0x0a;
const CR = 0x0d;

/** Draws streams: pieces of the format in any order, vectors of the parser with mutations, and bytes of any kind. */
export class StreamDrawer {
  readonly #draw: Draw;
  readonly #bytes = new Uint8Array(CAPACITY);
  #length = 0;

  constructor(draw: Draw) {
    this.#draw = draw;
  }

  /** The next stream. It is overwritten by the one after it. */
  next(): Uint8Array {
    this.#length = 0;
    const kind = this.#draw.below(16);
    if (kind < 6) this.#join();
    else if (kind < 15) this.#mutateVector();
    else this.#fill();
    return this.#bytes.subarray(0, this.#length);
  }

  #join(): void {
    for (let pieces = this.#draw.below(25); pieces > 0; pieces--) {
      this.#replace(this.#length, 0, this.#draw.pick(this.#draw.pick(PIECES)));
    }
    if (this.#draw.below(64) === 0) this.#lengthen();
  }

  #fill(): void {
    for (let left = this.#draw.below(60); left > 0; left--) this.#bytes[this.#length++] = this.#draw.below(256);
  }

  #mutateVector(): void {
    this.#replace(0, 0, this.#draw.pick(vectors));
    for (let mutations = 1 + this.#draw.below(4); mutations > 0; mutations--) this.#mutate();
  }

  #mutate(): void {
    const draw = this.#draw;
    const at = draw.below(this.#length + 1);
    switch (draw.below(13)) {
      case 0: // another line end
        return void this.#replaceLineEnd(at, draw.pick(LINE_ENDS));
      case 1: // a line end more, or less
        return void this.#replaceLineEnd(at, draw.below(3) === 0 ? encoder.encode("") : draw.pick(BLANK_LINES));
      case 2: { // all line ends
        const lineEnd = draw.pick(LINE_ENDS);
        for (let from = 0; from < this.#length; from++) {
          if (isLineEnd(this.#bytes[from])) from = this.#replaceLineEnd(from, lineEnd);
        }
        return;
      }
      case 3: // a BOM, at the beginning mostly
        return void this.#replace(draw.below(4) === 0 ? at : 0, 0, encoder.encode("\ufeff"));
      case 4:
      case 5:
        return void this.#replace(at, 0, draw.pick(draw.pick(INSERTED)));
      case 6: // any byte
        if (at < this.#length) this.#bytes[at] = draw.below(256);
        return;
      case 7: // a letter in the other case, a digit as something else
        if (at < this.#length) this.#bytes[at]! ^= 0x20;
        return;
      case 8: { // a colon or a space more, or less
        const byte = this.#bytes[at];
        const removed = at < this.#length && (byte === 0x3a || byte === 0x20) ? 1 : 0;
        return void this.#replace(at, removed, encoder.encode(removed === 1 ? "" : draw.pick([":", " ", ": ", " :"])));
      }
      case 9: // a part less
        return void this.#replace(at, Math.min(draw.below(12), this.#length - at), encoder.encode(""));
      case 10: // a part again
        return void this.#replace(at, 0, this.#bytes.slice(at, at + draw.below(20)).subarray(0, this.#length - at));
      case 11: // another vector within
        return void this.#replace(at, 0, draw.pick(vectors));
      default: // cut, or one line very long
        if (draw.below(8) === 0) this.#lengthen();
        else this.#length = at;
    }
  }

  #lengthen(): void {
    const run = new Uint8Array(LONG_LINE_BYTES - this.#draw.below(160));
    const character = this.#draw.pick(CHARACTERS);
    for (let i = 0; i < run.length; i++) run[i] = character[i % character.length]!;
    this.#replace(this.#draw.below(this.#length + 1), 0, run);
  }

  /** Replaces the first line end from there. */
  #replaceLineEnd(from: number, lineEnd: Uint8Array): number {
    while (from < this.#length && !isLineEnd(this.#bytes[from])) from++;
    if (from === this.#length) return from;
    const isPair = this.#bytes[from] === CR && from + 1 < this.#length && this.#bytes[from + 1] === LF;
    return this.#replace(from, isPair ? 2 : 1, lineEnd);
  }

  /** Puts bytes in the place of others, unless there is no room. */
  #replace(at: number, removed: number, inserted: Uint8Array): number {
    const length = this.#length + inserted.length - removed;
    if (length > CAPACITY) return at;
    this.#bytes.copyWithin(at + inserted.length, at + removed, this.#length);
    this.#bytes.set(inserted, at);
    this.#length = length;
    return at + inserted.length - 1;
  }
}

function isLineEnd(byte: number | undefined): boolean {
  return byte === LF || byte === CR;
}
