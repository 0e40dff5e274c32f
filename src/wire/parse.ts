import { SseError } from "../errors.ts";
import { checkNumber } from "./check_number.ts";
import type { ParsedEvent } from "./event.ts";

/** Options for {@linkcode EventParser}. */
export interface EventParserOptions {
  /** Called for each event, in the order of the stream, while `push` runs. */
  readonly onEvent: (event: ParsedEvent) => void;
  /** Called with the text of each comment line, without one leading space. */
  readonly onComment?: ((comment: string) => void) | undefined;
  /** Called with each new reconnection time, in milliseconds. May be `Infinity`: any number of digits is valid. */
  readonly onRetry?: ((retry: number) => void) | undefined;
  /**
   * The last event ID to begin with: that of the connection before.
   *
   * @default {""}
   */
  readonly lastEventId?: string | undefined;
  /**
   * The longest event, in UTF-16 code units of its data and of the line in
   * progress. One more is an error, never a silent cut.
   *
   * @default {16_777_216}
   */
  readonly maxEventSize?: number | undefined;
}

/** Chunks up to this many bytes wait undecoded for a line end: decoding costs more a call than a byte. */
const SMALL_CHUNK_BYTES = 32;
/** Bytes that may wait undecoded: room for a usual event cut in small chunks. */
const KEPT_BYTES = 1024;

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const COLON = 0x3a;
const BOM = 0xfeff;
/** No code unit. */
const NOTHING = -1;

/**
 * Reads the event stream format, pushed in chunks of any size:
 * {@link https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation | § 9.2.6}
 * to the letter. The result never depends on where the chunks are cut, and the
 * time is linear in their length. An event is dispatched as soon as its blank
 * line has arrived, also when that ends in a CR whose LF may still follow.
 *
 * No I/O, no timers. When a callback throws, or an event is too large, `push`
 * throws that error and the parser has failed: it refuses more input until
 * {@linkcode EventParser.reset}, which may also be called from a callback and
 * then drops the rest of the chunk.
 *
 * @example Chunks cut anywhere
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { EventParser, type ParsedEvent } from "@freshet/sse";
 *
 * const events: ParsedEvent[] = [];
 * const parser = new EventParser({ onEvent: (event) => events.push(event) });
 * parser.push("id: 1\nda");
 * parser.push("ta: hello\n\n");
 * parser.end();
 * assertEquals(events, [{ type: "message", data: "hello", lastEventId: "1" }]);
 * assertEquals(parser.lastEventId, "1");
 * ```
 */
export class EventParser {
  readonly #onEvent: (event: ParsedEvent) => void;
  readonly #onComment: ((comment: string) => void) | undefined;
  readonly #onRetry: ((retry: number) => void) | undefined;
  readonly #maxEventSize: number;
  /** Never told to stream: what it would hold back at a border differs between runtimes, so we hold it back. */
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  // § 9.2.6: the buffers of the stream, and the last event ID string of the event source
  #data = "";
  #hasData = false;
  #type = "";
  #idBuffer: string;
  #lastEventId: string;

  // The line in progress: text, and after it bytes that are not decoded yet
  #lineText = "";
  readonly #bytes = new Uint8Array(KEPT_BYTES + 3);
  #byteLength = 0;

  /** What is left out at the beginning of the next text: a BOM at the start of the stream, the LF of a CRLF that was cut. */
  #skipped = BOM;
  /** Why input is refused: what has failed, or that it has ended. */
  #refusal: { readonly cause?: unknown } | undefined;
  #pushing = false;
  /** Counts `reset()` and `end()`, so that a loop notices one made by a callback. */
  #resets = 0;

  /**
   * Makes a parser for one event stream.
   *
   * @param options What to call, what to begin with, how much to hold.
   * @throws {TypeError} If `onEvent` is not a function.
   * @throws {RangeError} If `maxEventSize` is not a number >= 1.
   */
  constructor(options: EventParserOptions) {
    const { onEvent, onComment, onRetry, lastEventId = "", maxEventSize = 1 << 24 } = options;
    if (typeof onEvent !== "function") {
      throw new TypeError(`Cannot make parser as onEvent must be a function: got ${typeof onEvent}`);
    }
    checkNumber("maxEventSize", maxEventSize, 1);
    this.#onEvent = onEvent;
    this.#onComment = onComment;
    this.#onRetry = onRetry;
    this.#lastEventId = this.#idBuffer = lastEventId;
    this.#maxEventSize = maxEventSize;
  }

  /** The last event ID: what a client sends when it reconnects. Blocks without data set it too. */
  get lastEventId(): string {
    return this.#lastEventId;
  }

