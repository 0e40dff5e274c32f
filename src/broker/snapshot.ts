import { encodeEvent } from "../wire/encode.ts";
import type { EventFields } from "../wire/event.ts";
import type { Entry } from "./entry.ts";
import type { SubscribeOptions } from "./subscriber.ts";

const encoder = new TextEncoder();

/**
 * The events of a snapshot, encoded, at a position of the log.
 *
 * @param lastId An ID that the last of them is to carry.
 */
export async function* snapshotEntries(
  snapshot: ReturnType<NonNullable<SubscribeOptions["snapshot"]>>,
  position: number,
  lastId: string | undefined,
): AsyncGenerator<Entry, void> {
  let held: EventFields | undefined;
  for await (const event of await snapshot) {
    if (event.id !== undefined) {
      throw new TypeError(`Cannot send snapshot as its events must have no id: got ${event.id}`);
    }
    if (held !== undefined) yield entryAt(held, position);
    held = event;
  }
  if (held !== undefined) yield entryAt(lastId === undefined ? held : { ...held, id: lastId }, position);
}

function entryAt(event: EventFields, position: number): Entry {
  const { event: type = "", data = "" } = event;
  return {
    position,
    bytes: encoder.encode(encodeEvent(event)),
    delivery: { id: "", topics: [], type: type === "" ? "message" : type, data },
  };
}
