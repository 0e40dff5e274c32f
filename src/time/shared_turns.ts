import { laterTurn } from "./later_turn.ts";

/** What a step of a job brought. */
interface Step {
  /** How much was done: no more than the step was told. */
  readonly spent: number;
  readonly done: boolean;
}

interface Job {
  readonly step: (most: number) => Step;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Long jobs in short steps: all jobs together do no more than so much in one
 * turn of the event loop, each in its turn, so that a short one never waits for
 * the end of a long one.
 */
export class SharedTurns {
  readonly #perTurn: number;
  readonly #perStep: number;
  #left: number;
  #jobs: Job[] = [];
  #isRenewing = false;

  /**
   * @param perTurn How much all jobs do in one turn.
   * @param perStep How much one job does before the next has its turn.
   */
  constructor(perTurn: number, perStep: number) {
    this.#perTurn = this.#left = perTurn;
    this.#perStep = perStep;
  }

  /** Calls a step again and again until it says that it is done; the first time at once, if something is left of this turn. */
  run(step: (most: number) => Step): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#jobs.push({ step, resolve, reject });
      this.#work();
    });
  }

  #work(): void {
    let at = 0;
    for (; at < this.#jobs.length && this.#left > 0; at++) {
      const job = this.#jobs[at]!;
      try {
        const { spent, done } = job.step(Math.min(this.#left, this.#perStep));
        this.#left -= Math.max(1, spent);
        if (done) job.resolve();
        else this.#jobs.push(job);
      } catch (error) {
        job.reject(error);
      }
    }
    this.#jobs.splice(0, at);
    if (this.#isRenewing || this.#left === this.#perTurn) return;
    this.#isRenewing = true;
    laterTurn(() => {
      this.#isRenewing = false;
      this.#left = this.#perTurn;
      this.#work();
    });
  }
}
