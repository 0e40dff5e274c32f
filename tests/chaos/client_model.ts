import type { Gap, StoredEvent } from "../../mod.ts";
import type { Block } from "./blocks.ts";
import { type PublishedLog, reaches } from "./published_log.ts";

/** What a client asked for, and how its subscriber is treated: what the model has to know of it. */
export interface Wanted {
  readonly topics: readonly string[];
  /** The filter; it always gives the same answer for an event. */
  readonly wants: (event: Pick<StoredEvent, "data">) => boolean;
  readonly overflow: "replay" | "close" | "drop-oldest" | "conflate";
  readonly key: (event: Pick<StoredEvent, "data" | "topics">) => string;
  readonly start: "tail" | "all" | { readonly last: number };
  /** How many events its snapshot has; 0 for no snapshot. */
  readonly stateEvents: number;
}

/** What of the log's state at the time of a `subscribe` decides where a client without an ID begins. */
export interface Begin {
  /** What the broker's tail had handed over before the call. */
  readonly handed: number;
  /** What was stored after the call: everything later is the client's to get. */
  readonly end: number;
}

/** Where a client stands: everything up to `min` must not come again, everything after `max` must come. */
interface Place {
  readonly min: number;
  readonly max: number;
}

/** How far a snapshot has come: what its place is, if that has been told, and how many of its events have come. */
interface SnapshotUnderWay {
  readonly why: "start" | "gap";
  readonly resumed: number | undefined;
  came: number;
  /** The log's end when its function was called. */
  asOf: number;
}

/**
 * One client over all its connections. Throws when what comes is not what the log and the contract say: something
 * retained that was lost, doubled or reordered without a gap told, a gap that is none, a snapshot in pieces, anything
 * after the end.
 */
export class ClientModel {
  /** What it would send as `Last-Event-ID`. */
  lastEventId = "";
  /** Gaps that it was told of, by reason. */
  readonly gaps: Record<string, number> = {};
  received = 0;

  readonly #log: PublishedLog;
  readonly #wanted: Wanted;
  readonly #isLossy: () => boolean;
  readonly #due: StoredEvent[] = [];
  #scanned = 0;
  /** The position of the last event ID. */
  #held = 0;
  #place: Place | undefined;
  #begin: (() => Begin) | undefined;
  #sentId = "";
  #snapshot: SnapshotUnderWay | undefined;
  #isFirst = true;
  #hasClosed = false;

  /** @param isLossy Whether the store's tail has said that it lost events. */
  constructor(log: PublishedLog, wanted: Wanted, isLossy: () => boolean) {
    this.#log = log;
    this.#wanted = wanted;
    this.#isLossy = isLossy;
  }

  /** A connection begins; where the client begins is asked for with the first that comes. */
  connect(begin: () => Begin): void {
    this.#begin = begin;
    this.#sentId = this.lastEventId;
    this.#place = undefined;
    this.#isFirst = true;
    this.#hasClosed = false;
    const begins = this.#wanted.stateEvents > 0 && this.lastEventId === "";
    this.#snapshot = begins ? { why: "start", resumed: undefined, came: 0, asOf: 0 } : undefined;
  }

  /** Whether everything up to a position has come, or was told to be missing. */
  hasReached(position: number): boolean {
    return this.#place !== undefined && this.#place.min >= position;
  }

  /** Where it stands, for the report. */
  toString(): string {
    const { min, max } = this.#place ?? { min: "?", max: "?" };
    return `last event ID "${this.lastEventId}" at ${this.#held}, place ${min}..${max}, ${this.received} received`;
  }

