import { SseError } from "../errors.ts";
import { checkEvent, type EventFields } from "../wire/event.ts";
import { type JsonEventFields, withText } from "../wire/json.ts";

/** What a callback given to `eventStream` writes to. */
export interface EventWriter {
  /**
   * Sends an event. Await it: 1,024 that are not taken yet may wait, one more is rejected with `too-many-pending`.
   *
   * @returns When the client has taken enough that more may be sent. Rejects once the stream has ended, and for an
   * event that cannot be encoded, which ends nothing.
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
  #waiting: PromiseWithResolvers<IteratorResult<EventFields, undefined>> | undefined;
  #ended: { readonly error?: unknown } | undefined;

  constructor(signal: AbortSignal) {
    this.signal = signal;
  }

  readonly send = (given: JsonEventFields): Promise<void> => {
    if (this.#ended !== undefined || this.signal.aborted) {
      return Promise.reject(new SseError("source-failed", "Cannot send event as the stream has ended"));
    }
    let event: EventFields;
    try {
      event = withText(given, "send event");
      checkEvent(event);
    } catch (error) {
      return Promise.reject(error);
    }
    if (this.#queue.length >= MAX_UNSENT) {
      return Promise.reject(
        new SseError("too-many-pending", `Cannot send event as ${MAX_UNSENT} wait already: await send()`),
      );
    }
    const sending = new Promise<void>((taken, failed) => {
      this.#queue.push({ event, taken, failed });
      this.#settle();
    });
    sending.catch(() => {}); // a client that leaves must not kill a process that does not await
    return sending;
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
    for (const { failed } of this.#queue.splice(0)) {
      failed(new SseError("source-failed", "Cannot send event as the client has left"));
    }
    return Promise.resolve({ done: true, value: undefined });
  }

  #settle(): void {
    if (this.#waiting === undefined) return;
    const next = this.#queue.shift();
    if (next !== undefined) {
      this.#waiting.resolve({ done: false, value: next.event });
      next.taken();
    } else if (this.#ended !== undefined) {
      if ("error" in this.#ended) this.#waiting.reject(this.#ended.error);
      else this.#waiting.resolve({ done: true, value: undefined });
    } else {
      return;
    }
    this.#waiting = undefined;
  }
}
