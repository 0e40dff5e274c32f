import type { NewEvent, StoredEvent } from "../replay_store.ts";
import { storeId } from "../store_id.ts";

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

/** An entry of a log. */
export interface LogEntry extends Stored {
  /** Whether it is no event but says that some before it are lost. */
  readonly tellsLoss: boolean;
}

/**
 * All but topics and ID. Most events are their type, or none, and their data, on lines of their own: that is read back in a
 * tenth of the time that JSON takes. What has more to it, or could be mistaken, is a JSON array.
 */
export function bodyOf({ data, event, comment, retry }: NewEvent): string {
  const isPlain = comment === undefined && retry === undefined && event !== "" && !event?.startsWith("[") &&
    isSafe(data) && (event === undefined || isSafe(event));
  return isPlain ? `${event ?? ""}\n${data}` : JSON.stringify([data, event ?? null, comment ?? null, retry ?? null]);
}

/** Whether every engine brings it back as it was. */
function isSafe(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/** What an engine keeps as lines: the time, the own ID or nothing, the topics, and the body, which may have more of them. */
export function entryOf(position: number, lines: string, tellsLoss: boolean): LogEntry {
  const time = lines.indexOf("\n");
  const ownId = lines.indexOf("\n", time + 1);
  const topics = lines.indexOf("\n", ownId + 1);
  return {
    position,
    time: Number(lines.slice(0, time)),
    ownId: ownId === time + 1 ? undefined : lines.slice(time + 1, ownId),
    topics: lines.slice(ownId + 1, topics),
    body: lines.slice(topics + 1),
    tellsLoss,
  };
}

/** The event again. */
export function eventOf(
  { position, ownId, topics: text, body, time }: Stored,
  epoch: string,
  topics: readonly string[] = JSON.parse(text),
): StoredEvent {
  const id = ownId ?? storeId(epoch, position);
  if (!body.startsWith("[")) {
    const end = body.indexOf("\n");
    return { position, id, topics, data: body.slice(end + 1), event: end === 0 ? undefined : body.slice(0, end), time };
  }
  const [data, event, comment, retry] = JSON.parse(body);
  return {
    position,
    id,
    topics,
    data,
    event: event ?? undefined,
    comment: comment ?? undefined,
    retry: retry ?? undefined,
    time,
  };
}
