/** How much is done before other work of the event loop gets its turn: pieces of work, and milliseconds. */
const STINT = { pieces: 1_000, ms: 10 };
/** How many pieces are done between two looks at the clock. */
const PIECES_A_LOOK = 32;

/** Counts the work of one turn of the event loop, so that one task gives way to all others in good time. */
export class Stint {
  #pieces = 0;
  #until = 0;

  /** A new turn has begun. */
  begin(): void {
    this.#pieces = 0;
    this.#until = performance.now() + STINT.ms;
  }

  /**
   * Counts a piece of work.
   *
   * @returns Whether it is time to give way.
   */
  isOver(): boolean {
    if (++this.#pieces >= STINT.pieces) return true;
    return this.#pieces % PIECES_A_LOOK === 0 && performance.now() >= this.#until;
  }
}
