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
