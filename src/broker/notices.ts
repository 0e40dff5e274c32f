import { encodeChecked } from "../wire/encode.ts";
import type { Gap } from "../wire/gap.ts";
import { encodeRetry } from "../wire/idle.ts";
import { type Chunk, chunkOf, textChunk } from "./entry.ts";
import type { CloseReason } from "./subscriber.ts";

/**
 * The event that tells of missing events.
 *
 * @param takePlace Whether the client takes its new place with it: else with what follows.
 */
export function gapChunk(gap: Gap, type: string, position: number, takePlace: boolean): Chunk {
  const data = JSON.stringify(gap);
  const id = takePlace ? gap.resumed : undefined;
  const bytes = new TextEncoder().encode(encodeChecked({ event: type, id, data }));
  return chunkOf([{ position, bytes, delivery: { id: id ?? "", topics: [], type, data } }]);
}

/** The event that tells why a stream is ended, and when to come back. */
export function closeChunk(reason: CloseReason, type: string | false, retry: number | undefined): Chunk {
  if (type === false) return textChunk(retry === undefined ? "" : encodeRetry(retry));
  return textChunk(encodeChecked({ event: type, retry, data: JSON.stringify({ reason }) }));
}
