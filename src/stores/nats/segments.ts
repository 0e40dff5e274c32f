import type { Hole } from "../log/state.ts";
import { SseError } from "../../errors.ts";

/** From a message on, what is added to the stream's sequences to make positions. */
export interface Segment {
  readonly after: number;
  readonly offset: number;
}

/** What the stream's description holds: servers before 2.10 have no other place for it. */
export interface Description {
  readonly epoch: string;
  /** The first begins at 0. Each further one follows a loss of messages, whose sequences are given out again. */
  readonly segments: readonly Segment[];
}

/** A description as text, and a segment of it. */
export function textOf({ epoch, segments }: Description): string {
  return `freshet 1 ${epoch} ${segments.map(textOfSegment).join(",")}`;
}

export function textOfSegment({ after, offset }: Segment): string {
  return `${after}:${offset}`;
}

/** Reads them again. */
export function descriptionOf(text: string | undefined): Description {
  const [, epoch, segments] = /^freshet 1 ([a-z]{8}) ([\d:,]+)$/.exec(text ?? "") ?? [];
  if (epoch === undefined) {
    throw new SseError("backend-failed", `Cannot use the stream as its description is not ours: got ${text}`);
  }
  return { epoch, segments: segmentsOf(segments!) };
}

export function segmentsOf(text: string): Segment[] {
  return text.split(",").map((segment) => {
    const [after, offset] = segment.split(":").map(Number);
    return { after: after!, offset: offset! };
  });
}

/** The position of a message. */
export function positionOf(segments: readonly Segment[], seq: number): number {
  return segments.findLast(({ after }, i) => seq > after || i === 0)!.offset + seq;
}

/** The sequence of the newest message that has this position or one before. */
export function sequenceOf(segments: readonly Segment[], position: number): number {
  const i = segments.findLastIndex(({ after, offset }) => position > offset + after);
  if (i < 0) return 0;
  return Math.min(position - segments[i]!.offset, segments[i + 1]?.after ?? Infinity);
}

/** Where no positions were given out: before the first segment, and between them. */
export function holesOf(segments: readonly Segment[]): Hole[] {
  return segments.map(({ after, offset }, i) => ({
    from: i === 0 ? 0 : segments[i - 1]!.offset + after,
    to: offset + after,
  }));
}
