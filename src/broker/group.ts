import { TopicTree } from "../topic.ts";
import type { EntryChunk } from "./chunk.ts";
import type { Entry } from "./entry.ts";

/** A live subscriber of a group: the group's new events are pushed to it. */
export interface Receiver {
  readonly group: Group;
  /** It has got everything that it should get up to this position. */
  readonly position: number;
  /** Whether each event is work of its own: a filter looks at it, or a loop. */
  readonly takesEach: boolean;
  /** Takes what is new of a chunk. Must not throw. */
  push(chunk: EntryChunk): void;
  /** Stops being live, and reads what comes after a position from the log. */
  fallBehind(position: number): void;
}

/** All subscribers of the same topics. They are sent the same events. */
export interface Group {
  readonly key: string;
  readonly topics: readonly string[];
  /** How many they are. */
  subscribers: number;
  /** Those that are pushed to. */
  readonly live: Set<Receiver>;
  /** New events for the live subscribers, which are not being pushed yet. */
  pending: Entry[] | undefined;
  /** The bytes of that. */
  pendingBytes: number;
  /** What is being pushed: some have it already. */
  sending: EntryChunk | undefined;
  /** The newest event that reached it: one that reaches it by two topics comes once. */
  newest: number;
  /** How many events have reached it. */
  published: number;
}

/** All groups, found by what they subscribe to. A group is removed with its last subscriber. */
export class Groups {
  readonly #byKey = new Map<string, Group>();
  readonly #tree = new TopicTree<Group>();

  /** The group of these topics, with one more subscriber. It is made for the first one. */
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
        sending: undefined,
        newest: 0,
        published: 0,
      };
      this.#byKey.set(key, group);
      for (const topic of sorted) this.#tree.add(topic, group);
    }
    group.subscribers++;
    return group;
  }

  /** Removes one subscriber from a group. */
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
