import { checkRetry } from "../wire/event.ts";
import type { Gap, GapReason } from "../wire/gap.ts";
import { COMMENT, encodeCheckpoint, encodeRetry } from "../wire/idle.ts";
import type { CursorHost } from "./cursor_host.ts";
import { type Chunk, chunkOf, type Delivery, type Entry, entrySizeOf, sizeOf, textChunk } from "./entry.ts";
import type { Group } from "./group.ts";
import { OverflowQueue } from "./overflow_queue.ts";
import { closeChunk, gapChunk } from "./notices.ts";
import { DeliverySink, type LeaveHandler, readableSink, type Sink } from "./sink.ts";
import { snapshotEntries } from "./snapshot.ts";
import type {
  CloseReason,
  SubscribeOptions,
  Subscriber,
  SubscriberCloseOptions,
  SubscriberStats,
} from "./subscriber.ts";

/** What a sink may hold of a subscriber whose events can be dropped, and no more than half its budget: what is in it cannot. */
const UNDROPPABLE_BYTES = 65_536;
/** How long a stream that we end may take to send what it holds. */
const CLOSE_MS = 1_000;

const COMMENT_CHUNK = textChunk(COMMENT);

/**
 * A subscriber is a cursor: a position in the log. Three states carry it from
 * there: it waits (for its sink, its snapshot, or room), it advances (the
 * catch-up serves it), or it is live (its group pushes to it).
 */
export class Cursor implements Subscriber {
  readonly topics: readonly string[];
  readonly group: Group;
  readonly options: SubscribeOptions;
  /** Everything that it was to get up to here, it has got. */
  position = -1;
  /** Whether its group pushes to it. */
  live = false;

  readonly #host: CursorHost;
  readonly #maxBufferedBytes: number;
  readonly #queue: OverflowQueue | undefined;
  /** Made when it is asked for: ten thousand idle subscribers need none. */
  #closed: PromiseWithResolvers<CloseReason> | undefined;
  #onceClosed: ((subscriber: Subscriber) => void)[] | undefined;
  #reason: CloseReason | undefined;
  #abort: (() => void) | undefined;
  /** Made when it is asked for, and let go when an adapter brings its own sink. */
  #readable: ReadableStream<Uint8Array> | undefined;
  #sink: Sink | undefined;
  #delivered = 0;
  #bytes = 0;
  #ended = false;
  #opened = false;
  #greeted = false;
  /** A gap to be told of before the next event. */
  #gap: { readonly reason: GapReason; readonly requested: string | null } | undefined;
  /** Since when its budget is full, in milliseconds since 1970; 0 if it is not. */
  #fullSince = 0;
  #draining = false;
  #onEndDrained: (() => void) | undefined;
  #resumeSnapshot: (() => void) | undefined;

