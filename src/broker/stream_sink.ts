import type { Chunk } from "./chunk.ts";
import type { LeaveHandler, Sink } from "./sink.ts";

/** A larger chunk is cut, so that the progress of a client that reads it slowly can be seen. In bytes. */
const PIECE_BYTES = 65_536;

/**
 * A sink that is a `ReadableStream`: it works everywhere. It is attached when the stream is first read, so that an
 * adapter can attach a faster one instead.
 */
export function readableSink(attach: (open: (leave: LeaveHandler) => Sink) => void): ReadableStream<Uint8Array> {
  let sink: StreamSink | undefined;
  return new ReadableStream<Uint8Array>(
    {
      // With a high water mark of 0 a pull means: the queue is empty and a reader waits. There is no other pull until
      // the promise resolves: none for each chunk that is read
      pull(controller) {
        if (sink === undefined) attach((leave) => sink = new StreamSink(controller, leave));
        return sink!.pulled();
      },
      cancel() {
        if (sink === undefined) attach((leave) => (leave(), NOBODY));
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
  #ending = false;
  #pullAgain = (): void => {};

  constructor(controller: ReadableStreamDefaultController<Uint8Array>, leave: LeaveHandler) {
    this.#controller = controller;
    this.leave = leave;
  }

  get bufferedBytes(): number {
    return -(this.#controller.desiredSize ?? 0);
  }

  write({ bytes }: Chunk): void {
    if (bytes.length <= PIECE_BYTES) return this.#controller.enqueue(bytes);
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      this.#controller.enqueue(bytes.subarray(at, at + PIECE_BYTES));
    }
  }

  onceDrained(callback: () => void): void {
    if (this.bufferedBytes === 0) return queueMicrotask(callback);
    this.#drained = callback;
    this.#pullAgain();
  }

  /** A reader waits for what comes next. */
  pulled(): Promise<void> {
    const pulling = new Promise<void>((resolve) => this.#pullAgain = resolve);
    if (this.#ending) this.#controller.close();
    const callback = this.#drained;
    this.#drained = undefined;
    callback?.();
    return pulling;
  }

  /** A stream that has been closed is not pulled any more: so what is in it is read first. */
  end(): void {
    if (this.bufferedBytes === 0) return this.#controller.close();
    this.#ending = true;
    this.#pullAgain();
  }

  abort(): void {
    this.#controller.error(new DOMException("The stream was ended before all of it was read", "AbortError"));
  }
}

const NOBODY: Sink = { bufferedBytes: 0, write() {}, onceDrained() {}, end() {}, abort() {} };
