import { SseError } from "../errors.ts";
import { EventParser, type EventParserOptions } from "../wire/parse.ts";
import { Permanent } from "./request.ts";
import { after } from "../time/timer.ts";

/** What a loop needs of its owner. */
export interface StreamLoopHost extends EventParserOptions {
  /**
   * Longest silence, in milliseconds, while a connection is made or read; 0 for no limit.
   */
  readonly inactivityTimeout?: number | undefined;
  /** Makes an attempt: resolves to a response that is to be read and has a body, rejects (with {@linkcode Permanent}, perhaps) otherwise. */
  request(lastEventId: string, signal: AbortSignal): Promise<Response>;
  /** The response is about to be read. */
  onOpen(response: Response): void;
  /**
   * An attempt has failed, or its stream is over.
   *
   * @returns How long to wait before the next, in milliseconds; of no account if the loop has been ended meanwhile.
   */
  onLost(failure: unknown): number;
}

/**
 * Connects, reads, waits, and connects again with the last event ID: `connect()` and `EventSource` are built on it. It goes
 * on only while it is asked to, so an application that reads slowly slows the socket.
 */
export class StreamLoop {
  readonly #host: StreamLoopHost;
  readonly #parser: EventParser;
  #ended = false;
  #attempt: AbortController | undefined;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  /** Waits for so long instead, in milliseconds. */
  #waitFor: ((ms: number) => void) | undefined;

  constructor(host: StreamLoopHost) {
    this.#host = host;
    this.#parser = new EventParser(host);
  }

  get lastEventId(): string {
    return this.#parser.lastEventId;
  }

  /** Goes on by one step: an attempt, or a chunk; and, if that fails, the wait after it. Never rejects. */
  async step(): Promise<void> {
    if (this.#ended) return;
    try {
      if (this.#reader === undefined) await this.#open();
      else await this.#read(this.#reader);
    } catch (failure) {
      if (this.#ended) return;
      const { signal } = this.#attempt!;
      const error = signal.aborted ? signal.reason : failure; // what we broke off fails in many ways
      this.#drop();
      await this.#wait(this.#host.onLost(error));
    }
  }

  /** Goes on until the loop has ended. */
  async run(): Promise<void> {
    while (!this.#ended) await this.step();
  }

  /** Breaks the connection off; `onLost` gets the error. */
  breakOff(error?: unknown): void {
    this.#attempt?.abort(error);
    this.#reader?.cancel().catch(() => {}); // ends a wait for a chunk, also where an abort does not
  }

  /** Cuts the wait for the next attempt short: so many milliseconds are left of it, none if it is no more than 0. */
  hurry(ms: number): void {
    this.#waitFor?.(ms);
  }

  /** Ends the loop: nothing is dispatched any more, also of a chunk that is being parsed. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#drop();
    this.hurry(0);
  }

  async #open(): Promise<void> {
    const { signal } = this.#attempt = new AbortController();
    const response = await this.#inTime(unlessAborted(this.#host.request(this.lastEventId, signal), signal));
    signal.throwIfAborted(); // in the same moment: the body is aborted with it
    this.#reader = response.body!.getReader(); // `attempt` has checked that there is a body
    this.#host.onOpen(response);
  }

  async #read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    const { done, value } = await this.#inTime(reader.read());
    if (this.#ended) return;
    this.#attempt!.signal.throwIfAborted();
    if (done) throw new SseError("stream-ended", "The server ended the event stream");
    try {
      this.#parser.push(value);
    } catch (error) {
      throw new Permanent(error); // the same bytes would come again
    }
  }

  /** Breaks off an attempt or a read that takes too long. */
  #inTime<T>(waiting: Promise<T>): Promise<T> {
    const { inactivityTimeout = 0 } = this.#host;
    if (inactivityTimeout === 0) return waiting;
    const stop = after(inactivityTimeout, () => {
      this.breakOff(new SseError("inactive", `Nothing came for ${inactivityTimeout} ms`));
    });
    return waiting.finally(stop);
  }

  async #wait(ms: number): Promise<void> {
    if (this.#ended) return;
    await new Promise<void>((resolve) => {
      let stop = after(ms, resolve);
      this.#waitFor = (ms) => {
        stop();
        if (ms > 0) stop = after(ms, resolve);
        else resolve();
      };
    });
    this.#waitFor = undefined;
  }

  /** Drops the attempt. An event that is not complete is not dispatched. The last event ID stays. */
  #drop(): void {
    this.breakOff();
    this.#attempt = this.#reader = undefined;
    this.#parser.reset();
  }
}

/** The response, unless the abort comes first: a `fetch` of the application may not look at its signal. */
function unlessAborted(response: Promise<Response>, signal: AbortSignal): Promise<Response> {
  return new Promise((resolve, reject) => {
    signal.onabort = () => reject(signal.reason);
    response.then((response) => signal.aborted ? response.body?.cancel() : resolve(response)).catch(reject);
  });
}
