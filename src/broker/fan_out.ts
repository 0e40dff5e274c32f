import { Deque } from "../stores/deque.ts";
import { laterTurn } from "../time/later_turn.ts";
import { Chunks, type EntryChunk } from "./chunk.ts";
import type { Entry } from "./entry.ts";
import { type Group, Groups, type Receiver } from "./group.ts";
import { piecesOf, Stint } from "./stint.ts";

/** A group's events leave when they are this many bytes, or this many, though more of them are there. */
const FLUSH = { bytes: 65_536, events: 512 };
/** How much is matched before it is pushed: events, and how often they stand in the lists of groups. */
const ROUND = { events: 4_096, references: 1_000_000 };
/** How far this may stay behind the log, in bytes. Beyond that all subscribers read from the log instead. */
const MAX_BACKLOG_BYTES = 1 << 22;
/** How many groups that an event reaches are a piece of work. */
const GROUPS_A_PIECE = 8;

/** Receivers that are pushed to, one after the other, over as many turns as it takes. */
interface Pass {
  readonly receivers: Iterator<Receiver, undefined>;
  /** Their group, and what they get; `undefined` if all live subscribers fall behind. */
  readonly group: Group | undefined;
  readonly chunk: EntryChunk | undefined;
  /** If they fall behind: the position from which they read the log. Receivers that have all up to another need not. */
  readonly position: number;
  readonly until: number;
}

/**
 * Pushes new events to live subscribers. A round matches events with the groups that they reach. Then it pushes to each
 * group what is new for it: one chunk for a group, one write for a connection. Groups that get the same events share the
 * chunk. All of this gives way to the event loop, goes on in the log's order, and is bounded.
 */
export class FanOut {
  readonly groups: Groups = new Groups();
  /** Chunks of this round. Subscribers that get the same part of a chunk share that part. */
  readonly chunks: Chunks = new Chunks();
  /** Events that are not matched yet. */
  readonly #taken = new Deque<Entry>();
  #takenBytes = 0;
  /** Groups with pending events, the one whose events begin first before the others. */
  readonly #waiting = new Deque<Group>();
  /** Whether a round's events are still being matched. */
  #isMatching = false;
  #matched = { events: 0, references: 0, isFull: false };
  /** The position after which all live subscribers must read the log. */
  #overdue: number | undefined;
  #newest = 0;
  readonly #stint = new Stint();
  #pass: Pass | undefined;
  #isScheduled = false;
  #gathers = false;

  /** Takes an event of the log. */
  take(entry: Entry): void {
    this.#newest = entry.position;
    if (this.#overdue !== undefined) return; // it is read from the log as well
    this.#taken.push(entry);
    this.#takenBytes += entry.bytes.length;
    if (this.#takenBytes >= MAX_BACKLOG_BYTES) {
      this.#overdue = this.#taken.at(0).position - 1;
      this.#taken.clear();
      this.#takenBytes = 0;
    } else if (this.#takenBytes >= FLUSH.bytes && this.#pass === undefined) {
      queueMicrotask(this.#unlessUnderWay);
    }
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    if (this.#gathers) laterTurn(this.#run);
    else queueMicrotask(this.#run);
  }

  /** Pushes to a receiver what it is still owed, before its turn. */
  settle(receiver: Receiver): void {
    while (this.#taken.length > 0) this.#match(this.#takeFirst());
    const { sending, pending } = receiver.group;
    if (sending !== undefined) receiver.push(sending);
    if (pending !== undefined) receiver.push(this.chunks.of(pending.slice()));
  }

  /** Whether a group's receivers are about to be pushed to. */
  owes({ pending, sending }: Group): boolean {
    return pending !== undefined || sending !== undefined;
  }

  /** Whether there are events that are not matched with subscribers yet. */
  get isBehind(): boolean {
    return this.#taken.length > 0 || this.#overdue !== undefined;
  }

  /** From now on writes are gathered until the end of the turn. */
  gather(): void {
    this.#gathers = true;
  }

  readonly #unlessUnderWay = (): void => {
    if (this.#pass === undefined) this.#work();
  };

  readonly #run = (): void => {
    this.#isScheduled = this.#work();
    if (this.#isScheduled) laterTurn(this.#run);
  };

  /**
   * Works until it is time to give way.
   *
   * @returns Whether there is more to do.
   */
  #work(): boolean {
    this.#stint.begin();
    while (true) {
      const pass = this.#pass ??= this.#nextPass();
      if (pass !== undefined) {
        if (!this.#goOn(pass)) return true;
        if (pass.group !== undefined) pass.group.sending = undefined;
        this.#pass = undefined;
      } else if (this.#taken.length === 0 && !this.#isMatching) {
        return false;
      } else if (!this.#matchRound()) {
        return true;
      }
    }
  }

  /** @returns Whether it is through, and it is not time to give way. */
  #goOn({ receivers, chunk, position, until }: Pass): boolean {
    for (let next = receivers.next(); next.done !== true; next = receivers.next()) {
      const receiver = next.value;
      if (chunk !== undefined) receiver.push(chunk);
      else if (receiver.position < until) receiver.fallBehind(position);
      if (this.#stint.isOver(piecesOf(chunk?.length ?? 1, receiver.takesEach))) return false;
    }
    return true;
  }

  #nextPass(): Pass | undefined {
    if (this.#isMatching) return undefined;
    const group = this.#waiting.shift();
    if (group !== undefined) {
      const chunk = group.sending = this.chunks.of(group.pending!);
      group.pending = undefined;
      return { receivers: group.live.values(), group, chunk, position: 0, until: 0 };
    }
    this.chunks.clear();
    if (this.#overdue === undefined) return undefined;
    const position = this.#overdue;
    this.#overdue = undefined;
    return { receivers: everyReceiver(this.groups), group: undefined, chunk: undefined, position, until: this.#newest };
  }

  /** @returns Whether the round is matched, and it is not time to give way. */
  #matchRound(): boolean {
    if (!this.#isMatching) this.#matched = { events: 0, references: 0, isFull: false };
    this.#isMatching = true;
    const matched = this.#matched;
    while (
      this.#taken.length > 0 && !matched.isFull && matched.events < ROUND.events &&
      matched.references < ROUND.references
    ) {
      const groups = this.#match(this.#takeFirst());
      if (this.#stint.isOver((1 + groups) / GROUPS_A_PIECE)) return false;
    }
    this.#isMatching = false;
    return true;
  }

  #takeFirst(): Entry {
    const entry = this.#taken.shift()!;
    this.#takenBytes -= entry.bytes.length;
    return entry;
  }

  /** @returns How many groups an event reaches. */
  #match(entry: Entry): number {
    const { position, bytes, delivery } = entry;
    const matched = this.#matched;
    let reached = 0;
    const visit = (group: Group): void => {
      if (group.newest === position) return;
      group.newest = position;
      group.published++;
      reached++;
      if (group.live.size === 0) return;
      if (group.pending === undefined) {
        group.pending = [entry];
        group.pendingBytes = 0;
        this.#waiting.push(group);
      } else {
        group.pending.push(entry);
      }
      group.pendingBytes += bytes.length;
      matched.references++;
      if (group.pendingBytes >= FLUSH.bytes || group.pending.length >= FLUSH.events) matched.isFull = true;
    };
    for (const topic of delivery.topics) this.groups.match(topic, visit);
    matched.events++;
    return reached;
  }
}

function* everyReceiver(groups: Groups): Generator<Receiver, undefined> {
  for (const { live } of groups) yield* live;
}
