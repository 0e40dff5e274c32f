import { SseError } from "../errors.ts";
import { HeardPromise } from "../time/heard_promise.ts";
import { checkEvent, type EventFields } from "../wire/event.ts";
import { type JsonEventFields, withText } from "../wire/json.ts";

/** What a callback given to `eventStream` writes to. */
export interface EventWriter {
  /**
   * Sends an event. Await it: 1,024 events may wait to be taken, and one more is rejected with `too-many-pending`.
   *
   * A failure that nobody awaits kills no process. It counts as thrown by the callback: after what was sent before, the
   * stream fails, or ends with what `onError` makes of it. After the end of the stream `onError` alone is told. What
   * fails because the client has left is told to nobody: `signal` and `onCancel` have said it.
   *
   * @returns When the client has taken enough that more may be sent. Rejects once the stream has ended, and for an
   * event that cannot be encoded; both end nothing if somebody awaits.
   */
  send(event: JsonEventFields): Promise<void>;
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal;
}

/** Events of a callback that may wait to be taken. */
const MAX_UNSENT = 1_024;

interface Unsent {
  readonly event: EventFields;
  readonly taken: () => void;
  readonly failed: (error: unknown) => void;
}

/** The events that a callback sends, one after another, as they are asked for. */
export class SentEvents implements AsyncIterator<EventFields, undefined>, EventWriter {
  readonly signal: AbortSignal;
  readonly #queue: Unsent[] = [];
  readonly #onLate: (error: unknown) => void;
  #waiting: PromiseWithResolvers<IteratorResult<EventFields, undefined>> | undefined;
  #ended: { readonly error?: unknown } | undefined;
  /** Whether nobody asks for events any more. */
  #isOver = false;

  /**
   * @param signal Aborts when the client leaves.
   * @param onLate Told a failed `send` that nobody awaits, if it came too late to end these events.
   */
  constructor(signal: AbortSignal, onLate: (error: unknown) => void) {
    this.signal = signal;
    this.#onLate = onLate;
  }

  readonly send = (given: JsonEventFields): Promise<void> => {
    const { promise, resolve: taken, reject: failed } = HeardPromise.make<void>((error) => this.#onUnheard(error));
    try {
      const event = this.#checked(given);
      this.#queue.push({ event, taken, failed });
      this.#settle();
    } catch (error) {
      failed(error);
    }
    return promise;
  };

  /** Ends them after what was sent, with an error or without. */
  end(how: { readonly error?: unknown }): void {
    this.#ended ??= how;
    this.#settle();
  }

  next(): Promise<IteratorResult<EventFields, undefined>> {
    this.#waiting = Promise.withResolvers();
    const { promise } = this.#waiting;
    this.#settle();
    return promise;
  }

  return(): Promise<IteratorResult<EventFields, undefined>> {
    this.end({});
    this.#isOver = true;
    for (const { failed } of this.#queue.splice(0)) {
      failed(new SseError("source-failed", "Cannot send event as the client has left"));
    }
    return Promise.resolve({ done: true, value: undefined });
  }

  /**
   * An event that may be sent now.
   *
   * @throws What `send` rejects with.
   */
  #checked(given: JsonEventFields): EventFields {
    if (this.#ended !== undefined || this.signal.aborted) {
      throw new SseError("source-failed", "Cannot send event as the stream has ended");
    }
    const event = withText(given, "send event");
    checkEvent(event);
    if (this.#queue.length >= MAX_UNSENT) {
      throw new SseError("too-many-pending", `Cannot send event as ${MAX_UNSENT} wait already: await send()`);
    }
    return event;
  }

  #onUnheard(error: unknown): void {
    const { aborted } = this.signal;
    if (aborted && error instanceof SseError && error.code === "source-failed") return; // the signal has said why
    if (aborted || this.#isOver) return this.#onLate(error);
    if (this.#ended === undefined || !("error" in this.#ended)) this.#ended = { error };
    this.#settle();
  }

  #settle(): void {
    if (this.#waiting === undefined) return;
    const next = this.#queue.shift();
    if (next !== undefined) {
      this.#waiting.resolve({ done: false, value: next.event });
      next.taken();
    } else if (this.#ended !== undefined) {
      this.#isOver = true;
      if ("error" in this.#ended) this.#waiting.reject(this.#ended.error);
      else this.#waiting.resolve({ done: true, value: undefined });
    } else {
      return;
    }
    this.#waiting = undefined;
  }
}
