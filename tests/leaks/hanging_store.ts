import { MemoryReplayStore, type ReplayStore } from "../../mod.ts";

type Call = "read" | "locate" | "seek";

/** A store in memory whose calls never answer, when they are told so. Nothing of such a call is kept. */
export class HangingStore implements ReplayStore {
  readonly #store = new MemoryReplayStore();
  #hangs: Call | undefined;
  #onAsked: (() => void) | undefined;

  /** From now on this call hangs, and no other. */
  hang(call: Call | undefined): void {
    this.#hangs = call;
  }

  /** Resolves when the call that hangs is made. */
  asked(): Promise<void> {
    return new Promise((resolve) => this.#onAsked = resolve);
  }

  append: ReplayStore["append"] = (events) => this.#store.append(events);
  tail: ReplayStore["tail"] = (handlers) => this.#store.tail(handlers);
  idAt: ReplayStore["idAt"] = (position) => this.#store.idAt(position);
  removed: ReplayStore["removed"] = (topics) => this.#store.removed(topics);
  read: ReplayStore["read"] = (after, options) => this.#call("read", () => this.#store.read(after, options));
  locate: ReplayStore["locate"] = (id, topics) => this.#call("locate", () => this.#store.locate(id, topics));
  seek: ReplayStore["seek"] = (target) => this.#call("seek", () => this.#store.seek(target));
  close: ReplayStore["close"] = () => this.#store.close();

  #call<T>(call: Call, go: () => Promise<T>): Promise<T> {
    if (this.#hangs !== call) return go();
    this.#onAsked?.();
    this.#onAsked = undefined;
    return new Promise(() => {});
  }
}
