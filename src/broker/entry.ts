import type { StoredEvent } from "../stores/replay_store.ts";
import { encodeChecked } from "../wire/encode.ts";
import type { EventFields } from "../wire/event.ts";

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

/** One event on its way out: its bytes, made once for all subscribers, and the event as filters and loops see it. */
export interface Entry {
  /** Its position, or the position after which it stands if it is not from the log. */
  readonly position: number;
  /** The event as a whole block of the format. */
  readonly bytes: Uint8Array;
  /** The event as a filter or a loop sees it. */
  readonly delivery: Delivery;
}

const encoder = new TextEncoder();

/** The fields of an event that has an ID, checked. */
interface EncodableEvent extends EventFields {
  readonly id: string;
}

/**
 * An event of the log. Its bytes are made when they are asked for: a subscriber that is served many events at once gets
 * them joined, and a loop in the same process needs none.
 */
class LogEntry implements Entry {
  readonly position: number;
  readonly delivery: Delivery;
  /** Until the bytes are made. */
  event: EncodableEvent | undefined;
  #bytes: Uint8Array | undefined;

  constructor(event: EncodableEvent, position: number, topics: readonly string[]) {
    const { id, event: type, data = "" } = event;
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
  return new LogEntry(event, event.position, event.topics);
}

/** An event in the place of one of the log, whose ID it has. Its fields must be checked. */
export function mappedEntry({ position, delivery: { id, topics } }: Entry, fields: EventFields): Entry {
  return new LogEntry({ ...fields, id }, position, topics);
}

/** The UTF-16 code units of an entry's strings if it has not been encoded, else its bytes. */
export function codeUnitsOf(entry: Entry): number {
  if (!(entry instanceof LogEntry) || entry.event === undefined) return entry.bytes.length;
  const { id, event, data, comment } = entry.event;
  return id.length + (event?.length ?? 0) + (data?.length ?? 0) + (comment?.length ?? 0);
}

/** The bytes of entries, one after the other. */
export function bytesOf(entries: readonly Entry[]): Uint8Array {
  return encoded(entries) ?? joined(entries);
}

/** The bytes of entries none of which has been encoded: one call for all takes a fraction of the time of one for each. */
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
