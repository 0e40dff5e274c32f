import { bytesOf, codeUnitsOf, type Entry } from "./entry.ts";
import { applyMap, type EventMap } from "./event_map.ts";

/** What leaves in one write. Subscribers that get the same events share the object, so that a sink can prepare it once. */
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
  return new EntryChunk([entry]);
}

/** Events that leave together: one at least. Their bytes are made when they are asked for. */
export class EntryChunk implements Chunk {
  readonly entries: readonly Entry[];
  readonly first: Entry;
  readonly last: Entry;
  #bytes: Uint8Array | undefined;
  #codeUnits: number | undefined;

  constructor(entries: readonly Entry[]) {
    this.entries = entries;
    this.first = entries[0]!;
    this.last = entries[entries.length - 1]!;
  }

  get length(): number {
    return this.entries.length;
  }

  get bytes(): Uint8Array {
    return this.#bytes ??= this.entries.length === 1 ? this.last.bytes : bytesOf(this.entries);
  }

  /** Its events' code units, or its bytes if they were made before this was first asked for. */
  get codeUnits(): number {
    return this.#codeUnits ??= this.#bytes?.length ??
      this.entries.reduce((size, entry) => size + codeUnitsOf(entry), 0);
  }
}

/** Finds the chunk of the same events again during a round of writes, so that its bytes are made once for all subscribers. */
export class Chunks {
  readonly #byHash = new Map<number, EntryChunk>();
  readonly #byMap = new Map<EventMap, MappedChunks>();

  /** The chunk of some events: one at least. It keeps the array that it is given first. */
  of(entries: readonly Entry[]): EntryChunk {
    let hash = entries.length;
    for (const { position } of entries) hash = Math.imul(hash, 31) + position | 0;
    const known = this.#byHash.get(hash);
    if (known !== undefined && isSame(known.entries, entries)) return known;
    // A few chunks may share a hash: the newest is found
    const chunk = new EntryChunk(entries);
    this.#byHash.set(hash, chunk);
    return chunk;
  }

  /** Forgets all chunks. Then only the sinks that still send their bytes hold them. */
  clear(): void {
    this.#byHash.clear();
    this.#byMap.clear();
  }

  /** What a map makes of events, for all subscribers that share the map. */
  mappedBy(map: EventMap): MappedChunks {
    let mapped = this.#byMap.get(map);
    if (mapped === undefined) this.#byMap.set(map, mapped = new MappedChunks(map));
    return mapped;
  }
}

/** What a map makes of events, each once, and the chunks of those. */
export class MappedChunks extends Chunks {
  readonly #map: EventMap;
  readonly #made = new Map<Entry, Entry | undefined>();

  constructor(map: EventMap) {
    super();
    this.#map = map;
  }

  /**
   * What it makes of an event; `undefined` if it leaves it out.
   *
   * @throws What the map throws, at each call.
   */
  entry(entry: Entry): Entry | undefined {
    let made = this.#made.get(entry);
    if (made === undefined && !this.#made.has(entry)) {
      made = applyMap(this.#map, entry);
      this.#made.set(entry, made);
    }
    return made;
  }
}

function isSame(some: readonly Entry[], others: readonly Entry[]): boolean {
  if (some.length !== others.length) return false;
  for (let i = 0; i < some.length; i++) if (some[i] !== others[i]) return false;
  return true;
}
