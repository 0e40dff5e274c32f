import { type LogPage, NEXT_MS, type WantedPage } from "../log/engine.ts";
import type { LogEntry } from "../log/event_body.ts";
import { Feed } from "./feed.ts";
import { type Losses, timeOf } from "./losses.ts";
import type { LogStream } from "./stream.ts";

/** Messages asked for one by one at the same time, downwards. */
const PAGE_BACK = 64;
/** How long a feed waits to be read on, in milliseconds. */
const HELD_MS = 10_000;

/** Reads a log at any place: upwards by a feed, which is kept for who reads on. */
export class StreamPages {
  readonly #stream: LogStream;
  readonly #losses: Losses;
  #kept: { readonly feed: Feed; readonly timer: ReturnType<typeof setTimeout> } | undefined;

  constructor(stream: LogStream, losses: Losses) {
    this.#stream = stream;
    this.#losses = losses;
  }

  async after(position: number, { limit, maxLength }: WantedPage): Promise<LogPage> {
    const from = this.#losses.sequenceOf(position);
    const kept = this.#kept?.feed;
    clearTimeout(this.#kept?.timer);
    this.#kept = undefined;
    const goesOn = kept?.position === from;
    if (!goesOn) kept?.close();
    const hasSome = goesOn && kept.held > 0;
    const before = hasSome ? undefined : (await this.#stream.info()).state;
    if (before !== undefined && (from >= before.last_seq || before.messages === 0)) {
      if (goesOn) kept.close();
      return { entries: [], examined: Math.max(position, this.#losses.positionOf(before.last_seq)), ends: true };
    }
    const feed = goesOn ? kept : await Feed.open(this.#stream.client, this.#stream.name, from);
    const entries: LogEntry[] = [];
    let length = 0;
    const messages = await feed.take(NEXT_MS, (message, count) => {
      const { seq, info } = message;
      const entry = this.#losses.entryOf(message, timeOf(info));
      entries.push(entry);
      length += entry.body.length;
      return count === limit || length >= maxLength || info.pending === 0 ||
        before !== undefined && seq >= before.last_seq;
    });
    const last = messages.at(-1);
    if (last === undefined) {
      feed.close();
      throw new Error(`the consumer brought nothing after ${from} of ${before?.last_seq}`);
    }
    // Only the stream tells: what a feed holds in advance does not know of what was published since
    const newest = before?.last_seq ??
      (last.info.pending > 0 ? Infinity : (await this.#stream.info()).state.last_seq);
    const ends = last.seq >= newest;
    if (ends || feed.renewed) feed.close();
    else this.#keep(feed);
    return { entries, examined: entries.at(-1)?.position ?? position, ends };
  }

  async before(position: number): Promise<readonly LogEntry[]> {
    const { state } = await this.#stream.info();
    const oldest = Math.max(1, state.first_seq);
    for (let high = Math.min(this.#losses.sequenceOf(position - 1), state.last_seq); high >= oldest;) {
      const low = Math.max(oldest, high - PAGE_BACK + 1);
      const sequences = Array.from({ length: high - low + 1 }, (_, i) => high - i);
      const answers = await this.#stream.ask(({ streams }) =>
        Promise.all(sequences.map((seq) => streams.getMessage(this.#stream.name, { seq })))
      );
      const found = answers.filter((message) => message !== null);
      if (found.length > 0) return found.map((message) => this.#losses.entryOf(message, message.time.getTime()));
      high = low - 1; // per-topic limits have removed all of these
    }
    return [];
  }

  /** Lets go of the feed. */
  stop(): void {
    clearTimeout(this.#kept?.timer);
    this.#kept?.feed.close();
    this.#kept = undefined;
  }

  #keep(feed: Feed): void {
    const timer = setTimeout(() => {
      this.#kept = undefined;
      feed.close();
    }, HELD_MS);
    this.#kept = { feed, timer };
  }
}
