import type { LogEngine } from "./engine.ts";
import type { LogState } from "./state.ts";

/** Who is told what becomes known of a log. */
export interface LogWatcher {
  /** Pages that are held may lack what the log has, or have what it lacks. */
  onChange(): void;
  /** It is another log, whose positions begin after this one. */
  onAnother(position: number): void;
}

/**
 * What this process knows of a log.
 *
 * An engine that comes back from an outage may have lost what it acknowledged last. It goes on far above, behind a hole in
 * the positions: a process that has seen a position inside the hole knows of the loss, and tells all others by an entry of
 * the log.
 */
export class KnownLog {
  readonly #engine: LogEngine;
  readonly #watcher: LogWatcher;
  #state: LogState | undefined;
  #seen = 0;
  /** Whether somebody follows it, and so keeps what is known new. */
  isFollowed = false;

  constructor(engine: LogEngine, watcher: LogWatcher) {
    this.#engine = engine;
    this.#watcher = watcher;
  }

  /** What it was when it was last asked for; `undefined` if it was not. */
  get state(): LogState | undefined {
    return this.#state;
  }

  /** The newest position that this process knows of. */
  get seen(): number {
    return this.#seen;
  }

  /** Notes that there is a position. */
  see(position: number): void {
    this.#seen = Math.max(this.#seen, position);
  }

  /** What is known, or what the engine says if nobody keeps that new. */
  async current(): Promise<LogState> {
    return this.#state !== undefined && this.isFollowed ? this.#state : await this.ask();
  }

  /** Asks what the log is, and says so if it is not what it was, or lacks what this process has seen. */
  async ask(): Promise<LogState> {
    const state = await this.#engine.state();
    const before = this.#state;
    this.#state = state;
    if (before?.epoch !== state.epoch || before.holes.at(-1)!.to !== state.holes.at(-1)!.to) this.#watcher.onChange();
    if (before !== undefined && before.epoch !== state.epoch) {
      this.#seen = state.holes[0]!.to;
      this.#watcher.onAnother(this.#seen);
    }
    const hole = state.holes.find(({ from, to }) => from < this.#seen && this.#seen < to);
    this.see(state.newest);
    if (hole !== undefined) await this.#engine.tellLoss(hole);
    return state;
  }
}
