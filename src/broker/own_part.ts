import type { Chunks, EntryChunk } from "./chunk.ts";
import type { Delivery, Entry } from "./entry.ts";

/**
 * The part of a chunk that is for one subscriber: what comes after its position, and passes its filter.
 *
 * @param isOver Asked after each call of the filter, which may do anything: whether nothing is wanted any more.
 * @param chunks Where to find the chunk of the same events, which others may get as well.
 * @returns `undefined` if that is nothing.
 * @throws What the filter throws, or a `TypeError` if it is asynchronous.
 */
export function ownPart(
  chunk: EntryChunk,
  position: number,
  filter: ((delivery: Delivery) => boolean) | undefined,
  isOver: () => boolean,
  chunks: Chunks,
): EntryChunk | undefined {
  if (filter === undefined && chunk.first.position > position) return chunk;
  const entries: Entry[] = [];
  for (const entry of chunk.entries) {
    if (entry.position <= position) continue;
    if (filter !== undefined) {
      const isWanted: unknown = filter(entry.delivery);
      if (isWanted instanceof Promise) {
        isWanted.catch(() => {}); // the error that is told is that there is a promise
        throw new TypeError("Cannot filter events as filter must return a boolean: got a promise");
      }
      if (isOver()) return undefined;
      if (!isWanted) continue;
    }
    entries.push(entry);
  }
  if (entries.length === chunk.length) return chunk;
  return entries.length === 0 ? undefined : chunks.of(entries);
}
