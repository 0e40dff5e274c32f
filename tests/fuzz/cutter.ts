import type { Draw } from "./draw.ts";

/**
 * How a stream is cut: not at all, everywhere, in equal parts, into small and empty chunks, about as long as those that the
 * parser lets wait (32 bytes), here and there.
 *
 * @returns The length of each next chunk; the last may be too long.
 */
export function cutter(draw: Draw, length: number): () => number {
  const kind = draw.below(6);
  if (kind === 0) return () => length;
  if (kind === 1) return () => 1;
  const size = 2 + draw.below(7);
  if (kind === 2) return () => size;
  if (kind === 3) return () => draw.below(4);
  if (kind === 4) return () => 20 + draw.below(25);
  return () => 1 + draw.below(length);
}
