/**
 * Whether the speed has gone backwards: this tree beside an older commit, in one run, in turns. Run it in Bun, whose sockets
 * read fastest: `bun bench/regress_bench.ts RUNTIME [--base COMMIT] [--rounds N] [CASE…]`.
 *
 * Three programs take turns, each a process of its own: the base, this tree, and the base once more, which tells how far the
 * same code differs from itself. A round gives ratios of neighbours, and the median of the rounds counts. Two processes of
 * the same code differ for as long as they live, so they are started anew several times.
 *
 * Runtimes are `node`, `bun`, `deno`, and `deno-over-node`, which is the Node adapter on Deno.
 */
import { resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { BASE, checkOut } from "./support/base_tree.ts";
import { median, quantile } from "./support/compare.ts";
import {
  type Contestant,
  fanOut,
  idle,
  inProcess,
  resuming,
  type Round,
  type Where,
} from "./support/regress_contestants.ts";

const ROUNDS = 12;
/** How many rounds two processes go through before they are started anew. */
const ROUNDS_A_PROCESS = 3;
/** How much more it may cost in this tree, if the same code differs by less from itself. */
const ALLOWED = 0.03;
/** How much more a delivery may cost where each subscriber has a topic of its own beside the shared one. */
const ALLOWED_OWN_TOPICS = 0.1;
const CLIENTS = 1_000;
const IDLE_CLIENTS = 5_000;

interface Contest {
  readonly name: string;
  /** What a round's work consists of, and what each of it costs. */
  readonly unit: string;
  readonly base: () => Promise<Contestant>;
  readonly ours: () => Promise<Contestant>;
  readonly allowed: number;
  readonly roundsAProcess: number;
}

const { values: { base: commit, rounds: roundsText }, positionals } = parseArgs({
  options: { base: { type: "string", default: BASE }, rounds: { type: "string", default: String(ROUNDS) } },
  allowPositionals: true,
});
const [named = "node", ...wanted] = positionals;
const rounds = Number(roundsText);
const [runtime, adapter] = named === "deno-over-node" ? ["deno", "node"] as const : [named, named] as const;

const folder = checkOut(commit);
console.log(`\nThis tree beside ${commit} on ${named}: median of ${rounds} rounds, and the quartiles\n`);
console.log("| case | of each | base | this tree | this tree / base | base / base | allowed | |");
console.log("|---|---|---|---|---|---|---|---|");
for (const contest of contests({ root: folder, runtime, adapter }, { root: resolve("."), runtime, adapter })) {
  if (wanted.length === 0 || wanted.includes(contest.name)) await run(contest);
}
process.exit(0);

function contests(old: Where, ours: Where): Contest[] {
  const both = (
    name: string,
    start: (where: Where, name: string) => Promise<Contestant>,
    more: Partial<Contest> = {},
  ) => ({
    name,
    unit: "µs of CPU",
    base: () => start(old, name),
    ours: () => start(ours, name),
    allowed: ALLOWED,
    roundsAProcess: ROUNDS_A_PROCESS,
    ...more,
  });
  const shared = (): string => "/?topic=global";
  const own = (i: number): string => `/?topic=global&topic=user/${i}`;
  const fan = (pathOf: (i: number) => string) => (where: Where) =>
    fanOut(where, "fan-out", { clients: CLIENTS, pathOf });
  return [
    both("fan-out", fan(shared)),
    both("fan-out-16", (where, name) => fanOut(where, name, { clients: CLIENTS, perTurn: 16, pathOf: shared })),
    both("publish", inProcess),
    both("publish-loop", inProcess),
    both("resume-window", (where, name) => resuming(where, name, CLIENTS)),
    both("resume-sinks", inProcess),
    both("resume-deep", inProcess),
    both("idle", (where, name) => idle(where, name, IDLE_CLIENTS), { unit: "kB", roundsAProcess: 1 }),
    // This tree alone: a topic of one's own beside the shared one, and the shared one for all
    both("own-topics", fan(own), { base: () => fan(shared)(ours), allowed: ALLOWED_OWN_TOPICS }),
  ];
}

/** Prints what costs say, and how many a second it was: that depends more on what else this machine does. */
async function run({ name, unit, base, ours, allowed, roundsAProcess }: Contest): Promise<void> {
  const results: [base: Round, ours: Round, same: Round][] = [];
  while (results.length < rounds) {
    const contestants = [await base(), await ours(), await base()] as const;
    if (roundsAProcess > 1) { for (const contestant of contestants) await contestant.round(); } // warm up
    for (let i = 0; i < roundsAProcess && results.length < rounds; i++) {
      const round: Round[] = [];
      const order = results.length % 2 === 0 ? [0, 1, 2] : [2, 1, 0];
      for (const which of order) round[which] = await contestants[which]!.round();
      results.push(round as [Round, Round, Round]);
    }
    for (const contestant of contestants) await contestant.stop();
  }
  const scale = unit === "kB" ? 1e-3 : 1;
  row(name, unit, results.map((round) => round.map(({ cost }) => cost * scale)), allowed, (value) => value.toFixed(2));
  const speeds = results.map((round) => round.map(({ perSecond }) => perSecond));
  if (speeds.flat().includes(undefined)) return;
  const inverse = (speeds as number[][]).map((round) => round.map((perSecond) => 1 / perSecond));
  row(name, "s", inverse, allowed, (value) => `${(1 / value / 1_000).toFixed(1)} k/s`);
}

/** @param results What one costs, of the base, this tree and the base again, by rounds. */
function row(
  name: string,
  unit: string,
  results: readonly (readonly number[])[],
  allowed: number,
  text: (value: number) => string,
): void {
  // Each beside both of the base, so that what the machine did meanwhile counts as little as can be
  const ratios = results.map(([base, ours, same]) => ours! / Math.sqrt(base! * same!));
  const same = results.map(([base, , same]) => same! / base!);
  const spread = Math.max(allowed, Math.abs(median(same) - 1), (quantile(same, 0.75) - quantile(same, 0.25)) / 2);
  const of = (which: number): string => text(median(results.map((round) => round[which]!)));
  const verdict = median(ratios) <= 1 + spread ? "" : "**slower**";
  console.log(
    `| ${name} | ${unit} | ${of(0)} | ${of(1)} | ${quartiles(ratios)} | ${quartiles(same)} | ` +
      `${(1 + spread).toFixed(3)} | ${verdict} |`,
  );
}

function quartiles(values: readonly number[]): string {
  return `${median(values).toFixed(3)} (${quantile(values, 0.25).toFixed(3)} to ${quantile(values, 0.75).toFixed(3)})`;
}