  take({ type, id, data }: Block): void {
    check(!this.#hasClosed, `written after its end: ${type} ${data?.slice(0, 40)}`);
    if (type === "close" && id === undefined) {
      this.#hasClosed = true;
      return;
    }
    if (data === undefined && id === undefined) return; // a reconnection time
    this.#place ??= this.#placeAtStart();
    if (type === "gap") this.#takeGap(JSON.parse(data!) as Gap, id);
    else if (type === "state") this.#takeState(data!, id);
    else if (data === undefined) this.#takeCheckpoint(id!);
    else this.#takeEvent(type, data, id);
    this.#isFirst = false;
  }

  #takeEvent(type: string, data: string, id: string | undefined): void {
    const says = `event ${data.slice(0, 20)} with ID ${id}`;
    check(id !== undefined, `an event without an ID: ${says}`);
    check(this.#snapshot === undefined, `an event before its snapshot is complete: ${says}`);
    const alike = this.#log.withId(id).filter((event) => event.data === data);
    check(alike.length > 0, `never published: ${says}`);
    // An own ID may stand for several: all of them that may come next are looked at
    const next = alike.filter(({ position }) => position > this.#place!.min);
    check(next.length > 0, `doubled or reordered: ${says} at ${positions(alike)}`);
    const due = next.filter((event) => this.#isDue(event));
    check(due.length > 0, `not asked for: ${says}`);
    check(due.some(({ event }) => (event ?? "message") === (type || "message")), `a wrong type: ${says} is ${type}`);
    const possible = due.filter(({ position }) => this.#skippedBefore(position).length === 0);
    check(
      possible.length > 0,
      `lost without a gap before ${says}: ${positions(this.#skippedBefore(due[0]!.position))}`,
    );
    this.received++;
    this.#hold(id, possible.at(-1)!.position);
    this.#place = { min: possible[0]!.position, max: this.#held };
  }

  #takeCheckpoint(id: string): void {
    const position = this.#log.positionOf(id);
    check(position !== undefined, `a checkpoint that is no position: ${id}`);
    check(position >= this.#place!.min, `a checkpoint goes back: to ${position}`);
    if (this.#snapshot !== undefined) this.#endSnapshot(position);
    else this.#checkSkipped(position + 1, `a checkpoint at ${position}`);
    this.#hold(id, position);
  }

  #takeGap({ reason, requested, resumed }: Gap, id: string | undefined): void {
    this.gaps[reason] = (this.gaps[reason] ?? 0) + 1;
    const log = this.#log;
    const { topics, overflow, stateEvents } = this.#wanted;
    const says = `gap "${reason}" to ${resumed}`;
    const position = log.positionOf(resumed);
    check(position !== undefined, `a gap that resumes nowhere: ${says}`);
    check((requested ?? "") === this.#sentId, `a gap for another ID: ${says} of ${requested}`);
    check(this.#snapshot === undefined || this.#isFirst, `a gap within a snapshot: ${says}`);
    let from = this.#place!.max;
    if (reason === "unknown") {
      check(this.#isFirst, `not the first that came: ${says}`);
      const { handed } = this.#begin!();
      const known = log.withId(this.#sentId).some((event) =>
        event.position > log.removed && event.position <= handed && reaches(topics, event.topics)
      );
      check(
        this.#sentId !== "" && !known && log.positionOf(this.#sentId) === undefined,
        `a false ${says}: it is known`,
      );
      from = 0;
    } else if (reason === "expired") {
      const gone = log.events.slice(this.#place!.min, log.removed);
      check(gone.some((event) => reaches(topics, event.topics)), `a false ${says}: nothing is missing`);
    } else if (reason === "dropped") {
      check(overflow === "drop-oldest" || overflow === "conflate", `a subscriber that drops nothing: ${says}`);
    } else {
      check(reason === "lost" && this.#isLossy(), `nothing was lost: ${says}`);
    }
    if (!this.#isLossy()) {
      check(reason === "unknown" || position >= this.#place!.min, `a gap goes back: ${says}`);
      if (reason !== "dropped" && stateEvents === 0) {
        const retained = this.#dueBetween(Math.max(from, log.removed), position + 1);
        check(retained.length === 0, `retained, and lost by a ${says}: ${positions(retained)}`);
      }
    }
    if (stateEvents > 0) {
      check(id === undefined, `a gap takes the place of the snapshot that follows: ${says} with ID ${id}`);
      this.#snapshot = { why: "gap", resumed: position, came: 0, asOf: 0 };
    } else {
      check(id === resumed, `a gap without its place: ${says} with ID ${id}`);
      this.#hold(resumed, position);
    }
  }

  #takeState(data: string, id: string | undefined): void {
    const { why, index, asOf } = JSON.parse(data) as { why: string; index: number; asOf: number };
    const says = `event ${index} of a snapshot for "${why}"`;
    const snapshot = this.#snapshot;
    check(snapshot !== undefined, `nobody asked for it: ${says}`);
    check(snapshot.why === why, `another was due, for "${snapshot.why}": ${says}`);
    check(snapshot.came === index, `${snapshot.came} was due: ${says}`);
    check(index === 0 || snapshot.asOf === asOf, `of another snapshot: ${says}`);
    snapshot.asOf = asOf;
    snapshot.came++;
    if (id === undefined) return;
    const position = this.#log.positionOf(id);
    check(position !== undefined, `at no position: ${says} with ID ${id}`);
    this.#endSnapshot(position);
    this.#hold(id, position);
  }

  /** The client takes its place with the end of its snapshot, which must not be older than that. */
  #endSnapshot(position: number): void {
    const { why, resumed, came, asOf } = this.#snapshot!;
    this.#snapshot = undefined;
    check(came === this.#wanted.stateEvents, `a snapshot of ${this.#wanted.stateEvents} ended after ${came}`);
    check(position <= asOf, `a snapshot that is older than its place: of ${asOf} at ${position}`);
    if (this.#isLossy()) return;
    if (why === "gap") return check(position === resumed, `a snapshot at ${position} after a gap to ${resumed}`);
    const { min, max } = this.#place!;
    check(position >= min && position <= max, `a snapshot at ${position} of ${min}..${max}`);
  }

  #hold(id: string, position: number): void {
    this.lastEventId = id;
    this.#held = position;
    this.#place = { min: position, max: position };
  }

  /** Where the server has to begin, as far as that is certain. */
  #placeAtStart(): Place {
    const log = this.#log;
    const { start, topics } = this.#wanted;
    if (this.lastEventId === "") {
      const { handed, end } = this.#begin!();
      if (start === "tail") return { min: this.#isLossy() ? 0 : handed, max: end };
      if (start === "all") return { min: 0, max: log.removed };
      const reached = log.events.filter((event) => reaches(topics, event.topics)).map(({ position }) => position);
      const before = reached.filter((position) => position <= handed);
      return { min: (before.at(-start.last) ?? 1) - 1, max: Math.max(log.removed, (reached.at(-start.last) ?? 1) - 1) };
    }
    if (log.positionOf(this.lastEventId) !== undefined) return { min: this.#held, max: this.#held };
    // An own ID that was used twice: the first of them that is retained counts, so events may come again
    const found = log.withId(this.lastEventId).filter((event) => reaches(topics, event.topics));
    const min = Math.min(...found.map(({ position }) => position));
    if (this.#held > log.removed) return { min, max: this.#held };
    // It was used again after retention had removed the first: nobody can tell them apart any more
    return { min, max: found.at(-1)!.position };
  }

  #isDue(event: StoredEvent): boolean {
    return reaches(this.#wanted.topics, event.topics) && this.#wanted.wants(event);
  }

  /** The events for it after one position and before another. */
  #dueBetween(after: number, before: number): StoredEvent[] {
    for (const { events } = this.#log; this.#scanned < events.length; this.#scanned++) {
      const event = events[this.#scanned]!;
      if (this.#isDue(event)) this.#due.push(event);
    }
    let first = this.#due.length;
    while (first > 0 && this.#due[first - 1]!.position > after) first--;
    return this.#due.slice(first).filter(({ position }) => position < before);
  }

  /** What stands before `position` must have come. */
  #checkSkipped(position: number, says: string): void {
    const skipped = this.#skippedBefore(position);
    check(skipped.length === 0, `lost without a gap before ${says}: ${positions(skipped)}`);
  }

  /** What has not come, but for what something newer of the same key has replaced. */
  #skippedBefore(position: number): StoredEvent[] {
    const { overflow, key } = this.#wanted;
    const skipped = this.#dueBetween(this.#place!.max, position);
    if (overflow !== "conflate" || skipped.length === 0) return skipped;
    const later = this.#dueBetween(this.#place!.max, Infinity);
    return skipped.filter((old) => !later.some((event) => event.position > old.position && key(event) === key(old)));
  }
}

function positions(events: readonly StoredEvent[]): string {
  return events.map(({ position }) => position).join(", ");
}

function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}
