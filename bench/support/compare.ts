/** Side by side in one run: these machines are shared and noisy, so only ratios of neighbours count. */

export interface Contest {
  /** The shape, as the table names it. */
  readonly shape: string;
  /** Bytes (or whatever `unit` says) one call handles. */
  readonly work: number;
  readonly ours: () => unknown | Promise<unknown>;
  readonly peers: Readonly<Record<string, () => unknown | Promise<unknown>>>;
}

export interface Result {
  readonly shape: string;
  /** Work per second of ours, best round. */
  readonly ours: number;
  /** How many times faster ours is, by peer: the median over interleaved rounds. */
  readonly ratios: Readonly<Record<string, number>>;
}

export const runtime: "deno" | "bun" | "node" = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";

const ROUND_MS = 60;
const ROUNDS = 15;

export async function compare(contest: Contest): Promise<Result> {
  const names = Object.keys(contest.peers);
  const cases = [contest.ours, ...Object.values(contest.peers)];
  const times: number[][] = cases.map(() => []);
  const calls: number[] = [];
  for (const run of cases) { // warm up, and find how many calls fill a round
    let count = 1;
    for (let warm = 0; warm < 3;) {
      const took = await time(run, count);
      if (took < ROUND_MS) count = Math.max(count + 1, Math.ceil(count * Math.min(8, ROUND_MS / took)));
      else warm++;
    }
    calls.push(count);
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < cases.length; i++) {
      const which = round % 2 === 0 ? i : cases.length - 1 - i;
      times[which]!.push(await time(cases[which]!, calls[which]!) / calls[which]!);
    }
  }
  const ratios: Record<string, number> = {};
  names.forEach((name, i) => {
    ratios[name] = median(times[0]!.map((ours, round) => times[i + 1]![round]! / ours));
  });
  return { shape: contest.shape, ours: contest.work / (Math.min(...times[0]!) / 1000), ratios };
}

async function time(run: () => unknown, count: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < count; i++) {
    const result = run();
    if (result instanceof Promise) await result;
  }
  return performance.now() - start;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The value below which such a part of all values lies. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * part;
  const below = sorted[Math.floor(at)]!;
  return below + (sorted[Math.ceil(at)]! - below) * (at % 1);
}

export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** Prints one table row per shape and the geometric means; `unit` is what `work` counts. */
export function report(title: string, results: readonly Result[], unit: (perSecond: number) => string): void {
  const names = Object.keys(results[0]!.ratios);
  console.log(`\n${title} (${runtime}; times as fast as the peer, median of ${ROUNDS} interleaved rounds)\n`);
  console.log(`| shape | ours | ${names.join(" | ")} |\n|---|---|${names.map(() => "---|").join("")}`);
  for (const { shape, ours, ratios } of results) {
    console.log(`| ${shape} | ${unit(ours)} | ${names.map((name) => ratios[name]!.toFixed(2)).join(" | ")} |`);
  }
  const means = names.map((name) => geometricMean(results.map((result) => result.ratios[name]!)).toFixed(2));
  console.log(`| geometric mean | | ${means.join(" | ")} |`);
}
