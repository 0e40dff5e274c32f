import { TopicTree } from "../topic.ts";
import type { EntryChunk } from "./chunk.ts";
import type { Entry } from "./entry.ts";

/** Who is live in a group: what is new for the group is pushed to it. */
export interface Receiver {
  readonly group: Group;
  /** Everything that it was to get up to here, it has got. */
  readonly position: number;
  /** Whether each event is work of its own: a filter looks at it, or a loop. */
  readonly takesEach: boolean;
  /** Takes what is new of a chunk. Must not throw. */
  push(chunk: EntryChunk): void;
  /** Is live no more, and reads what comes after a position from the log. */
  fallBehind(position: number): void;
}

/** Subscribers of the very same topics: what one of them is sent, all are. */
export interface Group {
  readonly key: string;
  readonly topics: readonly string[];
  /** How many they are. */
  subscribers: number;
  /** Those that are pushed to. */
  readonly live: Set<Receiver>;
  /** What is new for those that are live, and not being pushed yet. */
  pending: Entry[] | undefined;
  /** The bytes of that. */
  pendingBytes: number;
  /** How many bytes of the log were handed over when that began. */
  pendingSince: number;
  /** What is being pushed: some have it already. */
  sending: EntryChunk | undefined;
  /** The position after which all that are live have to read from the log: it would have been too much to hold. */
  overdue: number | undefined;
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
        pending: undefined,
        pendingBytes: 0,
        pendingSince: 0,
        sending: undefined,
        overdue: undefined,
        newest: 0,
        published: 0,
      };
      this.#byKey.set(key, group);
      for (const topic of sorted) this.#tree.add(topic, group);
    }
    group.subscribers++;
    return group;
  }

  /** Takes one subscriber from a group. */
  leave(group: Group): void {
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
