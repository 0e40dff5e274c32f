/** How much is done before other work of the event loop gets its turn: pieces of work, and milliseconds. */
const STINT = { pieces: 1_000, ms: 4 };
/** How many more events than one are another piece: where all leave in one write, or where something looks at each. */
const EVENTS_A_PIECE = { joined: 64, single: 4 };
/** After how many pieces the clock is looked at. */
const PIECES_A_LOOK = 32;

/** Counts the work of one turn of the event loop, so that one task gives way to all others in good time. */
export class Stint {
  #pieces = 0;
  #nextLook = 0;
  #until = 0;

  /** A new turn has begun. */
  begin(): void {
    this.#pieces = 0;
    this.#nextLook = PIECES_A_LOOK;
    this.#until = performance.now() + STINT.ms;
  }

  /**
   * Counts pieces of work.
   *
   * @returns Whether it is time to give way.
   */
  isOver(pieces: number = 1): boolean {
    this.#pieces += pieces;
    if (this.#pieces >= STINT.pieces) return true;
    if (this.#pieces < this.#nextLook) return false;
    this.#nextLook = this.#pieces + PIECES_A_LOOK;
    return performance.now() >= this.#until;
  }
}

/**
 * How many pieces of work it is to hand events to a subscriber.
 *
 * @param takesEach Whether each event is work of its own: a filter looks at it, or a loop.
 */
export function piecesOf(events: number, takesEach: boolean): number {
  return 1 + (events - 1) / (takesEach ? EVENTS_A_PIECE.single : EVENTS_A_PIECE.joined);
}
