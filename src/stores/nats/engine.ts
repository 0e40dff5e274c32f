import type { AppendResult, NewEvent } from "../replay_store.ts";
import { newEpoch, storeId } from "../store_id.ts";
import { SseError } from "../../errors.ts";
import { AppendFailure, type Batches } from "../log/append_queue.ts";
import type { CheckedEngineOptions } from "../log/engine_options.ts";
import { bodyOf, type LogEntry } from "../log/event_body.ts";
import { type LogAppended, type LogEngine, type LogPage, NEXT_MS, type WantedPage } from "../log/engine.ts";
import type { LogState } from "../log/state.ts";
import type {
  ConsumedMessage,
  JetStreamClient,
  JetStreamConfig,
  JetStreamManager,
  JetStreamMessage,
  StreamInfo,
  StreamLimits,
} from "./client.ts";
import { ATTEMPT_MS, NS_PER_MS } from "./limits.ts";
import { Feed } from "./feed.ts";
import { type Description, descriptionOf, type Segment, segmentsOf, textOf, textOfSegment } from "./segments.ts";
import { NatsNodes } from "./nodes.ts";
import { Subjects } from "./subject.ts";
import { within } from "../../time/within.ts";

/** Messages that are followed at once. */
const FOLLOWED = 512;
/** Messages asked for one by one at the same time, downwards. */
const PAGE_BACK = 64;
/** How long a reader waits to be read on, in milliseconds. */
const READER_MS = 10_000;
/** How long a consumer may bring nothing of what the stream is known to hold, in milliseconds. */
const SILENT_MS = 250;
/** For how long a message that is sent again is known, at least, in milliseconds. */
const DUPLICATES_MS = 120_000;
/** JetStream's code for a subject that has a message already. */
const WRONG_LAST_SEQUENCE = 10071;
/** What a server answers for a while only: no leader, no resources now, JetStream not up yet. */
const PASSING: readonly number[] = [10005, 10008, 10009, 10023, 10076];

const decoder = new TextDecoder();

/** A message, to know it again. */
interface Seen {
  readonly seq: number;
  readonly time: number;
}

/** A log in a JetStream stream. A message's sequence and its segment make its position. */
export class NatsEngine implements LogEngine {
  readonly name = "NATS";
  /** Each event is a message and has its answer: small batches let others go on while these are waited for. */
  readonly batches: Batches = { underWay: 8, events: 64 };
  readonly #client: JetStreamClient;
  readonly #stream: string;
  readonly #subjects: Subjects;
  readonly #limits: StreamLimits;
  readonly #storage: "file" | "memory";
  readonly #replicas: number;
  readonly #writer = crypto.randomUUID();
  readonly #nodes: NatsNodes;
  #manager: Promise<JetStreamManager> | undefined;
  #description: Description | undefined;
  /** The first question for the stream, while it is under way. */
  #first: Promise<LogState> | undefined;
  #feed: Feed | undefined;
  #reader: { readonly feed: Feed; readonly timer: ReturnType<typeof setTimeout> } | undefined;
  /** The newest message that this process has seen. */
  #last: Seen | undefined;
  #isSuspect = false;

