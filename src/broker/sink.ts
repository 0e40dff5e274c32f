import type { Chunk } from "./chunk.ts";

/**
 * Where a subscriber's bytes go. Adapters bring faster ones than a
 * `ReadableStream`: `subscriber.attach()`. Whatever a sink does wrong ends its
 * own subscriber, with the reason `"left"`, and harms nobody else.
 */
export interface Sink {
  /**
   * Bytes taken that the network has not yet. The subscriber's budget is held
   * against it, so it must never be less than what is held.
   */
  readonly bufferedBytes: number;
  /** Whether it hands events over as they are: then nobody needs their bytes, and UTF-16 code units count instead. */
  readonly inProcess?: boolean;
  /** Takes a chunk, whole and without waiting. One that throws has nobody who reads. */
  write(chunk: Chunk): void;
  /** Calls once, later, when all that was written has left, or at least most of it. Only one call is asked for at a time. */
  onceDrained(callback: () => void): void;
  /** Ends the stream after what was written. */
  end(): void;
  /** Ends the stream and its connection now, and drops what was not sent. */
  abort(): void;
  /**
   * Whether its writes are best gathered until the end of a turn of the event
   * loop: each is a call to the system. One such sink is enough for all of the broker's.
   */
  readonly gathers?: boolean;
}

/** How a {@linkcode Sink} tells its subscriber that nobody reads any more. It may be called at any time. */
export type LeaveHandler = () => void;
