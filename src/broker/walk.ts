import { TopicTree } from "../topic.ts";
import { Chunks, type EntryChunk } from "./chunk.ts";
import type { Entry } from "./entry.ts";
import type { Group } from "./group.ts";
import { piecesOf, Stint } from "./stint.ts";

/** How many topics that are put into the tree, or events and groups that are looked at there, are a piece of work. */
const TOPICS_A_PIECE = 8;

/** A subscriber that reads the log in a walk. */
export interface Walker {
  readonly group: Group;
  /** It has got everything that it should get up to this position, which does not change while it is in a walk. */
  readonly position: number;
  /** Whether it can take more. */
  readonly hasRoom: boolean;
  /** Whether it is to be told that events are missing. */
  readonly hasGap: boolean;
  /** Whether each event is work of its own: a filter looks at it, or a loop. */
  readonly takesEach: boolean;
  /** Notes that events are missing from its position on. */
  lose(reason: "expired"): void;
  /** Tells of the missing events: what follows comes after `resumed`. */
  tellGap(resumed: number): void;
  /** Takes what its topics reach after its position, up to another. */
  serve(chunk: EntryChunk | undefined, upTo: number, chunks: Chunks): void;
}

/** What a walk needs of its surroundings. */
export interface WalkHost {
  /** Where a walker that was served goes next: into this walk again, or another, or out of all. */
  advance(walker: Walker): void;
  /** Resolves in a later turn of the event loop. */
  turn(): Promise<void>;
}

/** Events of one step: all that the walkers' topics reach after one position, up to another. */
export interface Page {
  readonly entries: readonly Entry[];
  readonly upTo: number;
}

/**
 * The walkers on their way along the log, by their positions. A step serves all walkers that stand on its page, and what it
 * reads is matched once for each group. Its work gives way to the event loop.
 */
export class Walk {
  readonly #host: WalkHost;
  /** The walkers at a position, in no order. */
  readonly #standing = new Map<number, Set<Walker>>();
  /** Walkers that came during a step: they are not on its page. */
  readonly #arriving = new Set<Walker>();
  /** How many walkers each group has here. */
  readonly #groups = new Map<Group, number>();
  /** Groups without walkers. They are removed only before the next step, because their walkers usually come back at once. */
  readonly #emptied = new Set<Group>();
  readonly #tree = new TopicTree<Group>();
  readonly #stint = new Stint();
  #size = 0;
  #onLeft: ((position: number) => void) | undefined;

  constructor(host: WalkHost) {
    this.#host = host;
  }

  /** How many walkers there are. */
  get size(): number {
    return this.#size + this.#arriving.size;
  }

  /** The groups that have walkers here. */
  get groups(): IterableIterator<Group> {
    return this.#groups.keys();
  }

  add(walker: Walker): void {
    this.#arriving.add(walker);
  }

