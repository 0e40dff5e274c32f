import type { MemoryReplayStore, StoredEvent } from "../../mod.ts";

/** What the store took, in its order: the truth that every client is held against. */
export class PublishedLog {
  /** The event at position p stands at p - 1. */
  readonly events: StoredEvent[] = [];
  readonly #store: MemoryReplayStore;
  readonly #maxEvents: number;
  readonly #byId = new Map<string, StoredEvent[]>();

  constructor(store: MemoryReplayStore, maxEvents: number) {
    this.#store = store;
    this.#maxEvents = maxEvents;
    void store.tail({
      onEvents: (events) => events.forEach((event) => this.#take(event)),
      onError: () => {},
      onLost: () => {},
    });
  }

  get end(): number {
    return this.events.length;
  }

  /** Everything up to here retention has removed. */
  get removed(): number {
    return Math.max(0, this.end - this.#maxEvents);
  }

  /** All that were ever stored with an ID, in order. */
  withId(id: string): readonly StoredEvent[] {
    return this.#byId.get(id) ?? [];
  }

  /** The position that an ID of the store's own stands for. */
  positionOf(id: string): number | undefined {
    const position = Number(/\.(\d+)$/.exec(id)?.[1] ?? NaN);
    return position <= this.end && this.#store.idAt(position) === id ? position : undefined;
  }

  #take(event: StoredEvent): void {
    if (event.position !== this.end + 1) throw new Error(`the store left out a position: ${event.position}`);
    this.events.push(event);
    const same = this.#byId.get(event.id);
    if (same === undefined) this.#byId.set(event.id, [event]);
    else same.push(event);
  }
}

/** Whether topics or patterns reach an event: the plainest reading of the documentation. */
export function reaches(patterns: readonly string[], topics: readonly string[]): boolean {
  return patterns.some((pattern) => topics.some((topic) => expression(pattern).test(`/${topic}`)));
}

const expressions = new Map<string, RegExp>();

function expression(pattern: string): RegExp {
  let known = expressions.get(pattern);
  if (known === undefined) {
    const parts = pattern.split("/").map((segment) => ({ "*": "/[^/]+", "**": "(/.*)?" })[segment] ?? `/${segment}`);
    expressions.set(pattern, known = new RegExp(`^${parts.join("")}$`));
  }
  return known;
}
