/**
 * Runs before the tests in a copy of the tree that holds every mutant, each behind a switch: turns one on, ends it when it
 * goes round without end, and writes which were reached.
 */
import { writeFileSync } from "node:fs";
import process from "node:process";

/** What the instrumented code looks at. */
interface Switches {
  activeMutant?: string | undefined;
  hitCount?: number;
  hitLimit?: number;
  readonly mutantCoverage?: { readonly static: Readonly<Record<string, number>> };
}

const { FRESHET_MUTANT, FRESHET_MUTANT_HITS, FRESHET_MUTANT_REACHED } = process.env;

const switches: Switches = { activeMutant: FRESHET_MUTANT };
if (FRESHET_MUTANT_HITS !== undefined) {
  switches.hitCount = 0;
  switches.hitLimit = Number(FRESHET_MUTANT_HITS);
}
(globalThis as { __stryker__?: Switches }).__stryker__ = switches;

if (FRESHET_MUTANT_REACHED !== undefined) {
  process.on(
    "exit",
    () => writeFileSync(FRESHET_MUTANT_REACHED, JSON.stringify(switches.mutantCoverage?.static ?? {})),
  );
}
