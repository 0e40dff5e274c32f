import type { AppendResult, NewEvent } from "../replay_store.ts";
import type { Batches } from "./append_queue.ts";
import type { LogEntry } from "./event_body.ts";
import type { Hole, LogState } from "./state.ts";

/** How long `next` of an engine may wait for entries, in milliseconds. */
export const NEXT_MS = 2_000;

/** What a page is asked for. */
export interface WantedPage {
  /** What entries are wanted for; the engine may bring others as well. */
  readonly topics?: readonly string[] | undefined;
  /** How many entries at most. */
  readonly limit: number;
  /** About how many UTF-16 code units at most, unless one entry alone has more. */
  readonly maxLength: number;
}

/** Entries after a position. */
export interface LogPage {
  readonly entries: readonly LogEntry[];
  /** Up to here all are in `entries`, but for those that the topics do not reach: at least the last one's position. */
  readonly examined: number;
  /** Whether that is where the log ended. */
  readonly ends: boolean;
  /**
   * The oldest position that was retained then, if the engine says so; if not, entries come whatever their topics, and a
   * position that is left out is not retained.
   */
  readonly oldest?: number | undefined;
}

/** What an engine made of a batch. */
export interface LogAppended {
  readonly epoch: string;
  /** The log's holes, if they are not those that are known: to be taken in before the positions are. */
  readonly holes?: readonly Hole[] | undefined;
  readonly results: readonly AppendResult[];
  /** The newest position of the batch, or one before it if nothing was stored. */
  readonly newest: number;
}

/**
 * A database that keeps one log, for `LogReplayStore`. Positions follow each other but for holes. Each call
 * rejects when the engine fails; the store bounds its time.
 */
export interface LogEngine {
  /** What it is called in messages. */
  readonly name: string;
  /** How it likes to be sent batches. */
  readonly batches: Batches;
  /** Whether a failure may be over when it is asked again: a connection that is lost, a server that starts. */
  isPassing(error: unknown): boolean;
  /** What the log is; makes it where there is none. */
  state(): Promise<LogState>;
  /**
   * Stores a batch, once however often it is sent; see `SendBatch`.
   *
   * @param known The end of the last hole that is known; 0 if none is.
   */
  append(batch: readonly NewEvent[], sequence: number, known: number): Promise<LogAppended>;
  /** Entries after a position, upwards. */
  page(after: number, wanted: WantedPage): Promise<LogPage>;
  /** Resolves when pages that were asked for are on their way, if they are not at once. */
  asked?(): Promise<void>;
  /** Entries before a position, downwards: as many as make a page, none when there are no more. */
  pageBack(before: number): Promise<readonly LogEntry[]>;
  /** The entry at a position, or the next. */
  entryFrom(position: number): Promise<LogEntry | undefined>;
  /** Entries of an own ID after a position, upwards: some of them, none when there are no more. */
  find(ownId: string, after: number): Promise<readonly LogEntry[]>;
  /**
   * Says to every reader, as an entry of the log, that a hole took events with it. Once for each hole.
   *
   * @returns The position of that entry; 0 if it was there already.
   */
  tellLoss(hole: Hole): Promise<number>;
  /** Waits for entries after a position, for some seconds; none if none came. */
  next(after: number): Promise<readonly LogEntry[]>;
  /** Lets go of what `next` holds, and makes the one under way reject. It may be called again. */
  stop(): void;
  /** What the nodes say; see `ReplayStore.announce`. */
  announce(node: string, says: string | undefined, ttl: number): Promise<ReadonlyMap<string, string>>;
}
