import { laterTurn } from "../time/later_turn.ts";
import { type Chunk, sizeOf } from "./chunk.ts";
import type { LeaveHandler, Sink } from "./sink.ts";

/** How long a stream that we end may take to send what it holds, in milliseconds. */
const END_MS = 1_000;

/** The owner of an outlet. None of its methods is called from inside `write`. */
export interface OutletHost {
  /** What was waited for by `awaitDrain` has left. */
  drained(): void;
  /** The reader has left. */
  left(): void;
  /** It has ended, and holds nothing: called once, as `end`, `abort` or `drop` demands. */
  outletClosed(): void;
}

/**
 * Stands between a subscriber and its sink. Whatever the sink does (it throws, it calls back or tells that its reader left in
 * the middle of a write, it never drains), the subscriber sees calls that never throw, and callbacks that come later.
 */
export class Outlet {
  readonly #host: OutletHost;
  /** `"broken"`: the reader has left, and the host will be told soon. */
  #phase: "unopened" | "open" | "broken" | "ending" | "closed" = "unopened";
  #sink: Sink | undefined;
  #inProcess = false;
  /** Whether the sink is being called: what it calls back meanwhile comes later. */
  #calling = false;
  #draining = false;
  #written = 0;
  #progress = 0;
  /** For how many beats nothing was taken. */
  #stalledBeats = 0;
  #wasEmpty = true;
  #endTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(host: OutletHost) {
    this.#host = host;
  }

  /**
   * Takes its sink. An outlet that has ended already ends it.
   *
   * @throws What `open` throws.
   */
  open(open: (leave: LeaveHandler) => Sink): void {
    const sink = open(() => this.#leave());
    if (this.#phase !== "unopened") return void this.#guard(() => sink.end());
    this.#sink = sink;
    this.#inProcess = sink.inProcess === true;
    this.#phase = "open";
  }

  get isOpen(): boolean {
    return this.#phase === "open";
  }

  /** Whether the sink's writes are best gathered until the end of a turn. */
  get gathers(): boolean {
    return this.#sink?.gathers === true;
  }

  /** Whether it hands events over as they are. */
  get inProcess(): boolean {
    return this.#inProcess;
  }

  /** What the sink holds: bytes, or code units in the same process. */
  get buffered(): number {
    if (this.#phase !== "open") return 0;
    try {
      const { bufferedBytes } = this.#sink!;
      if (bufferedBytes >= 0) return bufferedBytes;
    } catch {
      // As one that gives no number
    }
    this.#leaveLater(); // a sink that does not know what it holds cannot be bounded
    return 0;
  }

  /**
   * Writes a chunk.
   *
   * @returns Whether the sink has taken it.
   */
  write(chunk: Chunk): boolean {
    if (this.#phase !== "open") return false;
    const wasCalling = this.#calling;
    this.#calling = true;
    try {
      this.#sink!.write(chunk);
    } catch {
      this.#leave(); // a stream that has been cancelled throws: its reader has left
    }
    this.#calling = wasCalling;
    this.#written += sizeOf(chunk, this.#inProcess);
    return this.#phase === "open";
  }

  /** Has the host called when what was written has left. */
  awaitDrain(): void {
    if (this.#draining || this.#phase !== "open") return;
    this.#draining = true;
    const { buffered } = this;
    this.#guard(() =>
      this.#sink!.onceDrained(() => {
        // One that says so though it holds as much as before: others have their turn first
        if (buffered > 0 && this.buffered >= buffered) laterTurn(() => this.#onDrained());
        else this.#onDrained();
      })
    );
  }

  /**
   * Whether bytes wait and the network has taken none of them for so many calls of this method, which is called once a
   * heartbeat. Heartbeats are counted because a clock may be set. A loop in the same process is never stalled.
   */
  isStalled(beats: number): boolean {
    const { buffered } = this;
    const progress = this.#written - buffered;
    // What was empty has only begun to wait. Progress may fall as well: a sink also holds what frames a chunk
    const isMoving = progress > this.#progress || this.#wasEmpty || buffered === 0 || this.#inProcess;
    this.#progress = progress;
    this.#wasEmpty = buffered === 0;
    this.#stalledBeats = isMoving ? 0 : this.#stalledBeats + 1;
    return this.#stalledBeats >= beats;
  }

  /** Ends the stream after what was written and a last chunk, or a second later without the rest of it. */
  end(last?: Chunk): void {
    if (last !== undefined) this.write(last);
    if (this.#phase !== "open") return this.drop();
    this.#phase = "ending";
    const sink = this.#sink!;
    let held = 0;
    if (!this.#guard(() => sink.end()) || !this.#guard(() => held = sink.bufferedBytes) || held === 0) {
      return this.drop();
    }
    this.#endTimer = setTimeout(() => this.abort(), END_MS);
    if (!this.#draining) {
      this.#draining = true;
      this.#guard(() => sink.onceDrained(() => this.#onDrained()));
    }
  }

  /** Ends the stream and its connection now. */
  abort(): void {
    const sink = this.#phase === "open" || this.#phase === "ending" ? this.#sink : undefined;
    if (sink !== undefined) this.#guard(() => sink.abort());
    this.drop();
  }

  /** Drops the sink without telling it. */
  drop(): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#sink = undefined;
    clearTimeout(this.#endTimer);
    this.#host.outletClosed();
  }

  #leave(): void {
    if (this.#phase === "ending") return this.drop();
    if (this.#phase !== "open" && this.#phase !== "unopened") return;
    if (this.#calling || this.#phase === "unopened") return this.#leaveLater();
    this.#phase = "broken";
    this.#host.left();
  }

  #leaveLater(): void {
    this.#phase = "broken";
    queueMicrotask(() => this.#host.left());
  }

  #onDrained(): void {
    if (this.#calling) return queueMicrotask(() => this.#onDrained());
    if (!this.#draining) return;
    this.#draining = false;
    if (this.#phase === "ending") this.drop();
    else if (this.#phase === "open") this.#host.drained();
  }

  /** Calls the sink. If it throws, its reader is taken to have left. */
  #guard(call: () => void): boolean {
    const wasCalling = this.#calling;
    this.#calling = true;
    try {
      call();
      return true;
    } catch {
      if (this.#phase === "open") this.#leave();
      return false;
    } finally {
      this.#calling = wasCalling;
    }
  }
}
