import type { LogEntry } from "../log/event_body.ts";
import { ATTEMPT_MS, codeOf, NS_PER_MS, WRONG_LAST_SEQUENCE } from "./answers.ts";
import type { ConsumedMessage, JetStreamMessage, StreamInfo } from "./client.ts";
import {
  type Description,
  descriptionOf,
  positionOf,
  type Segment,
  segmentsOf,
  sequenceOf,
  textOfSegment,
} from "./segments.ts";
import type { LogStream } from "./stream.ts";

const decoder = new TextDecoder();

/** A message, to know it again. */
interface Seen {
  readonly seq: number;
  readonly time: number;
}

/**
 * What messages mean, and whether some were lost. A message's sequence and its segment make its position: a server that has
 * lost messages gives their sequences out again, and a new segment begins there. Who has seen a message that is no longer
 * what it was begins it.
 */
export class Losses {
  readonly #stream: LogStream;
  #description: Description | undefined;
  /** The newest message that this process has seen. */
  #last: Seen | undefined;
  #isSuspect = false;

  constructor(stream: LogStream) {
    this.#stream = stream;
  }

  /** How positions are made; `undefined` before the stream was asked about. */
  get description(): Description | undefined {
    return this.#description;
  }

  /** Whether the stream must be asked about before anything else is believed. */
  get isSuspect(): boolean {
    return this.#isSuspect;
  }

  /** Notes that the server may be another now, or lack messages. */
  suspect(): void {
    this.#isSuspect = true;
  }

  /** Asks about the stream, and whether it is what it was. */
  async ask(): Promise<StreamInfo> {
    const last = this.#last; // before asking: what comes meanwhile is newer than the answer
    const info = await this.#stream.info();
    const description = descriptionOf(info.config.description);
    const isAnother = this.#description !== undefined && description.epoch !== this.#description.epoch;
    if (isAnother) this.#last = undefined;
    this.#description = description;
    const newest = info.state.last_seq;
    if (!isAnother && await this.#lacks(last, newest)) await this.#beginSegment(newest);
    return info;
  }

  /**
   * Sends messages, and tells by the sequences that they were given whether some before them are lost: one that this process
   * has seen already is given again then.
   *
   * @param send Sends them, and brings the lowest sequence.
   */
  async watch(send: () => Promise<number>): Promise<void> {
    const last = this.#last;
    const lowest = await send();
    if (last !== undefined && lowest <= last.seq && this.#last === last) await this.#beginSegment(lowest - 1);
  }

  /** Notes the newest message that was followed. */
  async see({ seq, info }: ConsumedMessage, isRenewed: boolean): Promise<void> {
    if (!(isRenewed && await this.#lacks(this.#last, seq))) this.#last = { seq, time: timeOf(info) };
  }

  /** Takes a segment over from the entry that begins it; whether it was not known yet. */
  async adopt({ data }: JetStreamMessage): Promise<boolean> {
    const { epoch, segments } = this.#description!;
    const [segment] = segmentsOf(decoder.decode(data).split("\n")[2]!) as [Segment];
    if (segments.at(-1)!.offset >= segment.offset) return false;
    this.#description = { epoch, segments: [...segments.slice(-31), segment] };
    // The entry may be removed one day. Whoever writes this writes the same
    await this.#stream.describe(this.#description);
    return true;
  }

  positionOf(seq: number): number {
    return positionOf(this.#description!.segments, seq);
  }

  sequenceOf(position: number): number {
    return sequenceOf(this.#description!.segments, position);
  }

  /** A message as an entry of the log. */
  entryOf({ subject, seq, data }: JetStreamMessage, time: number): LogEntry {
    const lines = decoder.decode(data);
    const topics = lines.indexOf("\n");
    const ownId = lines.indexOf("\n", topics + 1);
    return {
      position: this.positionOf(seq),
      time,
      topics: lines.slice(0, topics),
      ownId: ownId === topics + 1 ? undefined : lines.slice(topics + 1, ownId),
      body: lines.slice(ownId + 1),
      tellsLoss: subject === this.#stream.subjects.loss,
    };
  }

  /** Whether the stream no longer has, or has another message for, what this process has seen. */
  async #lacks(last: Seen | undefined, newest: number): Promise<boolean> {
    const message = this.#isSuspect && last !== undefined ? await this.#stream.message({ seq: last.seq }) : null;
    this.#isSuspect = false;
    if (last === undefined) return false;
    // One that is not there may have been removed by retention; a consumer's clock reads in 256 ns, and may round up
    return newest < last.seq || message !== null && Math.abs(message.time.getTime() - last.time) > 1;
  }

  /**
   * What follows gets positions far above, so that none is given out twice, and every reader is told: by an entry that says
   * where, which only the first to notice can add.
   */
  async #beginSegment(after: number): Promise<void> {
    const before = await this.#entry();
    this.#last = undefined;
    if (before !== null && await this.adopt(before)) return;
    const newest = this.#description!.segments.at(-1)!;
    const segment = { after, offset: Math.max(Date.now() * 1_000, newest.offset + newest.after + 1) - after };
    try {
      await this.#stream.client.publish(this.#stream.subjects.loss, `[]\n\n${textOfSegment(segment)}`, {
        msgID: crypto.randomUUID(),
        timeout: ATTEMPT_MS,
        expect: { lastSubjectSequence: before?.seq ?? 0 },
      });
    } catch (error) {
      if (codeOf(error) !== WRONG_LAST_SEQUENCE) throw error;
    }
    await this.adopt((await this.#entry())!);
  }

  /** The newest entry that begins a segment. */
  #entry(): Promise<JetStreamMessage | null> {
    return this.#stream.message({ last_by_subj: this.#stream.subjects.loss });
  }
}

/** When a message was stored, in milliseconds. */
export function timeOf({ timestampNanos }: ConsumedMessage["info"]): number {
  return Math.floor(timestampNanos / NS_PER_MS);
}
