/** What it may take, in bytes: enough for about 100,000 topics. */
const MAX_BYTES = 24 << 20;
/** What a place takes on V8 and JavaScriptCore, what it takes in addition to have others below it, and a topic's entry. */
const BYTES = { place: 150, below: 150, topic: 50 };
/** How many places under a `*` one question looks at. */
const LOOKED_AT = 1_000;

/** A place in the tree: the topics that begin with the segments on the way to it. */
interface Place {
  readonly segment: string;
  readonly above: Place | undefined;
  below: Map<string, Place> | undefined;
  /** The newest position removed here or below. */
  newest: number;
  /** The newest position removed of the topic that ends here; 0 if none. */
  position: number;
  /** That topic, if something of it was removed. */
  topic: string;
  /** Its neighbours in the order of `position`. */
  older: Place | undefined;
  newer: Place | undefined;
}

/**
 * The newest removed position of each topic. Exact for topics and for patterns
 * whose only wildcard is a last `**`, without looking at other topics; for other
 * patterns it may be too late where more than 1,000 places would have to be
 * looked at. It takes about 24 MiB at most: the topics of which nothing was
 * removed for the longest time are forgotten, and for every topic the answer is
 * then no earlier than theirs.
 */
export class RemovedTopics {
  readonly #byTopic = new Map<string, Place>();
  readonly #root = place("", undefined);
  /** Where the topics begin that no wildcard reaches: those whose first segment begins with `$`. */
  readonly #hidden = place("", undefined);
  readonly #maxBytes: number;
  #oldest: Place | undefined;
  #newest: Place | undefined;
  #bytes = 0;
  #forgotten = 0;

  constructor(maxBytes: number = MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Something of a topic was removed, no earlier than all before. */
  add(topic: string, position: number): void {
    let at = this.#byTopic.get(topic);
    if (at === undefined) this.#byTopic.set(topic, at = this.#make(topic));
    else this.#unlink(at);
    at.position = position;
    at.newer = undefined;
    at.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = at;
    else this.#newest.newer = at;
    this.#newest = at;
    for (let up: Place | undefined = at; up !== undefined; up = up.above) up.newest = position;
    while (this.#bytes > this.#maxBytes) this.#forget(this.#oldest!);
  }

  /**
   * The newest removed position among the topics that these topics and patterns
   * reach; 0 if none. `looked` is at how many of them and of places was looked.
   */
  find(patterns: readonly string[]): { readonly newest: number; readonly looked: number } {
    let newest = this.#forgotten;
    let left = LOOKED_AT;
    const search = (place: Place, segments: readonly string[], at: number): void => {
      if (place.newest <= newest) return;
      const segment = segments[at];
      if (segment === undefined) {
        newest = Math.max(newest, place.position);
      } else if (segment === "**") {
        newest = place.newest;
      } else if (segment === "*") {
        for (const below of place.below?.values() ?? []) {
          if (left === 0) {
            newest = Math.max(newest, place.newest); // too late, perhaps
            return;
          }
          left--;
          search(below, segments, at + 1);
        }
      } else {
        const below = place.below?.get(segment);
        if (below !== undefined) search(below, segments, at + 1);
      }
    };
    for (const pattern of patterns) {
      if (pattern.includes("*")) search(this.#rootOf(pattern), pattern.split("/"), 0);
      else newest = Math.max(newest, this.#byTopic.get(pattern)?.position ?? 0);
    }
    return { newest, looked: patterns.length + LOOKED_AT - left };
  }

  #rootOf(name: string): Place {
    return name.startsWith("$") ? this.#hidden : this.#root;
  }

  #make(topic: string): Place {
    let at = this.#rootOf(topic);
    for (const segment of topic.split("/")) {
      let below = at.below?.get(segment);
      if (below === undefined) {
        this.#bytes += BYTES.place + segment.length;
        if (at.below === undefined) {
          at.below = new Map();
          this.#bytes += BYTES.below;
        }
        at.below.set(segment, below = place(segment, at));
      }
      at = below;
    }
    at.topic = topic;
    this.#bytes += BYTES.topic + 2 * topic.length;
    return at;
  }

  #unlink({ older, newer }: Place): void {
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
  }

  /** Forgets the topic of a place, and every place that is there for nothing else. */
  #forget(oldest: Place): void {
    this.#forgotten = oldest.position;
    this.#byTopic.delete(oldest.topic);
    this.#bytes -= BYTES.topic + 2 * oldest.topic.length;
    this.#unlink(oldest);
    oldest.position = 0;
    oldest.topic = "";
    for (let at = oldest; at.above !== undefined && at.position === 0 && at.below === undefined; at = at.above) {
      const { segment, above } = at;
      above.below!.delete(segment);
      this.#bytes -= BYTES.place + segment.length;
      if (above.below!.size === 0) {
        above.below = undefined;
        this.#bytes -= BYTES.below;
      }
    }
  }
}

function place(segment: string, above: Place | undefined): Place {
  return { segment, above, below: undefined, newest: 0, position: 0, topic: "", older: undefined, newer: undefined };
}
