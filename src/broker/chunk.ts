import { bytesOf, codeUnitsOf, type Entry } from "./entry.ts";

/** What leaves in one write. Subscribers that get the same share the object, so that a sink can prepare it once. */
export interface Chunk {
  /** The bytes: whole blocks of the format, or a line that needs no blank line. */
  readonly bytes: Uint8Array;
  /** The events in them, in order; none for a heartbeat. */
  readonly entries: readonly Entry[];
}

/** How much of a budget a chunk takes: its bytes, or for a loop in the same process UTF-16 code units. Always the same. */
export function sizeOf(chunk: Chunk, inProcess: boolean): number {
  return inProcess && chunk instanceof EntryChunk ? chunk.codeUnits : chunk.bytes.length;
}

/** How much an entry adds to that. */
export function entrySizeOf(entry: Entry, inProcess: boolean): number {
  return inProcess ? codeUnitsOf(entry) : entry.bytes.length;
}

const encoder = new TextEncoder();
const NONE: readonly Entry[] = [];

/** A chunk without events: a comment, a checkpoint, a reconnection time. */
export function textChunk(text: string): Chunk {
  return { bytes: encoder.encode(text), entries: NONE };
}

/** A chunk of one event. */
export function chunkOf(entry: Entry): EntryChunk {
  return new EntryChunk(undefined, entry);
}

/**
 * Events that leave together: one more than the chunk before it. So the chunk of the same events is found again, by one
 * step for each event, and its bytes are made once, whoever gets them.
 */
export class EntryChunk implements Chunk {
  readonly first: Entry;
  readonly last: Entry;
  readonly length: number;
  readonly #before: EntryChunk | undefined;
  /** The chunk with one event more that was asked for first: mostly there is no other. */
  #next: EntryChunk | undefined;
  #others: Map<Entry, EntryChunk> | undefined;
  #entries: readonly Entry[] | undefined;
  #bytes: Uint8Array | undefined;
  #codeUnits: number | undefined;

  constructor(before: EntryChunk | undefined, last: Entry) {
    this.#before = before;
    this.first = before === undefined ? last : before.first;
    this.last = last;
    this.length = before === undefined ? 1 : before.length + 1;
  }

  /** The same events, and one more. */
  with(entry: Entry): EntryChunk {
    const next = this.#next;
    if (next === undefined) return this.#next = new EntryChunk(this, entry);
    if (next.last === entry) return next;
    let other = (this.#others ??= new Map()).get(entry);
    if (other === undefined) this.#others.set(entry, other = new EntryChunk(this, entry));
    return other;
  }

  get entries(): readonly Entry[] {
    if (this.#entries === undefined) {
      const entries = new Array<Entry>(this.length);
      let at: EntryChunk | undefined = this as EntryChunk;
      for (let i = this.length - 1; i >= 0; i--) {
        entries[i] = at!.last;
        at = at!.#before;
      }
      this.#entries = entries;
    }
    return this.#entries;
  }

  get bytes(): Uint8Array {
    return this.#bytes ??= this.length === 1 ? this.last.bytes : bytesOf(this.entries);
  }

  /** Its events' code units, or its bytes if they were made before this was first asked for. */
  get codeUnits(): number {
    return this.#codeUnits ??= this.#bytes?.length ??
      this.entries.reduce((size, entry) => size + codeUnitsOf(entry), 0);
  }
}

/** Finds the chunk of the same events again, for as long as a round of writes lasts. */
export class Chunks {
  readonly #alone = new Map<Entry, EntryChunk>();

  /** The chunk of one event. */
  alone(entry: Entry): EntryChunk {
    let chunk = this.#alone.get(entry);
    if (chunk === undefined) this.#alone.set(entry, chunk = chunkOf(entry));
    return chunk;
  }

  /** The chunk of some events: one at least. */
  of(entries: readonly Entry[]): EntryChunk {
    let chunk = this.alone(entries[0]!);
    for (let i = 1; i < entries.length; i++) chunk = chunk.with(entries[i]!);
    return chunk;
  }

  /** Forgets them all: their bytes are held by nobody but those who still send them. */
  clear(): void {
    this.#alone.clear();
  }
}
