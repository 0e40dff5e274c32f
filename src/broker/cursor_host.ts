import type { Gap } from "../wire/gap.ts";
import type { Chunk, Chunks } from "./chunk.ts";
import type { CloseReason } from "./subscriber.ts";

/** What a cursor needs of its broker. The type parameter stands for it, so that the two files do not import each other. */
export interface CursorHost<Cursor> {
  readonly counters: { delivered: number; dropped: number; bytes: number; gaps: number };
  /** The newest position that the tail has handed over. */
  readonly head: number;
  /** The ID of a position. */
  idAt(position: number): string;
  /** The checkpoint of the newest position, shared by all clients that have caught up. */
  checkpoint(): Chunk;
  /** Chunks of what is being pushed, to be found again. */
  readonly chunks: Chunks;
  /** Brings a cursor up to the newest event, and then lets it be pushed to. */
  advance(cursor: Cursor): void;
  /** Stops advancing a cursor. */
  leaveWalks(cursor: Cursor): void;
  /** Pushes what it is still owed to a cursor that is live. */
  settle(cursor: Cursor): void;
  /** Whether a cursor is about to be pushed to. */
  owes(cursor: Cursor): boolean;
  /** Whether there are events that are not matched with subscribers yet. */
  readonly isBehind: boolean;
  /** Forgets a cursor. */
  remove(cursor: Cursor, reason: CloseReason): void;
  /** From now on writes are gathered until the end of the turn. */
  gather(): void;
  onGap(cursor: Cursor, gap: Gap): void;
  onError(error: unknown): void;
}
