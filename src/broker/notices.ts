import { encodeChecked } from "../wire/encode.ts";
import type { Gap } from "../wire/gap.ts";
import { COMMENT } from "../wire/idle.ts";
import { type Chunk, chunkOf, textChunk } from "./chunk.ts";
import type { CloseReason } from "./subscriber.ts";

/** What keeps a stream alive. */
export const COMMENT_CHUNK: Chunk = textChunk(COMMENT);

/**
 * The event that tells of missing events.
 *
 * @param takePlace Whether the client takes its new place with it: else with what follows.
 */
export function gapChunk(gap: Gap, type: string, position: number, takePlace: boolean): Chunk {
  const data = JSON.stringify(gap);
  const id = takePlace ? gap.resumed : undefined;
  const bytes = new TextEncoder().encode(encodeChecked({ event: type, id, data }));
  return chunkOf({ position, bytes, delivery: { id: id ?? "", topics: [], type, data } });
}

/** What tells why a stream is ended, and when to come back; `undefined` if neither is to be told. */
export function closeChunk(
  reason: CloseReason,
  type: string | false,
  retry: number | undefined,
): Chunk | undefined {
  if (type !== false) return textChunk(encodeChecked({ event: type, retry, data: JSON.stringify({ reason }) }));
  // With its blank line: nothing follows, and some clients take the time only there
  return retry === undefined ? undefined : textChunk(encodeChecked({ retry }));
}
