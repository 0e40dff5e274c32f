import { encodeChecked } from "../wire/encode.ts";
import type { StoredEvent } from "./replay_store.ts";

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

/** Encodes an event of the log. */
export function entryOf(event: StoredEvent): Entry {
  const { position, id, topics, event: type, data, comment, retry } = event;
  return {
    position,
    bytes: encoder.encode(encodeChecked({ id, event: type, data, comment, retry })),
    delivery: { id, topics, type: type === undefined || type === "" ? "message" : type, data },
  };
}

/** What leaves in one write. Subscribers that get the same share the object, so that a sink can prepare it once. */
export interface Chunk {
  /** The bytes, whole blocks of the format. */
  readonly bytes: Uint8Array;
  /** The events in them, in order; none for a heartbeat. */
  readonly entries: readonly Entry[];
}

const NONE: readonly Entry[] = [];

/** Joins entries to one chunk. */
export function chunkOf(entries: readonly Entry[]): Chunk {
  if (entries.length === 1) return { bytes: entries[0]!.bytes, entries };
  let length = 0;
  for (const { bytes } of entries) length += bytes.length;
  const joined = new Uint8Array(length);
  length = 0;
  for (const { bytes } of entries) {
    joined.set(bytes, length);
    length += bytes.length;
  }
  return { bytes: joined, entries };
}

/** A chunk without events: a comment, a checkpoint, a reconnection time. */
export function textChunk(text: string): Chunk {
  return { bytes: encoder.encode(text), entries: NONE };
}
