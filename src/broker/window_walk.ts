import { Walk, type Walker, type WalkHost } from "./walk.ts";
import type { Window } from "./window.ts";

/** Events of one step: few enough that live delivery never waits long for it. */
const STEP_EVENTS = 256;

/** Serves walkers from the window of recent events. It never waits for the store. */
export class WindowWalk {
  readonly #host: WalkHost & { readonly window: Window };
  readonly #walk: Walk;
  #isWalking = false;

  constructor(host: WalkHost & { readonly window: Window }) {
    this.#host = host;
    this.#walk = new Walk(host);
  }

  add(walker: Walker): void {
    this.#walk.add(walker);
    if (!this.#isWalking) void this.#run();
  }

  delete(walker: Walker): void {
    this.#walk.delete(walker);
  }

  close(): void {
    this.#walk.clear();
  }

  async #run(): Promise<void> {
    this.#isWalking = true;
    const walk = this.#walk;
    await walk.giveWay(); // walkers that come in one turn go together
    let at = 0;
    for (let from = await walk.next(at); from !== undefined; from = await walk.next(at)) {
      const { window } = this.#host;
      if (from < window.floor) {
        this.#handOn(from);
        continue;
      }
      const entries = window.read(from, STEP_EVENTS);
      at = entries.length < STEP_EVENTS ? Math.max(from, window.head) : entries[entries.length - 1]!.position;
      await walk.serve(from, { entries, upTo: at });
    }
    this.#isWalking = false;
    if (walk.size > 0) void this.#run(); // a walker came while the last answer of `next` was on its way
  }

  /** The window has moved on meanwhile: the walkers must read from the store. */
  #handOn(from: number): void {
    for (const walker of this.#walk.between(from, from)) {
      this.#walk.delete(walker);
      this.#host.advance(walker);
    }
  }
}
