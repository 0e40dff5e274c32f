import { Pauses } from "../../time/pauses.ts";
import { within } from "../../time/within.ts";
import type { LogAppended, LogEngine } from "./engine.ts";
import type { Hole, LogIdentity, LogState } from "./state.ts";

/** How long to wait after a loss could not be told: doubled each time, up to the last. */
const RETRY_MS = { first: 50, last: 1_000 };

/** Who is told what becomes known of a log. */
export interface LogWatcher {
  /** Pages that are held may lack what the log has, or have what it lacks. */
  onChange(): void;
  /** It is another log, whose positions begin after this one. */
  onAnother(position: number): void;
  /** Something failed that is tried again. */
  onError(error: unknown): void;
}

/**
 * What this process knows of a log.
 *
 * An engine that comes back from an outage may have lost what it acknowledged last. It goes on far above, behind a hole in
 * the positions: a process that has seen a position inside the hole knows of the loss, and tells all others by an entry of
 * the log. So the holes that an answer tells of are taken in before its positions: these are beyond the hole already.
 */
export class KnownLog {
  readonly #engine: LogEngine;
  readonly #timeout: number;
  readonly #watcher: LogWatcher;
  readonly #pauses = new Pauses();
  #identity: LogIdentity | undefined;
  #seen = 0;
  /** Holes that took something which this process has seen, until that is told. */
  #untold: Hole[] = [];
  #isTelling = false;
  /** The engine's clock, and when it was read. */
  #clock: { readonly time: number; readonly at: number } | undefined;
  #closed = false;
  /** Whether somebody follows it, and so keeps what is known new. */
  isFollowed = false;

  /** @param timeout How long the engine may take to answer, in milliseconds. */
  constructor(engine: LogEngine, timeout: number, watcher: LogWatcher) {
    this.#engine = engine;
    this.#timeout = timeout;
    this.#watcher = watcher;
  }

  /** Which log it was when it was last heard of; `undefined` if it was not. */
  get identity(): LogIdentity | undefined {
    return this.#identity;
  }

  /** The newest position that this process knows of. */
  get seen(): number {
    return this.#seen;
  }

  /** The end of the last hole that is known. */
  get lastHole(): number {
    return endOf(this.#identity);
  }

  /** What the engine's clock says now; `undefined` if the engine alone judges what is too old. This machine's may be wrong. */
  get now(): number | undefined {
    return this.#clock && this.#clock.time + performance.now() - this.#clock.at;
  }

  /** Notes that there is a position. */
  see(position: number): void {
    this.#seen = Math.max(this.#seen, position);
  }

  /** What is known, or what the engine says if nobody keeps that new. */
  async current(): Promise<LogIdentity> {
    return this.#identity !== undefined && this.isFollowed ? this.#identity : await this.ask();
  }

  /** Asks what the log is, and says so if it is not what it was, or lacks what this process has seen. */
  async ask(): Promise<LogState> {
    const state = await this.#engine.state();
    if (state.time !== undefined) this.#clock = { time: state.time, at: performance.now() };
    this.#take(state);
    if (this.#identity?.epoch === state.epoch) this.see(state.newest);
    return state;
  }

  /** Takes in what an append says of the log. */
  async appended({ epoch, holes, newest }: LogAppended): Promise<void> {
    if (epoch !== this.#identity?.epoch) await this.ask().catch((error) => this.#watcher.onError(error));
    if (epoch !== this.#identity?.epoch) return;
    if (holes !== undefined) this.#take({ epoch, holes });
    this.see(newest);
  }

  close(): void {
    this.#closed = true;
    this.#pauses.end();
  }

  #take(identity: LogIdentity): void {
    const before = this.#identity;
    const isAnother = before !== undefined && before.epoch !== identity.epoch;
    // An answer may come after one that was given later
    if (!isAnother && endOf(identity) < endOf(before)) return;
    this.#identity = identity;
    if (isAnother || endOf(identity) > endOf(before)) this.#watcher.onChange();
    if (isAnother) {
      this.#seen = identity.holes[0]!.to;
      this.#untold = [];
      return this.#watcher.onAnother(this.#seen);
    }
    const hole = identity.holes.find(({ from, to }) => from < this.#seen && this.#seen < to);
    if (hole === undefined) return;
    this.#seen = hole.to;
    this.#untold.push(hole);
    void this.#tell();
  }

  /** Tells of what was lost, until it is told. Never rejects. */
  async #tell(): Promise<void> {
    if (this.#isTelling) return;
    this.#isTelling = true;
    for (let wait = RETRY_MS.first; this.#untold.length > 0 && !this.#closed;) {
      const [hole] = this.#untold as [Hole];
      try {
        const position = await within(this.#timeout, this.#engine.tellLoss(hole), this.#engine.name);
        if (this.#untold[0] !== hole) continue; // another log by now
        this.see(position);
        this.#untold.shift();
      } catch (error) {
        if (this.#closed) break;
        this.#watcher.onError(error);
        await this.#pauses.wait(wait);
        wait = Math.min(wait * 2, RETRY_MS.last);
      }
    }
    this.#isTelling = false;
  }
}

function endOf(identity: LogIdentity | undefined): number {
  return identity?.holes.at(-1)?.to ?? 0;
}
