import { encodeChecked } from "../wire/encode.ts";
import type { StoredEvent } from "../stores/replay_store.ts";
import type { Sink } from "./sink.ts";

/** An event as a subscriber in the same process reads it. */
export interface Delivery {
  /** The event's ID; `""` for one that a snapshot made without. */
  readonly id: string;
  /** The topics that it was published to; none for a snapshot's events and for `gap`. */
  readonly topics: readonly string[];
  /** The event type: `"message"` unless the publisher said otherwise. */
  readonly type: string;
  /** The payload. */
  readonly data: string;
}

const encoder = new TextEncoder();

/** One event on its way out: its bytes, made once for every subscriber, and what a filter or a loop sees of it. */
export interface Entry {
  /** Its position, or that after which it stands if it is not from the log. */
  readonly position: number;
  /** The event as a whole block of the format. */
  readonly bytes: Uint8Array;
  /** The event as a filter or a loop sees it. */
  readonly delivery: Delivery;
}

/**
 * An event of the log. Its bytes are made when they are asked for: who is served many at once gets them joined, and a loop
 * needs none.
 */
class LogEntry implements Entry {
  readonly position: number;
  readonly delivery: Delivery;
  /** Until the bytes are made. */
  event: StoredEvent | undefined;
  #bytes: Uint8Array | undefined;

  constructor(event: StoredEvent) {
    const { position, id, topics, event: type, data } = event;
    this.position = position;
    this.delivery = { id, topics, type: type === undefined || type === "" ? "message" : type, data };
    this.event = event;
  }

  get bytes(): Uint8Array {
    if (this.#bytes === undefined) {
      this.#bytes = encoder.encode(encodeChecked(this.event!));
      this.event = undefined;
    }
    return this.#bytes;
  }
}

/** An event of the log on its way out. */
export function entryOf(event: StoredEvent): Entry {
  return new LogEntry(event);
}

/** What leaves in one write. Subscribers that get the same share the object, so that a sink can prepare it once. */
export interface Chunk {
  /** The bytes, whole blocks of the format. */
  readonly bytes: Uint8Array;
  /** The events in them, in order; none for a heartbeat. */
  readonly entries: readonly Entry[];
}

const NONE: readonly Entry[] = [];

/** Entries in one piece, made when it is asked for: a filter may leave some of them out, and a loop needs no bytes. */
class EntryChunk implements Chunk {
  readonly entries: readonly Entry[];
  #bytes: Uint8Array | undefined;
  #size: number | undefined;

  constructor(entries: readonly Entry[]) {
    this.entries = entries;
  }

  get bytes(): Uint8Array {
    return this.#bytes ??= this.entries.length === 1
      ? this.entries[0]!.bytes
      : encoded(this.entries) ?? joined(this.entries);
  }

  /** Its bytes, or its events' code units if they were not made when it was first asked for. */
  get size(): number {
    return this.#size ??= this.#bytes?.length ?? this.entries.reduce((size, entry) => size + codeUnits(entry), 0);
  }
}

/** How much of a budget a chunk takes: always the same. */
export function sizeOf(chunk: Chunk, { inProcess }: Pick<Sink, "inProcess">): number {
  return inProcess === true && chunk instanceof EntryChunk ? chunk.size : chunk.bytes.length;
}

/** How much an entry adds to that. */
export function entrySizeOf(entry: Entry, { inProcess }: Pick<Sink, "inProcess">): number {
  return inProcess === true ? codeUnits(entry) : entry.bytes.length;
}

/** Joins entries to one chunk. */
export function chunkOf(entries: readonly Entry[]): Chunk {
  return new EntryChunk(entries);
}

/** What the strings of an entry have, if it has not been encoded, or its bytes. */
function codeUnits(entry: Entry): number {
  if (!(entry instanceof LogEntry) || entry.event === undefined) return entry.bytes.length;
  const { id, event, data, comment } = entry.event;
  return id.length + (event?.length ?? 0) + data.length + (comment?.length ?? 0);
}

/** The bytes of entries none of which has been encoded: one call for all is a fraction of one for each. */
function encoded(entries: readonly Entry[]): Uint8Array | undefined {
  let all = "";
  for (const entry of entries) {
    if (!(entry instanceof LogEntry) || entry.event === undefined) return undefined;
    all += encodeChecked(entry.event);
  }
  return encoder.encode(all);
}

function joined(entries: readonly Entry[]): Uint8Array {
  let length = 0;
  for (const { bytes } of entries) length += bytes.length;
  const all = new Uint8Array(length);
  length = 0;
  for (const { bytes } of entries) {
    all.set(bytes, length);
    length += bytes.length;
  }
  return all;
}

/** A chunk without events: a comment, a checkpoint, a reconnection time. */
export function textChunk(text: string): Chunk {
  return { bytes: encoder.encode(text), entries: NONE };
}
