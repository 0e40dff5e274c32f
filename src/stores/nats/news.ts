import { NEXT_MS } from "../log/engine.ts";
import type { LogEntry } from "../log/event_body.ts";
import type { ConsumedMessage } from "./client.ts";
import { Feed } from "./feed.ts";
import { type Losses, timeOf } from "./losses.ts";
import type { LogStream } from "./stream.ts";

/** Messages that are followed at once. */
const FOLLOWED = 512;
/** How long a consumer may bring nothing of what the stream is known to hold, in milliseconds. */
const SILENT_MS = 250;

/** Follows a log by a feed that stays open. */
export class StreamNews {
  readonly #stream: LogStream;
  readonly #losses: Losses;
  #feed: Feed | undefined;

  constructor(stream: LogStream, losses: Losses) {
    this.#stream = stream;
    this.#losses = losses;
  }

  async next(after: number): Promise<readonly LogEntry[]> {
    const from = this.#losses.sequenceOf(after);
    if (this.#feed?.position !== from || this.#feed.renewed) {
      if (this.#feed?.renewed === true) this.#losses.suspect();
      this.#feed?.close();
      this.#feed = undefined;
      if (this.#losses.isSuspect) return []; // asks for the state before anything else
      this.#feed = await Feed.open(this.#stream.client, this.#stream.name, from);
    }
    const feed = this.#feed;
    const isEnough = ({ info }: ConsumedMessage, count: number): boolean => count === FOLLOWED || info.pending === 0;
    let messages = await feed.take(NEXT_MS, isEnough);
    if (messages.length === 0) {
      // A consumer that was lost while the connection was away may be silent for ever
      const { state } = await this.#stream.info();
      if (state.last_seq > feed.position) messages = await feed.take(SILENT_MS, isEnough);
      if (state.last_seq > feed.position && messages.length === 0) this.stop();
    }
    if (feed.renewed) this.#losses.suspect();
    const last = messages.at(-1);
    if (last !== undefined) await this.#losses.see(last, feed.renewed);
    for (const message of messages) {
      if (message.subject === this.#stream.subjects.loss) await this.#losses.adopt(message);
    }
    return messages.map((message) => this.#losses.entryOf(message, timeOf(message.info)));
  }

  stop(): void {
    this.#losses.suspect();
    this.#feed?.close();
    this.#feed = undefined;
  }
}
