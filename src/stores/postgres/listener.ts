import type { PostgresClient } from "./client.ts";

/** How often to look while notifications are not heard, in milliseconds. */
const UNHEARD_MS = 50;

/** Hears that a log has new entries, and says when it is time to look all the same. */
export class Listener {
  readonly #client: PostgresClient;
  readonly #log: string;
  readonly #pollInterval: number;
  #unlisten: (() => Promise<void>) | undefined;
  /** How often it has begun to listen. */
  #times = 0;
  /** Whether notifications are heard just now. */
  #hears = false;
  #heard = false;
  /** What `wait` waits for, while it waits. */
  #wake: (() => void) | undefined;

  constructor(client: PostgresClient, log: string, pollInterval: number) {
    this.#client = client;
    this.#log = log;
    this.#pollInterval = pollInterval;
  }

  /** Never rejects: what is not heard is looked for. */
  listen(): void {
    if (this.#hears || this.#unlisten !== undefined) return;
    // A client that could not listen again after it was cut off keeps that failure for the channel's name, for ever. The
    // server looks at the first 63 bytes, so that what follows them makes the name another for the client alone
    const channel = channelOf(this.#log) + (this.#times++ === 0 ? "" : `:${this.#times}`);
    this.#unlisten = () => Promise.resolve();
    this.#client.listen(channel, () => this.hear(), () => {
      this.#hears = true;
      this.hear();
    }).then(({ unlisten }) => this.#unlisten = unlisten, () => this.#unlisten = undefined);
  }

  /** Ends a wait, or the next. */
  hear(): void {
    this.#heard = true;
    this.#wake?.();
  }

  /** Whether something was heard since this was asked last. */
  takeHeard(): boolean {
    const heard = this.#heard;
    this.#heard = false;
    return heard;
  }

  /** Waits until something is heard, or it is time to look all the same; whether that is why. */
  wait(most: number): Promise<boolean> {
    if (this.#heard) return Promise.resolve(false);
    return new Promise((resolve) => {
      const ms = Math.min(most, this.#hears ? this.#pollInterval : UNHEARD_MS);
      const timer = setTimeout(resolve, ms, true);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(false);
      };
    });
  }

  /** Ends its connection, and a wait. */
  stop(): void {
    this.#hears = false;
    this.#unlisten?.().catch(() => {}); // a connection that is lost listens to nothing
    this.#unlisten = undefined;
    this.hear();
  }
}

/** What notifications of a log come by: 63 bytes, as long as a name may be. */
function channelOf(log: string): string {
  return `freshet:${log}:`.padEnd(63, "-");
}
