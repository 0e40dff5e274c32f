import { assertEquals } from "@std/assert";
import { describe, it, mock } from "node:test";
import { MemoryReplayStore, type NewEvent, type StoredEvent } from "../../mod.ts";
import { matchesAny } from "../../src/topic.ts";
import { random, SEED } from "../support/seed.ts";

/** How many logs are played, and how many steps each has. */
const RUNS = { logs: 300, steps: 60 };

interface Limits {
  readonly maxEvents: number;
  readonly maxAge: number;
  readonly maxBytes: number;
}

/** What the store promises, by looking at everything each time. */
class NaiveStore {
  readonly #limits: Limits;
  readonly #idAt: (position: number) => string;
  readonly #all: StoredEvent[] = [];
  #removed = 0;
  #time = 0;

  constructor(limits: Limits, idAt: (position: number) => string) {
    this.#limits = limits;
    this.#idAt = idAt;
  }

  /** What is kept; those before have been removed for good. */
  #kept(now: number): StoredEvent[] {
    const { maxEvents, maxAge, maxBytes } = this.#limits;
    const bytes = (events: readonly StoredEvent[]): number =>
      events.reduce((sum, { id, topics, data, event = "", comment = "" }) => {
        const own = id.startsWith("~") ? 0 : 80 + (topics.length > 1 ? 2 * topics.join("").length : 0);
        return sum + 230 + 100 * topics.length + own + 2 * [id, ...topics, data, event, comment].join("").length;
      }, 0);
    let kept = this.#all.slice(this.#removed);
    while (kept.length > maxEvents || bytes(kept) > maxBytes || kept.some(({ time }) => now - time > maxAge)) {
      kept = kept.slice(1);
      this.#removed++;
    }
    return kept;
  }

  append(events: readonly NewEvent[], clock: number): (string | undefined)[] {
    const now = this.#time = Math.max(this.#time, clock);
    const results = events.map((event) => {
      const { id, topics } = event;
      if (id?.startsWith("~")) return undefined;
      const set = JSON.stringify([...topics].sort());
      const same = this.#kept(now).find((kept) => kept.id === id && JSON.stringify([...kept.topics].sort()) === set);
      if (same !== undefined) return same.data === event.data && same.event === event.event ? id : undefined;
      const position = this.#all.length + 1;
      this.#all.push({ ...event, position, id: id ?? this.#idAt(position), time: now });
      return this.#all.at(-1)!.id;
    });
    this.#kept(now);
    return results;
  }

  read(after: number, topics: readonly string[], limit: number, maxLength: number, now: number): unknown {
    const events: StoredEvent[] = [];
    let position = Math.max(after, this.#all.length);
    for (const event of this.#kept(now).filter(({ position }) => position > after)) {
      if (events.length === limit || events.reduce((sum, { data }) => sum + data.length, 0) >= maxLength) {
        position = event.position - 1;
        break;
      }
      if (matchesAny(topics, event.topics)) events.push(event);
    }
    return { events, position, removed: this.#removed };
  }

  locate(id: string, topics: readonly string[], now: number): number | undefined {
    return this.#kept(now).find((event) => event.id === id && matchesAny(topics, event.topics))?.position;
  }

  last(count: number, topics: readonly string[], now: number): number {
    const reached = this.#kept(now).filter((event) => matchesAny(topics, event.topics));
    return reached.length < count ? this.#removed : reached.at(-count)!.position - 1;
  }

  since(time: number, now: number): number {
    return (this.#kept(now).find((event) => event.time >= time)?.position ?? this.#all.length + 1) - 1;
  }

  removed(topics: readonly string[], now: number): number {
    this.#kept(now);
    return this.#all.slice(0, this.#removed).findLast((event) => matchesAny(topics, event.topics))?.position ?? 0;
  }
}

describe("MemoryReplayStore", () => {
  it("does what a naive store does, whatever comes in whatever order", { timeout: 120_000 }, async () => {
    mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
    try {
      for (let run = 0; run < RUNS.logs; run++) await play(SEED + run);
    } finally {
      mock.timers.reset();
    }
  });
});

async function play(seed: number): Promise<void> {
  const chance = random(seed);
  const below = (n: number): number => Math.floor(chance() * n);
  const pick = <T>(items: readonly T[]): T => items[below(items.length)]!;
  const some = <T>(
    items: readonly T[],
    most: number,
  ): T[] => [...new Set(Array.from({ length: 1 + below(most) }, () => pick(items)))];
  const topics = ["a", "a/b", "a/b/c", "b", "b/c", "$s", "$s/a"];
  const asked = [...topics, "**", "*", "a/**", "*/b", "a/*/c", "*/c/**", "$s/**", "none", "none/**"];
  const limits = {
    maxEvents: pick([Infinity, 0, 1, 3, 20]),
    maxAge: pick([Infinity, 0, 10, 100]),
    maxBytes: pick([Infinity, 300, 2_000]),
  };
  const store = new MemoryReplayStore(limits);
  const naive = new NaiveStore(limits, (position) => store.idAt(position));
  const tailed: StoredEvent[] = [];
  await store.tail({ onEvents: (events) => void tailed.push(...events), onError: () => {}, onLost: () => {} });
  let now = Date.now();
  let newest = 0;
  for (let step = 0; step < RUNS.steps; step++) {
    const says = `FRESHET_SEED=${seed}, ${JSON.stringify(limits)}, step ${step}`;
    if (below(4) === 0) mock.timers.setTime(now += below(30) - 3); // also back
    const of = some(asked, 3);
    const position = below(newest + 3);
    switch (below(8)) {
      case 0:
      case 1:
      case 2: {
        const events = Array.from({ length: 1 + below(4) }, (): NewEvent => ({
          topics: some(topics, 3),
          data: pick(["", "1", "2", "x".repeat(below(100))]),
          ...(below(3) === 0 ? { event: "t" } : {}),
          ...(below(2) === 0 ? { id: pick(["x", "x", "y", "z", "~abcdefgh.1"]) } : {}),
        }));
        const results = await store.append(events);
        assertEquals(results.map(({ id }) => id), naive.append(events, now), says);
        newest = tailed.length;
        break;
      }
      case 3: {
        const [limit, maxLength] = [1 + below(8), pick([1, 5, Infinity])];
        const read = await store.read(position, { topics: of, limit, maxLength });
        assertEquals<unknown>(read, naive.read(position, of, limit, maxLength, now), says);
        break;
      }
      case 4: {
        const id = pick(["x", "y", "z", "none"]);
        assertEquals(await store.locate(id, of), naive.locate(id, of, now), says);
        break;
      }
      case 5: {
        const last = 1 + below(6);
        assertEquals(await store.seek({ last, topics: of }), naive.last(last, of, now), says);
        break;
      }
      case 6: {
        const since = now - below(60);
        assertEquals(await store.seek({ since }), naive.since(since, now), says);
        break;
      }
      case 7:
        assertEquals(await store.removed(of), naive.removed(of, now), says);
        break;
    }
  }
  assertEquals(tailed.map(({ position }) => position), tailed.map((_, i) => i + 1));
}
