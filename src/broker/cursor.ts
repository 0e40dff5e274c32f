import { checkRetry } from "../wire/event.ts";
import type { Gap, GapReason } from "../wire/gap.ts";
import { encodeCheckpoint, encodeRetry } from "../wire/idle.ts";
import type { CursorHost } from "./cursor_host.ts";
import { type Chunk, chunkOf, type Chunks, type EntryChunk, sizeOf, textChunk } from "./chunk.ts";
import { deliveries } from "./delivery_sink.ts";
import { Ending } from "./ending.ts";
import type { Delivery, Entry } from "./entry.ts";
import type { Group, Receiver } from "./group.ts";
import { closeChunk, COMMENT_CHUNK, gapChunk } from "./notices.ts";
import { Outlet, type OutletHost } from "./outlet.ts";
import { fits, howManyFit, overflowPolicy } from "./overflow.ts";
import { isOwn, ownPart } from "./own_part.ts";
import type { LeaveHandler, Sink } from "./sink.ts";
import { sendSnapshot, snapshotEntries } from "./snapshot.ts";
import { readableSink } from "./stream_sink.ts";
import type {
  CloseReason,
  SubscribeOptions,
  Subscriber,
  SubscriberCloseOptions,
  SubscriberStats,
} from "./subscriber.ts";
import { FOLLOWING, type Live, type Missing, type SendingSnapshot, type SubscriberState } from "./subscriber_state.ts";

/**
 * A subscriber is a cursor: a position in the log, and one of the states of `subscriber_state.ts`.
 */
export class Cursor implements Subscriber, Receiver, OutletHost {
  readonly topics: readonly string[];
  readonly group: Group;
  readonly options: SubscribeOptions;

  readonly #host: CursorHost<Cursor>;
  readonly #maxBufferedBytes: number;
  readonly #outlet: Outlet = new Outlet(this);
  readonly #ending = new Ending();
  #state: SubscriberState = { is: "waiting", missing: undefined };
  #position = -1;
  #delivered = 0;
  #bytes = 0;
  #abort: (() => void) | undefined;
  #attached = false;
  /** Made when it is asked for, and dropped when an adapter brings its own sink. */
  #readable: ReadableStream<Uint8Array> | undefined;

