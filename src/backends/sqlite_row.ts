import type { NewEvent, StoredEvent } from "../broker/replay_store.ts";
import { storeId } from "../broker/store_id.ts";

/** One event, as the table holds it. */
export interface Row {
  readonly position: number;
  readonly own_id: string | null;
  /** JSON. */
  readonly topics: string;
  /** What {@linkcode bodyOf} made. */
  readonly body: string;
  readonly time: number;
}

/** All but topics and ID, as JSON: no NUL is in it, at which some runtimes would cut it. */
export function bodyOf({ data, event, comment, retry }: NewEvent): string {
  return JSON.stringify([data, event ?? null, comment ?? null, retry ?? null]);
}

/** The event of a row. */
export function eventOf({ position, own_id: ownId, topics, body, time }: Row, epoch: string): StoredEvent {
  const [data, event, comment, retry] = JSON.parse(body);
  return {
    position,
    id: ownId ?? storeId(epoch, position),
    topics: JSON.parse(topics),
    data,
    event: event ?? undefined,
    comment: comment ?? undefined,
    retry: retry ?? undefined,
    time,
  };
}
