import process from "node:process";

/** The seed of random tests: printed, and taken from the environment to run the same again. */
export const SEED: number = Number(process.env.FRESHET_SEED ?? Date.now() % 2 ** 31);

console.log(`random tests run with FRESHET_SEED=${SEED}`);
