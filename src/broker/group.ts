import type { Cursor } from "./cursor.ts";
import type { Entry } from "./entry.ts";
import { TopicTree } from "../topic.ts";

/** Subscribers of the very same topics: what one of them is sent, all are, so it is made once. */
export interface Group {
  readonly key: string;
  readonly topics: readonly string[];
  /** How many they are. */
  subscribers: number;
  /** Those that are pushed to. */
  readonly live: Set<Cursor>;
  /** This turn's events for those that are live. */
  pending: Entry[];
  pendingBytes: number;
  /** The newest event that reached it: one that reaches it by two topics comes once. */
  newest: number;
  /** How many events have reached it. */
  published: number;
}

/** The groups that there are, found by what they subscribe to. A group is gone with its last subscriber. */
export class Groups {
  readonly #byKey = new Map<string, Group>();
  readonly #tree = new TopicTree<Group>();

  /** The group of these topics, with one subscriber more; made if it is the first. */
  join(topics: readonly string[]): Group {
    const sorted = [...new Set(topics)].sort();
    const key = sorted.join("\n"); // no topic holds one
    let group = this.#byKey.get(key);
    if (group === undefined) {
      group = {
        key,
        topics: sorted,
        subscribers: 0,
        live: new Set(),
        pending: [],
        pendingBytes: 0,
        newest: 0,
        published: 0,
      };
      this.#byKey.set(key, group);
      for (const topic of sorted) this.#tree.add(topic, group);
    }
    group.subscribers++;
    return group;
  }

  leave(cursor: Cursor): void {
    const { group } = cursor;
    group.live.delete(cursor);
    if (--group.subscribers > 0) return;
    this.#byKey.delete(group.key);
    for (const topic of group.topics) this.#tree.delete(topic, group);
  }

  /** Calls for each group that a topic reaches, perhaps twice. */
  match(topic: string, visit: (group: Group) => void): void {
    this.#tree.match(topic, visit);
  }

  [Symbol.iterator](): IterableIterator<Group> {
    return this.#byKey.values();
  }
}
