import type { Chunk } from "./chunk.ts";

/**
 * Where a subscriber's bytes go. Adapters have sinks that are faster than a
 * `ReadableStream`, and give them to {@linkcode Subscriber.attach}, which has an
 * example. A sink that throws ends its own subscriber, with the reason `"left"`,
 * and no other.
 */
export interface Sink {
  /**
   * Bytes that the sink has taken and the network has not. It is compared with the
   * subscriber's budget, so it must never be less than what the sink holds.
   */
  readonly bufferedBytes: number;
  /** Whether it passes events on as objects. Then no bytes are made, and UTF-16 code units are counted instead. */
  readonly inProcess?: boolean;
  /** Takes a whole chunk, without waiting. If it throws, the subscriber ends with the reason `"left"`. */
  write(chunk: Chunk): void;
  /** Calls once, later, when all or most of what was written has left. There is no second call before that one. */
  onceDrained(callback: () => void): void;
  /** Ends the stream after what was written. */
  end(): void;
  /** Ends the stream and its connection now, and drops what was not sent. */
  abort(): void;
  /**
   * Whether its writes should be gathered until the end of a turn of the event
   * loop, because each write is a call to the system. One such sink is enough to
   * gather the writes of the whole broker.
   */
  readonly gathers?: boolean;
}

/** Tells the subscriber of a {@linkcode Sink} that its reader has left. It may be called at any time. */
export type LeaveHandler = () => void;
