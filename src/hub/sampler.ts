import type { BrokerStats } from "../broker/broker_options.ts";

/** Numbers of one second. */
export interface Sample {
  readonly published: number;
  readonly delivered: number;
  readonly bytes: number;
  readonly subscribers: number;
}

/** How many seconds are kept: five minutes. */
const SAMPLES = 300;
const SECOND_MS = 1_000;

/** Upper bounds of the publish latency's histogram, in seconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Looks at a broker once a second: rates of the last minutes, and how late the event loop is. */
export class Sampler {
  /** The last seconds, oldest first. */
  readonly samples: Sample[] = [];
  /** How late the last second came, in seconds. */
  lag = 0;
  /** How many publishes took at most so long, in seconds. */
  readonly latency: Latency = new Latency();
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #listeners = new Set<() => void>();
  #closed = false;

  constructor(stats: () => BrokerStats) {
    let last = stats();
    let due = performance.now() + SECOND_MS;
    this.#timer = setInterval(() => {
      const now = performance.now();
      this.lag = Math.max(0, now - due) / 1_000;
      due = now + SECOND_MS;
      const next = stats();
      this.samples.push({
        published: next.published - last.published,
        delivered: next.delivered - last.delivered,
        bytes: next.bytes - last.bytes,
        subscribers: next.subscribers,
      });
      if (this.samples.length > SAMPLES) this.samples.shift();
      last = next;
      for (const listener of this.#listeners) listener();
      this.#listeners.clear();
    }, SECOND_MS);
    // It keeps no process alive, where timers can be told so
    (this.#timer as { unref?: () => void }).unref?.();
  }

  /** Resolves with the next second; to `false` once there is none. */
  async next(): Promise<boolean> {
    if (!this.#closed) await new Promise<void>((resolve) => this.#listeners.add(resolve));
    return !this.#closed;
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }
}

/** A histogram, as Prometheus counts. */
export class Latency {
  readonly #counts: number[] = BUCKETS.map(() => 0);
  #count = 0;
  #sum = 0;

  /** Notes a duration, in seconds. */
  observe(seconds: number): void {
    this.#count++;
    this.#sum += seconds;
    BUCKETS.forEach((bound, i) => {
      if (seconds <= bound) this.#counts[i]!++;
    });
  }

  /** In Prometheus' text format. */
  lines(name: string): string[] {
    return [
      ...BUCKETS.map((bound, i) => `${name}_bucket{le="${bound}"} ${this.#counts[i]}`),
      `${name}_bucket{le="+Inf"} ${this.#count}`,
      `${name}_sum ${this.#sum}`,
      `${name}_count ${this.#count}`,
    ];
  }
}