  constructor(host: CursorHost, group: Group, options: SubscribeOptions) {
    this.#host = host;
    this.group = group;
    this.topics = group.topics;
    this.options = options;
    this.#maxBufferedBytes = options.maxBufferedBytes ?? 1_048_576;
    const { overflow } = options;
    if (overflow === "drop-oldest") this.#queue = new OverflowQueue();
    if (overflow === "conflate") {
      this.#queue = new OverflowQueue(options.key ?? ((delivery) => delivery.topics[0] ?? ""));
    }
    if (options.signal !== undefined) {
      this.#abort = () => void this.#end("left");
      options.signal.addEventListener("abort", this.#abort, { once: true });
    }
  }

  get attached(): boolean {
    return this.#sink !== undefined;
  }

  get closed(): Promise<CloseReason> {
    if (this.#closed === undefined) {
      this.#closed = Promise.withResolvers();
      if (this.#reason !== undefined) this.#closed.resolve(this.#reason);
    }
    return this.#closed.promise;
  }

  onceClosed(callback: (subscriber: Subscriber) => void): void {
    if (this.#reason !== undefined) callback(this);
    else (this.#onceClosed ??= []).push(callback);
  }

  get readable(): ReadableStream<Uint8Array> {
    return this.#readable ??= readableSink((open) => this.attach(open));
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Delivery, undefined> {
    const sink = new DeliverySink();
    this.attach(() => sink);
    const iterator: AsyncIterableIterator<Delivery, undefined> = {
      next: () => sink.next(),
      return: () => {
        sink.abort();
        void this.#end("left", true);
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  attach(open: (leave: LeaveHandler) => Sink): void {
    if (this.#sink !== undefined) throw new TypeError("Cannot read subscriber as it is being read already");
    const sink = this.#sink = open(() => void this.#end("left", true));
    this.#readable = undefined;
    if (this.#ended) return sink.end();
    if (sink.schedule !== undefined) this.#host.adopt((callback) => sink.schedule!(callback));
    const { retry } = this.options;
    if (retry !== undefined) this.#write(textChunk(encodeRetry(retry)));
    if (this.position >= 0) this.#open();
    else if (retry === undefined) this.#write(COMMENT_CHUNK); // the first byte leaves at once, wherever the store is
  }

  /** Fixes its place in the log. */
  begin(position: number): void {
    if (this.#ended) return;
    this.position = position;
    if (this.#sink !== undefined) this.#open();
  }

  get isEnded(): boolean {
    return this.#ended;
  }

  /** Whether it can take more now. */
  get hasRoom(): boolean {
    return !this.#ended && this.#opened && this.#sink!.bufferedBytes < this.#maxBufferedBytes;
  }

  /** Comes back to the catch-up when its sink has drained. */
  awaitRoom(): void {
    if (this.#opened) this.#awaitDrain();
  }

  /** Its group's events of this turn. */
  push(chunk: Chunk): void {
    const own = this.#own(chunk);
    if (own === undefined) return;
    const held = this.#sink!.bufferedBytes;
    const total = held + sizeOf(own, this.#sink!);
    const alone = held === 0 && own.entries.length === 1; // an event that is too large is held alone
    if (this.#queue !== undefined) {
      if (this.#queue.bytes === 0 && (alone || total <= this.#undroppableBytes)) this.#write(own);
      else this.#enqueue(own.entries, held);
    } else if (alone || total <= this.#maxBufferedBytes) {
      this.#write(own);
    } else {
      this.#overflow(own.entries[0]!.position - 1);
    }
  }

  /**
   * Serves it from the log while it advances.
   *
   * @param chunk What its topics reach, after its position.
   * @param upTo How far that reaches.
   */
  serve(chunk: Chunk | undefined, upTo: number): void {
    const own = chunk === undefined ? undefined : this.#own(chunk);
    const sink = this.#sink!;
    if (own !== undefined) {
      if (sink.bufferedBytes + sizeOf(own, sink) > this.#maxBufferedBytes) return this.#servePart(own.entries);
      this.#write(own);
    }
    if (!this.#ended) this.position = upTo;
  }

  /** Notes that events are missing from its position on. */
  lose(reason: GapReason): void {
    this.#gap ??= { reason, requested: this.options.lastEventId ?? null };
  }

  /** The log has lost events and goes on after a position. */
  lostUntil(position: number): void {
    if (this.position < 0) return; // it has no place to lose yet
    // Who is behind reads on from where it is, and is told where something is missing
    if (!this.live && this.position <= position) return;
    const advances = this.#opened;
    this.#leaveLive();
    this.position = position;
    this.lose("lost");
    if (advances && !this.#draining) this.#host.advance(this);
  }

  get hasGap(): boolean {
    return this.#gap !== undefined;
  }

  /** Tells of the missing events: what follows is after `resumed`. With a snapshot, that and nothing else follows. */
  tellGap(resumed: number): void {
    const { reason, requested } = this.#gap!;
    this.#gap = undefined;
    const { snapshot } = this.options;
    if (snapshot !== undefined) {
      this.position = resumed = this.#host.head;
      this.#leaveLive();
    }
    this.#writeGap(reason, requested, resumed, snapshot === undefined);
    if (snapshot !== undefined && !this.#ended) void this.#sendSnapshot("gap");
  }

  /** Its turn of the heartbeat. */
  beat(now: number, writeTimeout: number, write: boolean): void {
    const sink = this.#sink;
    if (sink === undefined || this.#ended) return;
    if (this.#fullSince > 0 && now - this.#fullSince >= writeTimeout) {
      this.#end("timeout");
      return;
    }
    if (!write || sink.bufferedBytes > 0) return; // what is under way finds out as well
    const caughtUp = this.live && this.position <= this.#host.head && (this.#queue?.bytes ?? 0) === 0;
    this.#write(caughtUp && this.options.checkpoints !== false ? this.#host.checkpoint() : COMMENT_CHUNK);
  }

  async close(reason: CloseReason = "kicked", { retry }: SubscriberCloseOptions = {}): Promise<void> {
    if (retry !== undefined) checkRetry(retry);
    await this.#end(reason, false, retry);
    await this.closed; // whoever ended it first
  }

  stats(): SubscriberStats {
    const bufferedBytes = (this.#sink?.bufferedBytes ?? 0) + (this.#queue?.bytes ?? 0);
    return { delivered: this.#delivered, bytes: this.#bytes, bufferedBytes };
  }

  /** Both its sink and its place are there. */
  #open(): void {
    if (this.#gap?.reason === "unknown" && this.options.snapshot !== undefined) {
      this.#opened = true;
      return this.tellGap(0);
    }
    if (this.options.snapshot !== undefined && (this.options.lastEventId ?? "") === "") {
      return void this.#sendSnapshot("start");
    }
    if (this.#gap === undefined) this.#writeCheckpoint();
    this.#advance();
  }

  #advance(): void {
    if (this.#ended) return;
    this.#opened = true;
    this.#host.advance(this);
  }

  /** The state, from its place on: the client takes its place only with the last of it. */
  async #sendSnapshot(why: "start" | "gap"): Promise<void> {
    this.#opened = false;
    const lastId = this.options.checkpoints === false ? this.#host.idAt(this.position) : undefined;
    try {
      for await (const entry of snapshotEntries(this.options.snapshot!(why), this.position, lastId)) {
        if (!this.#ended) await this.#room(entry.bytes.length);
        if (this.#ended) return;
        this.#write(chunkOf([entry]));
      }
      if (this.#ended) return;
      this.#writeCheckpoint();
      this.#advance();
    } catch (error) {
      this.#host.onError(error);
      void this.#end("error");
    }
  }

  /** Resolves when so many bytes fit its budget, or it has ended. */
  async #room(size: number): Promise<void> {
    const { bufferedBytes } = this.#sink!;
    if (bufferedBytes === 0 || bufferedBytes + size <= this.#maxBufferedBytes) return;
    await new Promise<void>((resolve) => {
      this.#resumeSnapshot = resolve;
      this.#awaitDrain();
    });
  }

  #writeCheckpoint(): void {
    if (this.options.checkpoints === false) return this.#greeted ? undefined : this.#write(COMMENT_CHUNK);
    this.#write(textChunk(encodeCheckpoint(this.#host.idAt(this.position))));
  }

  #writeGap(reason: GapReason, requested: string | null, resumed: number, takePlace: boolean): void {
    const gap: Gap = { reason, requested, resumed: this.#host.idAt(resumed) };
    this.#host.counters.gaps++;
    this.#host.onGap(this, gap);
    const { gapEvent = "gap" } = this.options;
    if (this.#ended || gapEvent === false) return;
    this.#write(gapChunk(gap, gapEvent, resumed, takePlace));
  }

  /** The part of a chunk that is for it, by its position and its filter. */
  #own(chunk: Chunk): Chunk | undefined {
    let { entries } = chunk;
    const { filter } = this.options;
    const ahead = entries[0]!.position <= this.position;
    if (filter === undefined && !ahead) return chunk;
    if (ahead) entries = entries.filter((entry) => entry.position > this.position);
    if (filter !== undefined) {
      try {
        entries = entries.filter((entry) => filter(entry.delivery));
      } catch (error) {
        this.#host.onError(error);
        void this.#end("error");
        return undefined;
      }
    }
    if (entries.length === chunk.entries.length) return chunk;
    return entries.length === 0 ? undefined : chunkOf(entries);
  }

  #write(chunk: Chunk): void {
    this.#greeted = true;
    const { counters } = this.#host;
    counters.delivered += chunk.entries.length;
    const size = sizeOf(chunk, this.#sink!);
    counters.bytes += size;
    this.#delivered += chunk.entries.length;
    this.#bytes += size;
    this.#sink!.write(chunk);
  }

  /** What fits of a chunk that does not; it goes on when its sink has drained. */
  #servePart(entries: readonly Entry[]): void {
    const sink = this.#sink!;
    let fit = 0;
    for (let room = this.#maxBufferedBytes - sink.bufferedBytes; fit < entries.length; fit++) {
      room -= entrySizeOf(entries[fit]!, sink);
      if (room < 0 && !(fit === 0 && sink.bufferedBytes === 0)) break;
    }
    if (fit > 0) {
      this.position = entries[fit - 1]!.position;
      this.#write(chunkOf(entries.slice(0, fit)));
    }
    this.#awaitDrain();
  }

  #overflow(position: number): void {
    if (this.options.overflow === "close") return void this.#end("overflow");
    this.#leaveLive();
    this.position = position;
    this.#awaitDrain();
  }

  #leaveLive(): void {
    this.live = false;
    this.group.live.delete(this);
    this.#queue?.clear();
  }

  get #undroppableBytes(): number {
    return Math.min(UNDROPPABLE_BYTES, this.#maxBufferedBytes / 2);
  }

  #enqueue(entries: readonly Entry[], held: number): void {
    try {
      for (const entry of entries) {
        const { dropped, lost } = this.#queue!.push(entry, Math.max(0, this.#maxBufferedBytes - held));
        this.#host.counters.dropped += dropped;
        if (lost > 0) {
          this.position = lost;
          this.lose("dropped");
        }
      }
    } catch (error) {
      this.#host.onError(error);
      return void this.#end("error");
    }
    this.#awaitDrain();
  }

  #awaitDrain(): void {
    if (this.#draining || this.#ended) return;
    this.#draining = true;
    this.#fullSince = Date.now();
    this.#sink!.onceDrained(() => this.#onDrained());
  }

  #onDrained(): void {
    this.#draining = false;
    this.#fullSince = 0;
    if (this.#ended) return this.#onEndDrained?.();
    const resume = this.#resumeSnapshot;
    this.#resumeSnapshot = undefined;
    if (resume !== undefined) return resume();
    if (!this.live) return this.#host.advance(this);
    if (this.#gap !== undefined) {
      this.tellGap(this.position);
      if (!this.#opened) return; // a snapshot takes the place of what waits
    }
    const entries = this.#queue!.take(this.#undroppableBytes);
    if (entries.length > 0) this.#write(chunkOf(entries));
    if (this.#queue!.bytes > 0) this.#awaitDrain();
  }

  /** @param gone Whether it is the reader that has left: then the sink is told nothing. */
  async #end(reason: CloseReason, gone = false, retry?: number): Promise<void> {
    if (this.live && !gone) this.#host.flush(this.group);
    if (this.#ended) return;
    this.#ended = true;
    if (this.#abort !== undefined) this.options.signal?.removeEventListener("abort", this.#abort);
    this.#host.remove(this, reason);
    this.#resumeSnapshot?.();
    this.#resumeSnapshot = undefined;
    const sink = this.#sink;
    if (sink !== undefined && !gone) {
      if (reason === "timeout") {
        sink.abort();
      } else {
        this.#writeClose(reason, retry);
        sink.end();
        if (sink.bufferedBytes > 0) await this.#drainToEnd(sink);
      }
    }
    this.#reason = reason;
    this.#closed?.resolve(reason);
    for (const callback of this.#onceClosed ?? []) callback(this);
    this.#onceClosed = undefined;
  }

  /** Waits until an ended sink has sent what it holds, and ends it for good if that takes too long. */
  async #drainToEnd(sink: Sink): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => (sink.abort(), resolve()), CLOSE_MS);
    this.#onEndDrained = resolve;
    if (!this.#draining) sink.onceDrained(() => this.#onDrained());
    await promise;
    clearTimeout(timer);
  }

  #writeClose(reason: CloseReason, retry: number | undefined): void {
    const { closeEvent = "close" } = this.options;
    if (reason === "left" || (closeEvent === false && retry === undefined)) return;
    this.#write(closeChunk(reason, closeEvent, retry));
  }
}
