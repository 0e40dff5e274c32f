/** A place in the order of positions where none was given out: what was after `from` is lost, `to + 1` comes next. */
export interface Hole {
  readonly from: number;
  readonly to: number;
}

/** What an engine says of a log. */
export interface LogState {
  /** The random part of its IDs, made with it. */
  readonly epoch: string;
  readonly newest: number;
  /** The oldest position that is retained. */
  readonly oldest: number | undefined;
  /** From the first, which ends where positions begin, to the last. */
  readonly holes: readonly Hole[];
  /** The newest position at which a loss was told; 0 if none. */
  readonly lost: number;
  /** The engine's clock, in milliseconds since 1970; left out if it alone judges what is too old. */
  readonly time?: number | undefined;
}

/** Which log it is, and how its positions follow each other. */
export type LogIdentity = Pick<LogState, "epoch" | "holes">;

/** What of it tells whether positions follow each other. */
type Holes = Pick<LogState, "holes">;

/** Reads holes as `from-to,from-to`; none of an empty text. */
export function holesOf(text: string): Hole[] {
  if (text === "") return [];
  return text.split(",").map((hole) => {
    const [from, to] = hole.split("-").map(Number);
    return { from: from!, to: to! };
  });
}

/** Whether `next` comes directly after `position`, but for holes. */
export function follows({ holes }: Holes, position: number, next: number): boolean {
  if (next === position + 1) return true;
  let at = position;
  for (const { from, to } of holes) if (from <= at && at < to) at = to;
  return at + 1 === next;
}

/** The newest position at or before one that was given out; 0 if none was. */
export function givenOut({ holes }: Holes, position: number): number {
  let at = position;
  for (const { from, to } of holes.toReversed()) if (from < at && at <= to) at = from;
  return at;
}

/** Whether a position lies where none was given out; the end of a hole is a place to begin. */
export function isInHole({ holes }: Holes, position: number): boolean {
  return holes.some(({ from, to }) => from < position && position < to);
}
