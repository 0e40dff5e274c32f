import type { Group, Groups } from "./group.ts";
import type { ReplayStore } from "../stores/replay_store.ts";
import { checkPattern, containsPattern, matchesAny } from "../topic.ts";

/** How often the other nodes are told, and asked, in milliseconds. A large word goes less often: 256 KiB a second. */
const INTERVAL = { ms: 1_000, unitsPerMs: 256 };
/** How many intervals a node may be silent before it is taken for dead. */
const SILENT_INTERVALS = 4;

/** Topics and patterns that are subscribed to together, and by how many. */
type Count = readonly [topics: readonly string[], subscribers: number];

/** What presence needs of its broker. */
export interface PresenceHost {
  readonly groups: Groups;
  onError(error: unknown): void;
}

/** How many subscribers there are over all nodes. Each node tells the others by the store, again and again. */
export class Presence {
  readonly #host: PresenceHost;
  readonly #announce: ReplayStore["announce"];
  /** This node's name; `""` if there are no others to tell. */
  readonly #node: string;
  /** What the other nodes said last. */
  #others = new Map<string, { readonly says: string; readonly counts: readonly Count[] }>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(store: ReplayStore, host: PresenceHost) {
    this.#host = host;
    this.#announce = store.announce?.bind(store);
    this.#node = this.#announce === undefined ? "" : crypto.randomUUID();
    if (this.#announce !== undefined) this.#later(0);
  }

  /** Whether other nodes can be told anything. */
  get isShared(): boolean {
    return this.#announce !== undefined;
  }

  /** How many nodes there are, this one too. */
  get nodes(): number {
    return 1 + this.#others.size;
  }

  /** How many subscribers a topic reaches, or have all that they subscribe to within a pattern. */
  count(topic: string): number {
    checkPattern(topic);
    const isPattern = topic.includes("*");
    const counts = (topics: readonly string[]): boolean =>
      isPattern ? topics.every((inner) => containsPattern(topic, inner)) : matchesAny(topics, [topic]);
    const own = new Set<Group>();
    if (!isPattern) this.#host.groups.match(topic, (group) => own.add(group)); // without looking at the others
    else for (const group of this.#host.groups) if (counts(group.topics)) own.add(group);
    let count = 0;
    for (const { subscribers } of own) count += subscribers;
    for (const other of this.#others.values()) {
      for (const [topics, subscribers] of other.counts) if (counts(topics)) count += subscribers;
    }
    return count;
  }

  /** Tells the other nodes that this one leaves. Never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    // A node that cannot be told notices the silence
    await this.#announce?.(this.#node, undefined, 1).catch((error) => this.#host.onError(error));
  }

  async #tell(): Promise<void> {
    const own: Count[] = [];
    for (const { topics, subscribers } of this.#host.groups) own.push([topics, subscribers]);
    const says = JSON.stringify(own);
    const interval = Math.max(INTERVAL.ms, says.length / INTERVAL.unitsPerMs);
    try {
      const nodes = await this.#announce!(this.#node, says, Math.round(interval * SILENT_INTERVALS));
      const others = new Map<string, { readonly says: string; readonly counts: readonly Count[] }>();
      for (const [node, says] of nodes) {
        const known = this.#others.get(node);
        if (node !== this.#node) others.set(node, known?.says === says ? known : { says, counts: JSON.parse(says) });
      }
      this.#others = others;
    } catch (error) {
      if (!this.#closed) this.#host.onError(error);
    }
    this.#later(interval);
  }

  #later(ms: number): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#tell(), ms);
    // It keeps no process alive, where timers can be told so
    (this.#timer as { unref?: () => void }).unref?.();
  }
}