  delete(walker: Walker): void {
    if (this.#arriving.delete(walker)) return;
    const at = this.#standing.get(walker.position);
    if (at?.delete(walker) !== true) return;
    if (at.size === 0) this.#standing.delete(walker.position);
    this.#size--;
    const count = this.#groups.get(walker.group)! - 1;
    this.#groups.set(walker.group, count);
    if (count === 0) this.#emptied.add(walker.group);
    if (at.size === 0) this.#onLeft?.(walker.position);
  }

  clear(): void {
    for (const walkers of this.#standing.values()) for (const walker of walkers) this.delete(walker);
    this.#arriving.clear();
  }

  /**
   * Takes in the walkers that have arrived, and says where to step from.
   *
   * @param at Where the last step led to: the walk goes upwards, and begins anew at the lowest.
   * @returns The lowest position of a walker that is not below `at`, else the lowest of all.
   */
  async next(at: number): Promise<number | undefined> {
    for (const walker of this.#arriving) {
      this.#arriving.delete(walker);
      if (this.#stint.isOver(1 + this.#stand(walker) / TOPICS_A_PIECE)) await this.giveWay();
    }
    for (const group of this.#emptied) {
      this.#emptied.delete(group);
      if (this.#stint.isOver(1 + this.#leave(group) / TOPICS_A_PIECE)) await this.giveWay();
    }
    let above = Infinity;
    let lowest = Infinity;
    for (const position of this.#standing.keys()) {
      if (position < lowest) lowest = position;
      if (position >= at && position < above) above = position;
      if (this.#stint.isOver()) await this.giveWay();
    }
    if (above < Infinity && this.#standing.has(above)) return above;
    // The walkers there may have left while this gave way
    return lowest < Infinity && this.#standing.has(lowest) ? lowest : this.size > 0 ? await this.next(at) : undefined;
  }

  /** Calls once, when no walker is left at a position. Only the last call is remembered. */
  onceLeft(position: number, callback: () => void): void {
    if (!this.#standing.has(position)) return callback();
    this.#onLeft = (left) => {
      if (left !== position) return;
      this.#onLeft = undefined;
      callback();
    };
  }

  /** The walkers from one position up to another. */
  *between(from: number, upTo: number): IterableIterator<Walker> {
    for (const [position, walkers] of this.#standing) {
      if (position < from || position >= upTo && position !== from) continue;
      yield* walkers;
    }
  }

  /** Serves all walkers on a page. */
  async serve(from: number, { entries, upTo }: Page): Promise<void> {
    const chunks = new Chunks();
    const reached = new Map<Group, Entry[]>();
    for (let at = this.#match(entries, 0, reached); at < entries.length; at = this.#match(entries, at, reached)) {
      await this.giveWay();
    }
    const parts = new Map<Group, Part>();
    for (const walker of this.between(from, upTo)) {
      const { group } = walker;
      let part = parts.get(group);
      if (part === undefined) parts.set(group, part = new Part(reached.get(group) ?? [], chunks));
      this.delete(walker);
      if (walker.hasGap) walker.tellGap(part.before(walker.position) ?? Math.max(upTo, walker.position));
      const chunk = part.after(walker.position);
      if (walker.hasRoom && walker.position < upTo) walker.serve(chunk, upTo, chunks);
      this.#host.advance(walker);
      if (this.#stint.isOver(piecesOf(chunk?.length ?? 1, walker.takesEach))) await this.giveWay();
    }
  }

  /** Lets other work of the event loop run. */
  async giveWay(): Promise<void> {
    await this.#host.turn();
    this.#stint.begin();
  }

  /**
   * Lets other work run if that is due.
   *
   * @param pieces How much work was done.
   */
  async worked(pieces: number): Promise<void> {
    if (this.#stint.isOver(pieces)) await this.giveWay();
  }

  /** @returns How many topics were put into the tree. */
  #stand(walker: Walker): number {
    const { position, group } = walker;
    const at = this.#standing.get(position);
    if (at === undefined) this.#standing.set(position, new Set([walker]));
    else at.add(walker);
    this.#size++;
    const count = this.#groups.get(group);
    this.#groups.set(group, (count ?? 0) + 1);
    if (count !== undefined) return 0;
    for (const topic of group.topics) this.#tree.add(topic, group);
    return group.topics.length;
  }

  /** @returns How many topics were taken out of the tree. */
  #leave(group: Group): number {
    if (this.#groups.get(group) !== 0) return 0;
    this.#groups.delete(group);
    for (const topic of group.topics) this.#tree.delete(topic, group);
    return group.topics.length;
  }

  /**
   * Adds entries to what reaches each group, each once, until it is time to give way.
   *
   * @param at Where to begin.
   * @returns Where to go on.
   */
  #match(entries: readonly Entry[], at: number, reached: Map<Group, Entry[]>): number {
    let topic: string | undefined; // many events after one another have the same
    let groups: Group[] = [];
    for (let i = at; i < entries.length; i++) {
      const entry = entries[i]!;
      const { topics } = entry.delivery;
      if (topics.length > 1 || topics[0] !== topic) {
        groups = [];
        for (const topic of topics) this.#tree.match(topic, (group) => groups.push(group));
        topic = topics.length > 1 ? undefined : topics[0];
      }
      for (const group of groups) {
        const some = reached.get(group);
        if (some === undefined) reached.set(group, [entry]);
        else if (some[some.length - 1] !== entry) some.push(entry);
      }
      if (this.#stint.isOver((1 + groups.length) / TOPICS_A_PIECE)) return i + 1;
    }
    return entries.length;
  }
}

/** What of a page reaches a group. */
class Part {
  readonly #entries: readonly Entry[];
  readonly #chunks: Chunks;
  #start = -1;
  #chunk: EntryChunk | undefined;

  constructor(entries: readonly Entry[], chunks: Chunks) {
    this.#entries = entries;
    this.#chunks = chunks;
  }

  /** The place just before the first event after a position. */
  before(position: number): number | undefined {
    const first = this.#entries[this.#index(position)];
    return first === undefined ? undefined : first.position - 1;
  }

  /** What comes after a position: made once for all walkers at the same place. */
  after(position: number): EntryChunk | undefined {
    const start = this.#index(position);
    if (start === this.#entries.length) return undefined;
    if (start !== this.#start) {
      this.#start = start;
      this.#chunk = this.#chunks.of(start === 0 ? this.#entries : this.#entries.slice(start));
    }
    return this.#chunk;
  }

  #index(position: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#entries[middle]!.position <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
