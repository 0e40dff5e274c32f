import process from "node:process";

/** The seed of random tests: printed, and taken from the environment to run the same again. */
export const SEED: number = Number(process.env.FRESHET_SEED ?? Date.now() % 2 ** 31);

console.log(`random tests run with FRESHET_SEED=${SEED}`);

/** Numbers of 0 to 1 from a seed: mulberry32. */
export function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
