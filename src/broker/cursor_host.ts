import type { Gap } from "../wire/gap.ts";
import type { Cursor } from "./cursor.ts";
import type { Chunk } from "./entry.ts";
import type { Group } from "./group.ts";
import type { CloseReason } from "./subscriber.ts";

/** What a cursor needs of its broker. */
export interface CursorHost {
  readonly counters: { delivered: number; dropped: number; bytes: number; gaps: number };
  /** The newest position that the tail has handed over. */
  readonly head: number;
  /** The ID of a position. */
  idAt(position: number): string;
  /** The block that gives a caught-up client its place, shared by all. */
  checkpoint(): Chunk;
  /** Brings a cursor up to the newest event, and then lets it be pushed to. */
  advance(cursor: Cursor): void;
  /** Writes what this turn has for a group. */
  flush(group: Group): void;
  /** Forgets a cursor. */
  remove(cursor: Cursor, reason: CloseReason): void;
  /** A sink brings a better way to end a turn. */
  adopt(schedule: (callback: () => void) => void): void;
  onGap(cursor: Cursor, gap: Gap): void;
  onError(error: unknown): void;
}
