import type { NewEvent, StoredEvent } from "../broker/replay_store.ts";
import { storeId } from "../broker/store_id.ts";

/** What an engine adds to an event's body. */
export interface Stored {
  readonly position: number;
  /** The publisher's own ID, if it gave one. */
  readonly ownId?: string | null | undefined;
  /** The topics, as JSON. */
  readonly topics: string;
  /** What {@linkcode bodyOf} made. */
  readonly body: string;
  /** When the store took it, in milliseconds since 1970. */
  readonly time: number;
}

/** All but topics and ID, as JSON: no NUL and no lone surrogate is in it, which some runtimes and engines would not keep. */
export function bodyOf({ data, event, comment, retry }: NewEvent): string {
  return JSON.stringify([data, event ?? null, comment ?? null, retry ?? null]);
}

/** The event again. */
export function eventOf(
  { position, ownId, topics: text, body, time }: Stored,
  epoch: string,
  topics: readonly string[] = JSON.parse(text),
): StoredEvent {
  const [data, event, comment, retry] = JSON.parse(body);
  return {
    position,
    id: ownId ?? storeId(epoch, position),
    topics,
    data,
    event: event ?? undefined,
    comment: comment ?? undefined,
    retry: retry ?? undefined,
    time,
  };
}
