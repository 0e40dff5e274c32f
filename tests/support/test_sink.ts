import { type Chunk, EventParser, type ParsedEvent, type Sink, type Subscriber } from "../../mod.ts";

/** A connection that takes bytes when the test says so, and reads them as a client does. */
export class TestSink implements Sink {
  readonly events: ParsedEvent[] = [];
  readonly comments: string[] = [];
  /** Sizes of the writes. */
  readonly writes: number[] = [];
  ended = false;
  aborted = false;
  /** The reconnection time that it was told, in milliseconds. */
  retry: number | undefined;
  #chunks: Uint8Array[] = [];
  #buffered = 0;
  #drained: (() => void) | undefined;
  #paused: boolean;
  #leave = (): void => {};
  #wake = (): void => {};
  readonly #parser: EventParser;

  constructor(subscriber: Subscriber, options: { paused?: boolean; lastEventId?: string } = {}) {
    const { paused = false, lastEventId = "" } = options;
    this.#paused = paused;
    this.#parser = new EventParser({
      onEvent: (event) => void this.events.push(event),
      onComment: (comment) => void this.comments.push(comment),
      onRetry: (retry) => void (this.retry = retry),
      lastEventId,
    });
    subscriber.attach((leave) => {
      this.#leave = leave;
      return this;
    });
  }

  /** What this client would send as `Last-Event-ID`. */
  get lastEventId(): string {
    return this.#parser.lastEventId;
  }

  get data(): string[] {
    return this.events.map(({ data }) => data);
  }

  get bufferedBytes(): number {
    return this.#buffered;
  }

  write({ bytes }: Chunk): void {
    if (this.ended || this.aborted) throw new Error("written to after its end");
    this.writes.push(bytes.length);
    if (this.#paused) {
      this.#chunks.push(bytes);
      this.#buffered += bytes.length;
    } else {
      this.#parser.push(bytes);
    }
    this.#wake();
  }

  onceDrained(callback: () => void): void {
    if (this.#drained !== undefined) throw new Error("asked twice");
    if (this.#buffered === 0) queueMicrotask(callback);
    else this.#drained = callback;
  }

  end(): void {
    this.ended = true;
    this.#wake();
  }

  abort(): void {
    this.aborted = true;
    this.#wake();
  }

  pause(): void {
    this.#paused = true;
  }

  /** Takes all that waits; stays open for more unless told to pause again. */
  drain({ pause = false }: { pause?: boolean } = {}): void {
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#buffered = 0;
    this.#paused = pause;
    for (const bytes of chunks) this.#parser.push(bytes);
    const callback = this.#drained;
    this.#drained = undefined;
    callback?.();
  }

  /** The client goes away. */
  leave(): void {
    this.#leave();
  }

  /** Resolves when a condition holds, looked at after every write. */
  async until(condition: (sink: this) => boolean): Promise<void> {
    while (!condition(this)) await new Promise<void>((resolve) => this.#wake = resolve);
  }
}

/** Lets everything that waits for a turn of the event loop have it. */
export async function turns(count = 5): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setTimeout(resolve, 0));
}
