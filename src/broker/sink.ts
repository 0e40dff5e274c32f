import { Deque } from "../stores/deque.ts";
import { type Chunk, type Delivery, sizeOf } from "./entry.ts";

/**
 * Where a subscriber's bytes go. Adapters bring faster ones than a
 * `ReadableStream`: `subscriber.attach()`.
 */
export interface Sink {
  /**
   * Bytes taken that the network has not yet. The subscriber's budget is held
   * against it, so it must never be less than what is held.
   */
  readonly bufferedBytes: number;
  /** Whether it hands events over as they are: then nobody needs their bytes, and UTF-16 code units count instead. */
  readonly inProcess?: boolean;
  /**
   * A number that changes whenever the network has taken bytes: for sinks whose `bufferedBytes` stays the same for long
   * while a client reads.
   */
  readonly progress?: number;
  /** Takes a chunk, whole and without waiting. Must not throw: who cannot be written to has left. */
  write(chunk: Chunk): void;
  /** Calls once, later, when all that was written has left, or at least most of it. Only one call is asked for at a time. */
  onceDrained(callback: () => void): void;
  /** Ends the stream after what was written. */
  end(): void;
  /** Ends the stream now and drops what was not sent. */
  abort(): void;
  /** Runs a callback at the end of the present turn of the event loop: how this runtime's writes are best gathered. */
  schedule?(callback: () => void): void;
}

/** How a {@linkcode Sink} tells its subscriber that nobody reads any more. */
export type LeaveHandler = () => void;

/**
 * A sink that is a `ReadableStream`: it works everywhere. It is attached when the stream is first read, so that an
 * adapter can attach a faster one instead.
 */
export function readableSink(attach: (open: (leave: LeaveHandler) => Sink) => void): ReadableStream<Uint8Array> {
  let sink: StreamSink | undefined;
  return new ReadableStream<Uint8Array>(
    {
      // With a high water mark of 0 a pull means: the queue is empty and somebody waits. There is no other pull until
      // the promise resolves: none for each chunk that is read
      pull(controller) {
        if (sink === undefined) attach((leave) => sink = new StreamSink(controller, leave));
        return sink!.pulled();
      },
      cancel() {
        if (sink === undefined) attach((leave) => (queueMicrotask(leave), NOBODY));
        else sink.leave();
      },
    },
    { highWaterMark: 0, size: (bytes) => bytes.byteLength },
  );
}

class StreamSink implements Sink {
  readonly #controller: ReadableStreamDefaultController<Uint8Array>;
  readonly leave: LeaveHandler;
  #drained: (() => void) | undefined;
  #pullAgain = (): void => {};

  constructor(controller: ReadableStreamDefaultController<Uint8Array>, leave: LeaveHandler) {
    this.#controller = controller;
    this.leave = leave;
  }

  get bufferedBytes(): number {
    return -(this.#controller.desiredSize ?? 0);
  }

  write({ bytes }: Chunk): void {
    this.#controller.enqueue(bytes);
  }

  onceDrained(callback: () => void): void {
    if (this.bufferedBytes === 0) return queueMicrotask(callback);
    this.#drained = callback;
    this.#pullAgain();
  }

  pulled(): Promise<void> {
    const pulling = new Promise<void>((resolve) => this.#pullAgain = resolve);
    const callback = this.#drained;
    this.#drained = undefined;
    callback?.();
    return pulling;
  }

  end(): void {
    this.#controller.close();
  }

  abort(): void {
    this.#controller.error(new DOMException("The stream was ended before all of it was read", "AbortError"));
  }
}

const NOBODY: Sink = { bufferedBytes: 0, write() {}, onceDrained() {}, end() {}, abort() {} };

/** A sink that is a loop in the same process. */
export class DeliverySink implements Sink {
  readonly #chunks = new Deque<Chunk>();
  /** How many events of the first chunk the loop has. */
  #taken = 0;
  #bytes = 0;
  #waiting: ((result: IteratorResult<Delivery, undefined>) => void)[] = [];
  #drained: (() => void) | undefined;
  #ended = false;

  readonly inProcess = true;

  /** Those of whole chunks; none once it has ended: what waits is the loop's, however late it comes for it. */
  get bufferedBytes(): number {
    return this.#ended ? 0 : this.#bytes;
  }

  write(chunk: Chunk): void {
    if (chunk.entries.length === 0) return;
    this.#chunks.push(chunk);
    this.#bytes += sizeOf(chunk, this);
    while (this.#waiting.length > 0 && this.#chunks.length > 0) this.#waiting.shift()!(this.#take());
  }

  onceDrained(callback: () => void): void {
    if (this.#bytes === 0) queueMicrotask(callback);
    else this.#drained = callback;
  }

  end(): void {
    this.#ended = true;
    for (const resolve of this.#waiting.splice(0)) resolve({ done: true, value: undefined });
  }

  abort(): void {
    while (this.#chunks.shift() !== undefined);
    this.#taken = this.#bytes = 0;
    this.end();
  }

  next(): Promise<IteratorResult<Delivery, undefined>> {
    if (this.#chunks.length > 0) return Promise.resolve(this.#take());
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #take(): IteratorResult<Delivery, undefined> {
    const chunk = this.#chunks.at(0);
    const { entries } = chunk;
    const { delivery } = entries[this.#taken++]!;
    if (this.#taken === entries.length) {
      this.#taken = 0;
      this.#bytes -= sizeOf(chunk, this);
      this.#chunks.shift();
      if (this.#chunks.length === 0) {
        const callback = this.#drained;
        this.#drained = undefined;
        if (callback !== undefined) queueMicrotask(callback);
      }
    }
    return { done: false, value: delivery };
  }
}