  constructor(
    client: JetStreamClient,
    { name, maxEvents, maxAge, maxBytes, timeout }: CheckedEngineOptions,
    { maxEventsPerTopic, storage, replicas }: {
      readonly maxEventsPerTopic: number;
      readonly storage: "file" | "memory";
      readonly replicas: number;
    },
  ) {
    this.#client = client;
    this.#stream = `freshet_${name}`;
    this.#subjects = new Subjects(name);
    this.#nodes = new NatsNodes(client, this.#stream, (question) => this.#ask(question));
    const unlimited = (limit: number, none: number): number => limit === Infinity ? none : Math.floor(limit);
    this.#limits = {
      max_msgs: unlimited(maxEvents, -1),
      max_age: unlimited(maxAge, 0) * NS_PER_MS,
      max_bytes: unlimited(maxBytes, -1),
      max_msgs_per_subject: unlimited(maxEventsPerTopic, -1),
      duplicate_window: Math.floor(Math.min(maxAge, Math.max(DUPLICATES_MS, 2 * timeout))) * NS_PER_MS,
    };
    this.#storage = storage;
    this.#replicas = replicas;
  }

  isPassing(error: unknown): boolean {
    const code = codeOf(error);
    if (code !== undefined) return PASSING.includes(code);
    return !(error instanceof SseError) && (error as Error | null)?.name !== "InvalidArgumentError"; // it is too large
  }

  async state(): Promise<LogState> {
    const last = this.#last; // before asking: what comes meanwhile is newer than the answer
    const { config, state } = await this.#info();
    const isAnother = this.#description !== undefined &&
      descriptionOf(config.description).epoch !== this.#description.epoch;
    if (isAnother) this.#last = undefined;
    this.#description = descriptionOf(config.description);
    if (!isAnother && await this.#lacks(last, state.last_seq)) await this.#beginSegment(state.last_seq);
    const description = this.#description;
    const holes = description.segments.map(({ after, offset }, i) => ({
      from: i === 0 ? 0 : description.segments[i - 1]!.offset + after,
      to: offset + after,
    }));
    return {
      epoch: description.epoch,
      newest: this.#positionOf(state.last_seq),
      oldest: state.messages === 0 ? undefined : this.#positionOf(state.first_seq),
      holes,
      lost: holes.length === 1 ? 0 : holes.at(-1)!.to,
    };
  }

  async append(batch: readonly NewEvent[], sequence: number): Promise<LogAppended> {
    // One question for all batches that wait: they go on in their order
    if (this.#description === undefined) await (this.#first ??= this.state().finally(() => this.#first = undefined));
    const last = this.#last;
    // All are written at once, in order; one that is sent again is known by its message ID
    const published = await Promise.allSettled(batch.map((event, i) => this.#publish(event, `${sequence}-${i}`)));
    // Nobody takes messages for a stream that was removed: this makes it anew
    if (
      published.some(({ status, reason }: { status: string; reason?: unknown }) =>
        status === "rejected" && isUntaken(reason)
      )
    ) {
      await this.state();
    }
    // Who is given a sequence that it has seen already knows that the server has lost messages
    const again = Math.min(
      ...published.map((outcome) =>
        outcome.status === "fulfilled" && outcome.value?.duplicate === false ? outcome.value.seq : Infinity
      ),
    );
    if (last !== undefined && again <= last.seq && this.#last === last) await this.#beginSegment(again - 1);
    let newest = 0;
    const results = published.map((outcome, i): AppendResult => {
      if (outcome.status === "fulfilled") {
        if (outcome.value === undefined) return { id: batch[i]!.id! };
        const position = this.#positionOf(outcome.value.seq);
        newest = Math.max(newest, position);
        return { id: batch[i]!.id ?? storeId(this.#description!.epoch, position) };
      }
      const { reason } = outcome;
      const uncertain = codeOf(reason) === undefined && !isUntaken(reason);
      if (this.isPassing(reason)) throw new AppendFailure(reason, { retry: true, uncertain });
      const message = `Cannot publish to NATS: got ${reason instanceof Error ? reason.message : reason}`;
      return { error: new SseError("backend-failed", message, { cause: reason }) };
    });
    return { epoch: this.#description!.epoch, results, newest };
  }

  async page(after: number, { limit, maxLength }: WantedPage): Promise<LogPage> {
    const from = this.#sequenceOf(after);
    const kept = this.#reader?.feed;
    clearTimeout(this.#reader?.timer);
    this.#reader = undefined;
    const goesOn = kept?.position === from;
    if (!goesOn) kept?.close();
    const hasSome = goesOn && kept.held > 0;
    const before = hasSome ? undefined : (await this.#info()).state;
    if (before !== undefined && (from >= before.last_seq || before.messages === 0)) {
      if (goesOn) kept.close();
      return { entries: [], examined: Math.max(after, this.#positionOf(before.last_seq)), ends: true };
    }
    const feed = goesOn ? kept : await Feed.open(this.#client, this.#stream, from);
    const entries: LogEntry[] = [];
    let length = 0;
    const messages = await feed.take(NEXT_MS, (message, count) => {
      const { seq, info } = message;
      const entry = this.#entryOf(message, timeOf(info));
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
    const newest = before?.last_seq ?? (last.info.pending > 0 ? Infinity : (await this.#info()).state.last_seq);
    const ends = last.seq >= newest;
    if (ends || feed.renewed) feed.close();
    else this.#keepReader(feed);
    return { entries, examined: entries.at(-1)?.position ?? after, ends };
  }

  async pageBack(before: number): Promise<readonly LogEntry[]> {
    const { state } = await this.#info();
    const oldest = Math.max(1, state.first_seq);
    for (let high = Math.min(this.#sequenceOf(before - 1), state.last_seq); high >= oldest;) {
      const low = Math.max(oldest, high - PAGE_BACK + 1);
      const sequences = Array.from({ length: high - low + 1 }, (_, i) => high - i);
      const answers = await this.#ask(({ streams }) =>
        Promise.all(sequences.map((seq) => streams.getMessage(this.#stream, { seq })))
      );
      const found = answers.filter((message) => message !== null);
      if (found.length > 0) return found.map((message) => this.#entryOf(message, message.time.getTime()));
      high = low - 1; // per-topic limits have removed all of these
    }
    return [];
  }

  async entryFrom(position: number): Promise<LogEntry | undefined> {
    const query = { seq: Math.max(1, this.#sequenceOf(position - 1) + 1), next_by_subj: this.#subjects.all };
    const message = await this.#ask(({ streams }) => streams.getMessage(this.#stream, query));
    return message === null ? undefined : this.#entryOf(message, message.time.getTime());
  }

  async find(ownId: string): Promise<LogEntry | undefined> {
    const query = { last_by_subj: this.#subjects.ownId(ownId) };
    const message = await this.#ask(({ streams }) => streams.getMessage(this.#stream, query));
    return message === null ? undefined : this.#entryOf(message, message.time.getTime());
  }

  tellLoss(): Promise<void> {
    return Promise.resolve(); // the entry that begins a segment says so
  }

  async next(after: number): Promise<readonly LogEntry[]> {
    const from = this.#sequenceOf(after);
    if (this.#feed?.position !== from || this.#feed.renewed) {
      if (this.#feed?.renewed === true) this.#isSuspect = true;
      this.#feed?.close();
      this.#feed = undefined;
      if (this.#isSuspect) return []; // asks for the state before anything else
      this.#feed = await Feed.open(this.#client, this.#stream, from);
    }
    const feed = this.#feed;
    const isEnough = ({ info }: ConsumedMessage, count: number): boolean => count === FOLLOWED || info.pending === 0;
    let messages = await feed.take(NEXT_MS, isEnough);
    if (messages.length === 0) {
      // A consumer that was lost while the connection was away may be silent for ever
      const { state } = await this.#info();
      if (state.last_seq > feed.position) messages = await feed.take(SILENT_MS, isEnough);
      if (state.last_seq > feed.position && messages.length === 0) this.stop();
    }
    if (feed.renewed) this.#isSuspect = true;
    const last = messages.at(-1);
    if (last !== undefined && !(feed.renewed && await this.#lacks(this.#last, last.seq))) {
      this.#last = { seq: last.seq, time: timeOf(last.info) };
    }
    for (const message of messages) if (message.subject === this.#subjects.loss) await this.#adopt(message);
    return messages.map((message) => this.#entryOf(message, timeOf(message.info)));
  }

  stop(): void {
    this.#isSuspect = true;
    this.#feed?.close();
    this.#feed = undefined;
    clearTimeout(this.#reader?.timer);
    this.#reader?.feed.close();
    this.#reader = undefined;
  }

  announce(node: string, says: string | undefined, ttl: number): Promise<ReadonlyMap<string, string>> {
    return this.#nodes.announce(node, says, ttl);
  }

  async #publish(event: NewEvent, unique: string): Promise<{ seq: number; duplicate: boolean } | undefined> {
    const { id, topics } = event;
    const subject = id !== undefined
      ? this.#subjects.ownId(id)
      : topics.length === 1
      ? this.#subjects.topic(topics[0]!)
      : this.#subjects.several(`${this.#writer}-${unique}`);
    const payload = `${JSON.stringify(topics)}\n${id ?? ""}\n${bodyOf(event)}`;
    const options = { msgID: `${this.#writer}-${unique}`, timeout: ATTEMPT_MS };
    try {
      const expect = { lastSubjectSequence: 0 };
      return await this.#client.publish(subject, payload, id === undefined ? options : { ...options, expect });
    } catch (error) {
      if (id !== undefined && codeOf(error) === WRONG_LAST_SEQUENCE) return undefined; // it is there already
      throw error;
    }
  }

  /** Whether the stream no longer has, or has another message for, what this process has seen. */
  async #lacks(last: Seen | undefined, newest: number): Promise<boolean> {
    const message = this.#isSuspect && last !== undefined
      ? await this.#ask(({ streams }) => streams.getMessage(this.#stream, { seq: last.seq }))
      : null;
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
    const before = await this.#lossEntry();
    this.#last = undefined;
    if (before !== null && await this.#adopt(before)) return;
    const newest = this.#description!.segments.at(-1)!;
    const segment = { after, offset: Math.max(Date.now() * 1_000, newest.offset + newest.after + 1) - after };
    try {
      await this.#client.publish(this.#subjects.loss, `[]\n\n${textOfSegment(segment)}`, {
        msgID: crypto.randomUUID(),
        timeout: ATTEMPT_MS,
        expect: { lastSubjectSequence: before?.seq ?? 0 },
      });
    } catch (error) {
      if (codeOf(error) !== WRONG_LAST_SEQUENCE) throw error;
    }
    await this.#adopt((await this.#lossEntry())!);
  }

  #lossEntry(): Promise<JetStreamMessage | null> {
    return this.#ask(({ streams }) => streams.getMessage(this.#stream, { last_by_subj: this.#subjects.loss }));
  }

  /** Takes a segment over from the entry that begins it; whether it was not known yet. */
  async #adopt({ data }: JetStreamMessage): Promise<boolean> {
    const { epoch, segments } = this.#description!;
    const [segment] = segmentsOf(decoder.decode(data).split("\n")[2]!) as [Segment];
    if (segments.at(-1)!.offset >= segment.offset) return false;
    const description = this.#description = { epoch, segments: [...segments.slice(-31), segment] };
    // The entry may be removed one day. Whoever writes this writes the same
    await this.#ask(({ streams }) => streams.update(this.#stream, { description: textOf(description) }));
    return true;
  }

  /** Asks for the stream; makes it, or sets its limits, where it is not as it should be. */
  async #info(): Promise<StreamInfo> {
    const ask = (): Promise<StreamInfo> => this.#ask(({ streams }) => streams.info(this.#stream));
    let info: StreamInfo;
    try {
      info = await ask();
    } catch (error) {
      if (!(error instanceof Error) || error.name !== "StreamNotFoundError") throw error;
      await this.#make();
      info = await ask();
    }
    const limits = this.#limits;
    if (Object.entries(limits).some(([name, limit]) => info.config[name as keyof StreamLimits] !== limit)) {
      await this.#ask(({ streams }) => streams.update(this.#stream, { ...limits }));
    }
    return info;
  }

  async #make(): Promise<void> {
    const description: Description = { epoch: newEpoch(), segments: [{ after: 0, offset: Date.now() * 1_000 }] };
    const config: JetStreamConfig = {
      name: this.#stream,
      description: textOf(description),
      subjects: [this.#subjects.all],
      storage: this.#storage,
      discard: "old",
      num_replicas: this.#replicas,
      ...this.#limits,
    };
    try {
      await this.#ask(({ streams }) => streams.add(config));
    } catch (error) {
      // Another process was faster: its description stands
      if (await this.#ask(({ streams }) => streams.info(this.#stream)).then(() => false, () => true)) throw error;
    }
  }

  /** Asks the server. A question that was lost with a connection is not answered for the client's own time-out, which is long. */
  async #ask<T>(question: (manager: JetStreamManager) => Promise<T>): Promise<T> {
    this.#manager ??= this.#client.jetstreamManager(false);
    return await within(ATTEMPT_MS, question(await this.#manager), this.name);
  }

  #keepReader(feed: Feed): void {
    const timer = setTimeout(() => {
      this.#reader = undefined;
      feed.close();
    }, READER_MS);
    this.#reader = { feed, timer };
  }

  #positionOf(seq: number): number {
    const { segments } = this.#description!;
    return segments.findLast(({ after }, i) => seq > after || i === 0)!.offset + seq;
  }

  /** The sequence of the newest message that has this position or one before. */
  #sequenceOf(position: number): number {
    const { segments } = this.#description!;
    const i = segments.findLastIndex(({ after, offset }) => position > offset + after);
    if (i < 0) return 0;
    return Math.min(position - segments[i]!.offset, segments[i + 1]?.after ?? Infinity);
  }

  #entryOf({ subject, seq, data }: JetStreamMessage, time: number): LogEntry {
    const lines = decoder.decode(data);
    const topics = lines.indexOf("\n");
    const ownId = lines.indexOf("\n", topics + 1);
    return {
      position: this.#positionOf(seq),
      time,
      topics: lines.slice(0, topics),
      ownId: ownId === topics + 1 ? undefined : lines.slice(topics + 1, ownId),
      body: lines.slice(ownId + 1),
      tellsLoss: subject === this.#subjects.loss,
    };
  }
}

/** In milliseconds. */
function timeOf({ timestampNanos }: ConsumedMessage["info"]): number {
  return Math.floor(timestampNanos / NS_PER_MS);
}

/** Whether no server has the stream just now. */
function isUntaken(error: unknown): boolean {
  return error instanceof Error && error.name === "JetStreamNotEnabled";
}

/** JetStream's code, if the server has answered. */
function codeOf(error: unknown): number | undefined {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === "number" ? code : undefined;
}
