import { TopicMatcher } from "../topic.ts";

/** How many events of one ID are looked at to find one that topics reach. */
export const LOOKED_AT = 64;

/** What must be known of an event here. */
export interface Owned {
  readonly id: string;
  readonly topics: readonly string[];
  readonly position: number;
}

/** Events by the IDs that their publishers gave. An ID belongs to a set of topics: others may use it for theirs. */
export class OwnIds<T extends Owned> {
  /** The only event of an ID; all by their sets of topics, in the order of the log, where there are several. */
  readonly #byId = new Map<string, T | Map<string, T>>();

  get isEmpty(): boolean {
    return this.#byId.size === 0;
  }

  /** The event with this ID that was published to exactly these topics. */
  get(id: string, topics: readonly string[]): T | undefined {
    const found = this.#byId.get(id);
    if (found === undefined || found instanceof Map) return found?.get(setOf(topics));
    return setOf(found.topics) === setOf(topics) ? found : undefined;
  }

  /** Adds an event that is newer than all that are there. If there is one of the same ID and topics, that one stays. */
  add(event: T): void {
    const { id, topics } = event;
    const found = this.#byId.get(id);
    const set = setOf(topics);
    if (found === undefined) this.#byId.set(id, event);
    else if (found instanceof Map) found.has(set) || found.set(set, event);
    else if (setOf(found.topics) !== set) this.#byId.set(id, new Map([[setOf(found.topics), found], [set, event]]));
  }

  /** @returns Whether the event was found and removed. */
  delete({ id, topics, position }: Owned): boolean {
    const found = this.#byId.get(id);
    if (!(found instanceof Map)) return found?.position === position && this.#byId.delete(id);
    const set = setOf(topics);
    if (found.get(set)?.position !== position) return false;
    found.delete(set);
    if (found.size === 0) this.#byId.delete(id);
    return true;
  }

  /** The position of the earliest event with this ID that the topics reach, of the 64 earliest with this ID. */
  locate(id: string, topics: readonly string[]): number | undefined {
    const found = this.#byId.get(id);
    if (found === undefined) return undefined;
    const matcher = new TopicMatcher(topics);
    let left = LOOKED_AT;
    for (const event of found instanceof Map ? found.values() : [found]) {
      if (left-- === 0) return undefined;
      if (matcher.matches(event.topics)) return event.position;
    }
    return undefined;
  }

  clear(): void {
    this.#byId.clear();
  }
}

/** The same text for the same topics, whatever their order: no topic holds a line break. */
export function setOf(topics: readonly string[]): string {
  return topics.length === 1 ? topics[0]! : [...topics].sort().join("\n");
}
