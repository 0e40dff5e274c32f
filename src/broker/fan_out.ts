import { Deque } from "../stores/deque.ts";
import { laterTurn } from "../time/later_turn.ts";
import { Chunks, type EntryChunk } from "./chunk.ts";
import type { Entry } from "./entry.ts";
import { type Group, Groups, type Receiver } from "./group.ts";
import { piecesOf, Stint } from "./stint.ts";

/** A group's events leave when they are this many bytes, though the turn has not ended. */
const FLUSH_BYTES = 65_536;
/** How far pushing may stay behind the log, in bytes. A group that is further behind reads from the log instead. */
const MAX_BACKLOG_BYTES = 1 << 22;

/** A group whose receivers are being pushed to, one after the other, over as many turns as it takes. */
interface Pass {
  readonly group: Group;
  /** What they get; `undefined` if they fall behind. */
  readonly chunk: EntryChunk | undefined;
  readonly receivers: Iterator<Receiver, undefined>;
}

/**
 * Gathers a turn's events for each group that they reach, and pushes them to the group's live subscribers: one chunk for
 * each group, one write for each connection. Groups that get the same events share the chunk. It gives way to the event
 * loop, and goes on in the order of the log.
 */
export class FanOut {
  readonly groups: Groups = new Groups();
  /**
   * Chunks of the events that wait and are being pushed. Subscribers that get the same part of a chunk share that part.
   */
  readonly chunks: Chunks = new Chunks();
  /** Groups with pending events, the one that has waited longest first. */
  readonly #waiting = new Deque<Group>();
  readonly #overdue = new Deque<Group>();
  readonly #stint = new Stint();
  #pass: Pass | undefined;
  /** Bytes of the log that were handed over. */
  #taken = 0;
  #scheduled = false;
  #schedule: (callback: () => void) => void = (callback) => queueMicrotask(callback);
  #adopted = false;

  /** Takes an event of the log. */
  take(entry: Entry): void {
    const { position, bytes: { length } } = entry;
    this.#taken += length;
    const visit = (group: Group): void => {
      if (group.newest === position) return;
      group.newest = position;
      group.published++;
      if (group.live.size === 0 || group.overdue !== undefined) return;
      if (group.pending === undefined) {
        group.pending = [entry];
        group.pendingBytes = length;
        group.pendingSince = this.#taken;
        this.#waiting.push(group);
      } else {
        group.pending.push(entry);
        group.pendingBytes += length;
      }
      if (group.pendingBytes >= FLUSH_BYTES) isFull = true;
    };
    let isFull = false;
    for (const topic of entry.delivery.topics) this.groups.match(topic, visit);
    this.#boundBacklog();
    if (isFull && this.#pass === undefined) queueMicrotask(this.#unlessUnderWay);
    if (this.#scheduled || this.#waiting.length === 0) return;
    this.#scheduled = true;
    this.#schedule(this.#run);
  }

  /** Pushes to a receiver what it is still owed, before its turn. */
  settle(receiver: Receiver): void {
    const { sending, pending } = receiver.group;
    if (sending !== undefined) receiver.push(sending);
    if (pending !== undefined) receiver.push(this.chunks.of(pending.slice()));
  }

  /** Whether a group's receivers are about to be pushed to. */
  owes({ pending, sending, overdue }: Group): boolean {
    return pending !== undefined || sending !== undefined || overdue !== undefined;
  }

  /** A sink brings its runtime's way to end a turn: the first counts for all. */
  adopt(schedule: (callback: () => void) => void): void {
    if (this.#adopted) return;
    this.#adopted = true;
    this.#schedule = schedule;
  }

  /** Resolves in a later turn of the event loop. */
  turn(): Promise<void> {
    return new Promise((resolve) => this.#later(resolve));
  }

  #later(callback: () => void): void {
    if (this.#adopted) this.#schedule(callback);
    else laterTurn(callback);
  }

  readonly #unlessUnderWay = (): void => {
    if (this.#pass === undefined) this.#push();
  };

  readonly #run = (): void => {
    this.#scheduled = this.#push();
    if (this.#scheduled) this.#later(this.#run);
  };

  /**
   * Pushes until it is time to give way.
   *
   * @returns Whether there is more to push.
   */
  #push(): boolean {
    this.#stint.begin();
    for (let pass = this.#pass ?? this.#nextPass(); pass !== undefined; pass = this.#nextPass()) {
      const { group, chunk, receivers } = this.#pass = pass;
      for (let next = receivers.next(); next.done !== true; next = receivers.next()) {
        const receiver = next.value;
        if (chunk !== undefined) receiver.push(chunk);
        else receiver.fallBehind(group.overdue!);
        if (this.#stint.isOver(piecesOf(chunk?.length ?? 1, receiver.takesEach))) return true;
      }
      if (chunk === undefined) group.overdue = undefined;
      group.sending = undefined;
      this.#pass = undefined;
    }
    this.chunks.clear();
    return false;
  }

  #nextPass(): Pass | undefined {
    const overdue = this.#overdue.shift();
    if (overdue !== undefined) return { group: overdue, chunk: undefined, receivers: overdue.live.values() };
    const group = this.#waiting.shift();
    if (group === undefined) return undefined;
    const chunk = group.sending = this.chunks.of(group.pending!);
    group.pending = undefined;
    return { group, chunk, receivers: group.live.values() };
  }

  /** Groups that have waited for too long read from the log. */
  #boundBacklog(): void {
    while (this.#waiting.length > 0 && this.#taken - this.#waiting.at(0).pendingSince > MAX_BACKLOG_BYTES) {
      const group = this.#waiting.shift()!;
      group.overdue = group.pending![0]!.position - 1;
      group.pending = undefined;
      this.#overdue.push(group);
    }
  }
}