  /**
   * Takes the next chunk and calls back for all that it completes. Bytes are
   * copied where they must be kept, so the caller may use them again.
   *
   * @param chunk UTF-8 bytes, or text. Mixing them ends a character cut in half as malformed.
   * @throws {TypeError} If the chunk is neither bytes nor text, or a callback of `push` pushes.
   * @throws {SseError} `event-too-large`, or `parser-failed` after a failure or the end.
   */
  push(chunk: Uint8Array | string): void {
    if (this.#refusal !== undefined) {
      throw new SseError("parser-failed", "Cannot parse after a failure or the end: call reset() first", this.#refusal);
    }
    if (this.#pushing) throw new TypeError("Cannot parse chunk inside a callback of push()");
    this.#pushing = true;
    try {
      if (typeof chunk === "string") this.#parse(this.#byteLength === 0 ? chunk : this.#decodeKept() + chunk);
      else if (chunk instanceof Uint8Array) this.#pushBytes(chunk);
      else throw new TypeError(`Cannot parse chunk as it must be a Uint8Array or a string: got ${typeof chunk}`);
    } catch (error) {
      this.#refusal = { cause: error };
      throw error;
    } finally {
      this.#pushing = false;
    }
  }

  /**
   * Says that the stream has ended. An event whose blank line has not come is
   * dropped, as the standard demands, and its ID with it.
   */
  end(): void {
    const refusal = this.#refusal ?? {};
    this.reset();
    this.#refusal = refusal;
  }

  /** Begins a new stream, as after reconnecting: everything in progress is dropped, the last event ID stays. */
  reset(): void {
    this.#refusal = undefined;
    this.#resets++;
    this.#data = this.#type = this.#lineText = "";
    this.#hasData = false;
    this.#byteLength = 0;
    this.#idBuffer = this.#lastEventId;
    this.#skipped = BOM;
  }

  #pushBytes(chunk: Uint8Array): void {
    const kept = this.#byteLength;
    const length = kept + chunk.length;
    // The line's bytes are an upper bound of its code units: what might be too long is decoded, and counted exactly
    const room = this.#maxEventSize - this.#data.length - this.#lineText.length;
    if (chunk.length <= SMALL_CHUNK_BYTES && length <= KEPT_BYTES && length <= room && !hasLineEnd(chunk)) {
      return this.#keep(chunk, 0);
    }
    let bytes = chunk;
    if (kept > 0) {
      bytes = length <= KEPT_BYTES ? this.#bytes.subarray(0, length) : new Uint8Array(length);
      bytes.set(this.#bytes.subarray(0, kept));
      bytes.set(chunk, kept);
      this.#byteLength = 0;
    }
    // The beginning of a character that is cut may be among the bytes that waited
    const whole = length - cutCharacter(bytes, length);
    const resets = this.#resets;
    this.#parse(this.#decoder.decode(whole === length ? bytes : bytes.subarray(0, whole)));
    if (whole < length && resets === this.#resets) this.#keep(bytes, whole);
  }

  /** The bytes that wait, as text. */
  #decodeKept(): string {
    const text = this.#decoder.decode(this.#bytes.subarray(0, this.#byteLength));
    this.#byteLength = 0;
    return text;
  }

  /** Lets a few bytes wait; a loop beats `set()` on so few. */
  #keep(chunk: Uint8Array, from: number): void {
    for (let i = from; i < chunk.length; i++) this.#bytes[this.#byteLength++] = chunk[i]!;
  }

  /** Takes the text that follows: ends the line in progress with it, then interprets the rest. */
  #parse(text: string): void {
    if (text === "") return;
    // § 9.2.5: stream = [ bom ] *event
    let start = text.charCodeAt(0) === this.#skipped ? 1 : 0;
    this.#skipped = text.charCodeAt(text.length - 1) === CR ? LF : NOTHING;
    if (this.#lineText !== "") {
      const end = firstLineEnd(text);
      if (end === -1) {
        this.#lineText += text;
        if (this.#data.length + this.#lineText.length > this.#maxEventSize) throw tooLarge(this.#maxEventSize);
        return;
      }
      start = text.charCodeAt(end) === CR && text.charCodeAt(end + 1) === LF ? end + 2 : end + 1;
      // Only this line is joined: joining the whole chunk would copy it
      const line = this.#lineText + text.slice(0, end + 1);
      const resets = this.#resets;
      this.#lineText = "";
      this.#parseLines(line, 0);
      if (resets !== this.#resets) return;
    }
    this.#parseLines(text, start);
  }

  /**
   * § 9.2.6: interprets line by line; a last line without its end waits in `#lineText`.
   *
   * The buffers of the standard are local while it runs, and the fields are told apart by character: twice as fast as
   * one method a line on short fields (bench/parse_bench.ts, "id, event and data").
   */
  #parseLines(text: string, start: number): void {
    const length = text.length;
    const resets = this.#resets;
    let data = this.#data;
    let hasData = this.#hasData;
    let type = this.#type;
    let id = this.#idBuffer;
    let lf = -1;
    let cr = -1;
    while (start < length) {
      const first = text.charCodeAt(start);
      if (first === LF || first === CR) {
        // § 9.2.6: if the line is empty, dispatch the event
        start += first === CR && text.charCodeAt(start + 1) === LF ? 2 : 1;
        this.#lastEventId = id;
        if (hasData) {
          const event = { type: type === "" ? "message" : type, data, lastEventId: id };
          data = "";
          hasData = false;
          type = "";
          this.#onEvent(event);
          if (resets !== this.#resets) return;
        }
        type = "";
        continue;
      }
      if (lf < start && (lf = text.indexOf("\n", start)) === -1) lf = length;
      if (cr < start && (cr = text.indexOf("\r", start)) === -1) cr = length;
      const end = lf < cr ? lf : cr;
      if (data.length + end - start > this.#maxEventSize) throw tooLarge(this.#maxEventSize);
      if (end === length) {
        this.#lineText = text.slice(start);
        break;
      }
      // A name that reads beyond its line meets the line end, which is in no name
      let at: number;
      switch (first) {
        case 0x64: // d
          if (text.charCodeAt(start + 1) !== 0x61 || text.charCodeAt(start + 2) !== 0x74) break; // a, t
          if (text.charCodeAt(start + 3) !== 0x61) break; // a
          if ((at = valueAt(text, start + 4, end)) === -1) break;
          data = hasData ? data + "\n" + text.slice(at, end) : text.slice(at, end);
          hasData = true;
          break;
        case 0x65: // e
          if (text.charCodeAt(start + 1) !== 0x76 || text.charCodeAt(start + 2) !== 0x65) break; // v, e
          if (text.charCodeAt(start + 3) !== 0x6e || text.charCodeAt(start + 4) !== 0x74) break; // n, t
          if ((at = valueAt(text, start + 5, end)) !== -1) type = text.slice(at, end);
          break;
        case 0x69: // i
          if (text.charCodeAt(start + 1) !== 0x64) break; // d
          if ((at = valueAt(text, start + 2, end)) === -1) break;
          // § 9.2.6: if the field value does not contain U+0000 NULL
          if (!hasNul(text, at, end)) id = text.slice(at, end);
          break;
        case 0x72: // r
          if (!text.startsWith("retry", start) || (at = valueAt(text, start + 5, end)) === -1) break;
          // § 9.2.6: if the field value consists of only ASCII digits
          if (/^\d+$/.test(text.slice(at, end))) this.#onRetry?.(Number(text.slice(at, end)));
          break;
        case COLON:
          this.#onComment?.(text.slice(text.charCodeAt(start + 1) === SPACE ? start + 2 : start + 1, end));
      }
      if (resets !== this.#resets) return;
      start = text.charCodeAt(end) === CR && text.charCodeAt(end + 1) === LF ? end + 2 : end + 1;
    }
    this.#data = data;
    this.#hasData = hasData;
    this.#type = type;
    this.#idBuffer = id;
  }
}

function tooLarge(maxEventSize: number): SseError {
  const message = `Cannot parse event longer than maxEventSize: got more than ${maxEventSize}`;
  return new SseError("event-too-large", message);
}

/** The index of the first CR or LF, or -1. */
function firstLineEnd(text: string): number {
  const lf = text.indexOf("\n");
  const cr = text.indexOf("\r");
  return cr === -1 || (lf !== -1 && lf < cr) ? lf : cr;
}

/**
 * Where the value of this field begins, or -1 if the line is of another field.
 *
 * @param colon The index after the field's name, whose letters have been compared.
 */
function valueAt(text: string, colon: number, end: number): number {
  if (colon === end) return end; // § 9.2.6: the whole line is the name, the value is empty
  if (text.charCodeAt(colon) !== COLON) return -1;
  return text.charCodeAt(colon + 1) === SPACE ? colon + 2 : colon + 1;
}

/** IDs are short: a loop costs less than slicing first and searching then. */
function hasNul(text: string, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (text.charCodeAt(i) === 0) return true;
  return false;
}

function hasLineEnd(chunk: Uint8Array): boolean {
  for (let i = chunk.length - 1; i >= 0; i--) {
    const byte = chunk[i];
    if (byte === LF || byte === CR) return true;
  }
  return false;
}

/** How many bytes before `length` are the beginning of a character whose rest may follow. */
function cutCharacter(bytes: Uint8Array, length: number): number {
  for (let back = 1; back <= 3 && back <= length; back++) {
    const byte = bytes[length - back]!;
    if (byte < 0x80) break;
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
  }
  return 0;
}