  constructor(host: CursorHost<Cursor>, group: Group, options: SubscribeOptions) {
    this.#host = host;
    this.group = group;
    this.topics = group.topics;
    this.options = options;
    this.#maxBufferedBytes = options.maxBufferedBytes ?? 1_048_576;
    if (options.signal !== undefined) {
      this.#abort = () => this.#end("left");
      options.signal.addEventListener("abort", this.#abort, { once: true });
    }
  }

  get attached(): boolean {
    return this.#attached;
  }

  get closed(): Promise<CloseReason> {
    return this.#ending.reason;
  }

  onceClosed(callback: (subscriber: Subscriber) => void): void {
    this.#ending.once(this, callback);
  }

  get readable(): ReadableStream<Uint8Array> {
    return this.#readable ??= readableSink((open) => this.attach(open));
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Delivery, undefined> {
    return deliveries((open) => this.attach(open));
  }

  attach(open: (leave: LeaveHandler) => Sink): void {
    if (this.#attached) throw new TypeError("Cannot read subscriber as it is being read already");
    this.#attached = true;
    this.#readable = undefined;
    try {
      this.#outlet.open(open);
    } catch (error) {
      this.#end("left", { isGone: true });
      throw error;
    }
    if (this.#state.is !== "waiting") return;
    if (this.#outlet.gathers) this.#host.gather();
    const { retry } = this.options;
    if (retry !== undefined) this.#write(textChunk(encodeRetry(retry)));
    if (this.#position >= 0) this.#begin();
    else if (retry === undefined) this.#write(COMMENT_CHUNK); // the first byte leaves at once, wherever the store is
  }

  async close(reason: CloseReason = "kicked", { retry }: SubscriberCloseOptions = {}): Promise<void> {
    if (retry !== undefined) checkRetry(retry);
    this.#end(reason, { retry });
    await this.closed; // also if another call ended it first
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  stats(): SubscriberStats {
    const waiting = this.#state.is === "live" ? this.#state.policy.bytes : 0;
    return { delivered: this.#delivered, bytes: this.#bytes, bufferedBytes: this.#outlet.buffered + waiting };
  }

  /** It has got everything that it should get up to this position; -1 until that is known. */
  get position(): number {
    return this.#position;
  }

  get isEnded(): boolean {
    return this.#state.is === "ended";
  }

  /** Fixes its place in the log. */
  place(position: number, missing?: GapReason): void {
    if (this.#state.is !== "waiting" || this.#position >= 0) return;
    this.#position = position;
    if (missing !== undefined) this.#state.missing = this.#missing(missing);
    if (this.#outlet.isOpen) this.#begin();
  }

  /** Takes those of its group's events of this turn that it has not got yet. */
  push(chunk: EntryChunk): void {
    const state = this.#state;
    if (state.is !== "live" || state.isPushing || chunk.last.position <= this.#position) return;
    state.isPushing = true;
    try {
      const own = this.#own(chunk, state, this.#host.chunks);
      if (own !== undefined) this.#offer(own, state);
      if (this.#state === state) this.#position = chunk.last.position;
    } catch (error) { // not by `#guard`: this is called for each event and subscriber
      this.#host.onError(error);
      this.#end("error");
    }
    state.isPushing = false;
  }

  /** It has all that the log has: what is new is pushed to it. */
  goLive(): void {
    const policy = overflowPolicy(this.options, this.#maxBufferedBytes, this.#host.counters);
    this.#become({ is: "live", policy, isPushing: false });
    this.group.live.add(this);
  }

  fallBehind(position: number): void {
    if (this.#state.is !== "live") return;
    const { lost, before } = this.#state.policy.letGo(); // what waits there is in the log as well
    this.#position = before ?? Math.max(this.#position, position);
    this.#become({ is: "catching-up", missing: lost > 0 ? this.#missing("dropped") : undefined, isFull: false });
    this.#host.advance(this);
  }

  /** Whether it reads the log, and can take more now. */
  get hasRoom(): boolean {
    const state = this.#state;
    return state.is === "catching-up" && !state.isFull && this.#outlet.buffered < this.#maxBufferedBytes;
  }

  get takesEach(): boolean {
    const { filter, map } = this.options;
    return this.#outlet.inProcess || filter !== undefined || map !== undefined;
  }

  /** Comes back to be advanced when its outlet has drained. */
  awaitRoom(): void {
    if (this.#state.is !== "catching-up") return;
    this.#state.isFull = true;
    this.#outlet.awaitDrain();
  }

  /** Whether it is to be told that events are missing, before it gets another. */
  get hasGap(): boolean {
    return this.#state.is === "catching-up" && this.#state.missing !== undefined;
  }

  /** Notes that events are missing from its position on. */
  lose(reason: GapReason): void {
    if (this.#state.is === "catching-up") this.#state.missing ??= this.#missing(reason);
  }

  /** Tells of the missing events. It goes on after `resumed`, or with a snapshot, if it has one. */
  tellGap(resumed: number): void {
    const state = this.#state;
    if (state.is !== "catching-up" || state.missing === undefined) return;
    const { missing } = state;
    state.missing = undefined;
    const { snapshot } = this.options;
    this.#guard(() => {
      if (snapshot === undefined) {
        this.#position = Math.max(this.#position, resumed); // it is told once, though nothing may fit after it
        return this.#writeGap(missing, resumed, true);
      }
      this.#position = Math.max(this.#position, this.#host.head);
      this.#writeGap(missing, this.#position, false);
      if (this.#state === state) void this.#sendSnapshot("gap");
    });
  }

  /**
   * Serves it from the log.
   *
   * @param chunk The events of its topics after its position.
   * @param upTo How far that reaches.
   * @param chunks Where to find the chunk of a part of it.
   */
  serve(chunk: EntryChunk | undefined, upTo: number, chunks: Chunks): void {
    const state = this.#state;
    if (state.is !== "catching-up") return;
    this.#guard(() => {
      const own = chunk === undefined ? undefined : this.#own(chunk, state, chunks);
      if (this.#state !== state) return;
      if (own !== undefined && !fits(own, this.#outlet, this.#maxBufferedBytes)) {
        return this.#servePart(own.entries, chunks);
      }
      if (own !== undefined) this.#write(own);
      this.#position = upTo;
    });
  }

  /** The log has lost events and goes on after a position. */
  lostUntil(position: number): void {
    if (this.#state.is === "live") this.#host.settle(this);
    const state = this.#state;
    // One that is behind, or has no place yet, reads on from where it is, and is told what is missing there
    if (state.is === "ended" || state.is !== "live" && this.#position <= position) return;
    if (state.is === "catching-up") this.#host.leaveWalks(this); // it is under way from its old place
    this.#position = position;
    const missing = this.#missing("lost");
    if (state.is === "live") this.#become({ is: "catching-up", missing, isFull: false });
    else state.missing ??= missing;
    if (this.#state.is === "catching-up" && !this.#state.isFull) this.#host.advance(this);
  }

  /**
   * Its turn of the heartbeat.
   *
   * @param stalledBeats After how many beats without progress it is ended.
   */
  beat(stalledBeats: number, writes: boolean): void {
    const state = this.#state;
    const outlet = this.#outlet;
    if (!outlet.isOpen || state.is === "ended") return;
    if (outlet.isStalled(stalledBeats)) return this.#end("timeout");
    // What is under way also finds out whether there is a reader
    if (!writes || outlet.buffered > 0 || this.#host.owes(this)) return;
    // A cursor that has read from the store may be further than the tail
    const isAtHead = state.is === "live" && state.policy.bytes === 0 && this.#position <= this.#host.head &&
      !this.#host.isBehind;
    this.#write(isAtHead && this.options.checkpoints !== false ? this.#host.checkpoint() : COMMENT_CHUNK);
  }

  drained(): void {
    const state = this.#state;
    if (state.is === "snapshot") {
      state.resume?.();
    } else if (state.is === "catching-up" && state.isFull) {
      state.isFull = false;
      this.#host.advance(this);
    } else if (state.is === "live") {
      this.#sendWaiting(state);
    }
  }

  left(): void {
    this.#end("left", { isGone: true });
  }

  /** Its outlet holds nothing any more. */
  outletClosed(): void {
    if (this.#state.is === "ended") this.#ending.tell(this, this.#state.reason, (error) => this.#host.onError(error));
  }

  /** The only way from one state to another. */
  #become(next: SubscriberState): void {
    const last = this.#state;
    if (!FOLLOWING[last.is].includes(next.is)) throw new Error(`A subscriber that is ${last.is} became ${next.is}`);
    this.#state = next;
    if (last.is === "live") this.group.live.delete(this);
    else if (last.is === "catching-up") this.#host.leaveWalks(this);
    else if (last.is === "snapshot") last.resume?.();
  }

  /** Its place is known, and it has a reader. */
  #begin(): void {
    const state = this.#state;
    if (state.is !== "waiting") return;
    const { missing } = state;
    const { lastEventId = "", snapshot, retry } = this.options;
    if (missing === undefined && snapshot !== undefined && lastEventId === "") return void this.#sendSnapshot("start");
    if (missing === undefined) this.#guard(() => this.#writeCheckpoint());
    else if (retry === undefined && this.#bytes === 0) this.#write(COMMENT_CHUNK);
    if (this.#state !== state) return;
    this.#become({ is: "catching-up", missing, isFull: false });
    if (missing !== undefined && snapshot !== undefined) this.tellGap(this.#position); // it needs nothing of the log
    else this.#host.advance(this);
  }

  /** What fails here is this subscriber's own end: a filter, a key, a store that cannot tell an ID. */
  #guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#host.onError(error);
      this.#end("error");
    }
  }

  #own(chunk: EntryChunk, state: SubscriberState, chunks: Chunks): EntryChunk | undefined {
    if (isOwn(chunk, this.#position, this.options)) return chunk;
    return ownPart(chunk, this.#position, this.options, () => this.#state !== state, chunks);
  }

  /** Does with new events what the overflow policy decides. */
  #offer(chunk: EntryChunk, live: Live): void {
    const verdict = live.policy.offer(chunk, this.#outlet);
    if (this.#state !== live) return; // `key` may do anything
    if (verdict === "write") return this.#write(chunk);
    if (verdict === "end") return this.#end("overflow");
    if (verdict === "behind") {
      this.#position = Math.max(this.#position, chunk.first.position - 1);
      this.#become({ is: "catching-up", missing: undefined, isFull: true });
    }
    this.#outlet.awaitDrain();
  }

  /** Its outlet has drained. Sends the events that waited for that, and tells of events that were dropped meanwhile. */
  #sendWaiting(live: Live): void {
    const { lost, entries } = live.policy.take();
    if (lost > 0) {
      const missing = this.#missing("dropped");
      if (this.options.snapshot !== undefined) {
        // The state as it is now takes the place of all that waits
        this.#position = lost;
        this.#become({ is: "catching-up", missing, isFull: false });
        return this.#host.advance(this);
      }
      live.isPushing = true; // the `onGap` hook may end the subscriber, and must not send what we have already taken
      this.#writeGap(missing, lost, true);
      live.isPushing = false;
      if (this.#state !== live) return;
    }
    if (entries.length > 0) this.#write(this.#host.chunks.of(entries));
    if (live.policy.bytes > 0) this.#outlet.awaitDrain();
  }

  /** Sends as many events as fit, if not all do. It goes on when its outlet has drained. */
  #servePart(entries: readonly Entry[], chunks: Chunks): void {
    const fit = howManyFit(entries, this.#outlet, this.#maxBufferedBytes);
    if (fit > 0) {
      this.#position = entries[fit - 1]!.position;
      this.#write(chunks.of(entries.slice(0, fit)));
    }
    this.awaitRoom();
  }

  /** Sends the snapshot. The client takes its new place only with the snapshot's last event. */
  async #sendSnapshot(why: "start" | "gap"): Promise<void> {
    // deno-lint-ignore no-this-alias
    const cursor = this;
    const state: SendingSnapshot = { is: "snapshot", missing: undefined, resume: undefined };
    this.#become(state);
    try {
      const lastId = this.options.checkpoints === false ? this.#host.idAt(this.#position) : undefined;
      await sendSnapshot(snapshotEntries(this.options.snapshot!(why), this.#position, lastId), {
        get isWanted() {
          return cursor.#state === state;
        },
        fits: (entry) => fits(chunkOf(entry), this.#outlet, this.#maxBufferedBytes),
        awaitDrain: () => this.#outlet.awaitDrain(),
        resumed: () => new Promise((resolve) => state.resume = resolve),
        write: (entry) => this.#write(chunkOf(entry)),
      });
      if (this.#state !== state) return;
      this.#writeCheckpoint();
      this.#become({ is: "catching-up", missing: state.missing, isFull: false });
      this.#host.advance(this);
    } catch (error) {
      this.#host.onError(error);
      this.#end("error");
    }
  }

  #writeCheckpoint(): void {
    if (this.options.checkpoints !== false) {
      this.#write(textChunk(encodeCheckpoint(this.#host.idAt(this.#position))));
    } else if (this.#bytes === 0) {
      this.#write(COMMENT_CHUNK);
    }
  }

  /** @param takesPlace Whether the client takes its new place with it: else with what follows. */
  #writeGap({ reason, requested }: Missing, resumed: number, takesPlace: boolean): void {
    const gap: Gap = { reason, requested, resumed: this.#host.idAt(resumed) };
    const state = this.#state;
    this.#host.counters.gaps++;
    this.#host.onGap(this, gap);
    const { gapEvent = "gap" } = this.options;
    if (this.#state !== state || gapEvent === false) return;
    this.#write(gapChunk(gap, gapEvent, resumed, takesPlace));
  }

  #write(chunk: Chunk): void {
    if (!this.#outlet.write(chunk)) return;
    const { counters } = this.#host;
    const events = chunk.entries.length;
    const size = sizeOf(chunk, this.#outlet.inProcess);
    counters.delivered += events;
    counters.bytes += size;
    this.#delivered += events;
    this.#bytes += size;
  }

  #missing(reason: GapReason): Missing {
    return { reason, requested: this.options.lastEventId ?? null };
  }

  /** @param isGone Whether it is the reader that has left: then the sink is told nothing. */
  #end(reason: CloseReason, { isGone = false, retry }: { isGone?: boolean; retry?: number | undefined } = {}): void {
    if (!isGone && reason !== "timeout" && reason !== "left") this.#sendOwed();
    if (this.#state.is === "ended") return;
    this.#become({ is: "ended", reason });
    if (this.#abort !== undefined) this.options.signal?.removeEventListener("abort", this.#abort);
    this.#host.remove(this, reason);
    if (isGone) this.#outlet.drop();
    else if (reason === "timeout") this.#outlet.abort();
    else {this.#outlet.end(
        reason === "left" ? undefined : closeChunk(reason, this.options.closeEvent ?? "close", retry),
      );}
  }

  /** What it is owed while it is live: this turn's events, and those that wait. */
  #sendOwed(): void {
    const live = this.#state;
    if (live.is !== "live" || live.isPushing) return;
    this.#host.settle(this);
    while (this.#state === live && live.policy.bytes > 0) this.#sendWaiting(live);
  }
}
