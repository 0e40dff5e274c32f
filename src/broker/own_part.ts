import type { Chunks, EntryChunk } from "./chunk.ts";
import type { Entry } from "./entry.ts";
import { isThenable, onRejection } from "./rejection.ts";
import type { SubscribeOptions } from "./subscriber.ts";

/** Whether all of a chunk is for one subscriber as it is: mostly so. */
export function isOwn(
  chunk: EntryChunk,
  position: number,
  { filter, map }: Pick<SubscribeOptions, "filter" | "map">,
): boolean {
  return filter === undefined && map === undefined && chunk.first.position > position;
}

/**
 * The part of a chunk that is for one subscriber: what comes after its position and passes its filter, as its map makes it.
 *
 * @param isOver Asked after each call of filter and map, which may do anything: whether nothing is wanted any more.
 * @param chunks Where to find the chunk of the same events, which others may get as well.
 * @returns `undefined` if that is nothing.
 * @throws What filter and map throw, or a `TypeError` if one is asynchronous.
 */
export function ownPart(
  chunk: EntryChunk,
  position: number,
  { filter, map }: Pick<SubscribeOptions, "filter" | "map">,
  isOver: () => boolean,
  chunks: Chunks,
): EntryChunk | undefined {
  const mapped = map === undefined ? undefined : chunks.mappedBy(map);
  const entries: Entry[] = [];
  for (const entry of chunk.entries) {
    if (entry.position <= position) continue;
    if (filter !== undefined) {
      const isWanted: unknown = filter(entry.delivery);
      if (isThenable(isWanted)) {
        onRejection(isWanted, () => {}); // the error that is told is that there is a promise
        throw new TypeError("Cannot filter events as filter must return a boolean: got a promise");
      }
      if (isOver()) return undefined;
      if (!isWanted) continue;
    }
    if (mapped === undefined) {
      entries.push(entry);
      continue;
    }
    const made = mapped.entry(entry);
    if (isOver()) return undefined;
    if (made !== undefined) entries.push(made);
  }
  if (entries.length === 0) return undefined;
  if (mapped !== undefined) return mapped.of(entries);
  return entries.length === chunk.length ? chunk : chunks.of(entries);
}
