import type { AppendResult, NewEvent } from "../broker/replay_store.ts";
import { newEpoch, storeId } from "../broker/store_id.ts";
import { SseError } from "../errors.ts";
import { AppendFailure } from "./append_queue.ts";
import type { CheckedEngineOptions } from "./engine_options.ts";
import { bodyOf } from "./event_body.ts";
import type { LogAppended, LogEngine, LogEntry, LogPage } from "./log_engine.ts";
import type { LogState } from "./log_state.ts";
import { NEXT_MS } from "./log_store.ts";
import type { JetStreamClient, JetStreamManager, JetStreamMessage, StreamInfo, StreamLimits } from "./nats_client.ts";
import { Feed } from "./nats_feed.ts";
import { Subjects } from "./nats_subject.ts";

/** Messages of one page, and bytes of them unless one alone has more. */
const PAGE = { messages: 512, bytes: 1 << 22 };
/** Messages asked for one by one at the same time, downwards. */
const PAGE_BACK = 64;
/** How long a reader waits to be read on, in milliseconds. */
const READER_MS = 10_000;
/** How long one attempt to publish may take before the message is sent again: the server stores it once. */
const ATTEMPT_MS = 2_000;
/** JetStream's code for a subject that has a message already. */
const WRONG_LAST_SEQUENCE = 10071;
/** What a server answers for a while only: no leader, no resources now, JetStream not up yet. */
const PASSING: readonly number[] = [10005, 10008, 10009, 10023, 10076];

const decoder = new TextDecoder();

/** From a message on, what is added to the stream's sequences to make positions. */
interface Segment {
  readonly after: number;
  readonly offset: number;
}

/** What the stream's description holds: servers before 2.10 have no other place for it. */
interface Description {
  readonly epoch: string;
  /** The first begins at 0. Each further one follows a loss of messages, whose sequences are given out again. */
  readonly segments: readonly Segment[];
}

/** A log in a JetStream stream. A message's sequence and its segment make its position. */
export class NatsEngine implements LogEngine {
  readonly name = "NATS";
  readonly #client: JetStreamClient;
  readonly #stream: string;
  readonly #subjects: Subjects;
  readonly #limits: StreamLimits;
  readonly #storage: "file" | "memory";
  readonly #replicas: number;
  readonly #writer = crypto.randomUUID();
  #manager: Promise<JetStreamManager> | undefined;
  #description: Description | undefined;
  #feed: Feed | undefined;
  #reader: { readonly feed: Feed; readonly timer: ReturnType<typeof setTimeout> } | undefined;
  /** The newest message that this process has seen, to know it again. */
  #last: { readonly seq: number; readonly time: number } | undefined;
  #isSuspect = false;

  constructor(
    client: JetStreamClient,
    { name, maxEvents, maxAge, maxBytes }: CheckedEngineOptions,
    { maxEventsPerTopic, storage, replicas }: {
      readonly maxEventsPerTopic: number;
      readonly storage: "file" | "memory";
      readonly replicas: number;
    },
  ) {
    this.#client = client;
    this.#stream = `freshet_${name}`;
    this.#subjects = new Subjects(name);
    const unlimited = (limit: number, none: number): number => limit === Infinity ? none : Math.floor(limit);
    this.#limits = {
      max_msgs: unlimited(maxEvents, -1),
      max_age: unlimited(maxAge, 0) * 1_000_000, // nanoseconds
      max_bytes: unlimited(maxBytes, -1),
      max_msgs_per_subject: unlimited(maxEventsPerTopic, -1),
    };
    this.#storage = storage;
    this.#replicas = replicas;
  }

  async state(): Promise<LogState> {
    const { config, state } = await this.#info();
    let description = descriptionOf(config.description);
    if (this.#description !== undefined && description.epoch !== this.#description.epoch) this.#last = undefined;
    if (await this.#lacksSeen(state.last_seq)) description = await this.#beginSegment(description, state.last_seq);
    this.#description = description;
    return {
      epoch: description.epoch,
      newest: this.#positionOf(state.last_seq),
      oldest: state.messages === 0 ? undefined : this.#positionOf(state.first_seq),
      holes: description.segments.map(({ after, offset }, i) => ({
        from: i === 0 ? 0 : description.segments[i - 1]!.offset + after,
        to: offset + after,
      })),
      lost: 0,
    };
  }

  async append(batch: readonly NewEvent[], sequence: number): Promise<LogAppended> {
    if (this.#description === undefined) await this.state();
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
    let newest = 0;
    const results = published.map((outcome, i): AppendResult => {
      if (outcome.status === "fulfilled") {
        if (outcome.value === undefined) return { id: batch[i]!.id! };
        const position = this.#positionOf(outcome.value);
        newest = Math.max(newest, position);
        return { id: batch[i]!.id ?? storeId(this.#description!.epoch, position) };
      }
      const failure = failureOf(outcome.reason);
      if (failure.retry || failure.uncertain) throw failure;
      const message = `Cannot publish to NATS: got ${failure.message}`;
      return { error: new SseError("backend-failed", message, { cause: outcome.reason }) };
    });
    return { epoch: this.#description!.epoch, results, newest };
  }

  async page(after: number): Promise<LogPage> {
    const from = this.#sequenceOf(after);
    let feed = this.#reader?.feed;
    clearTimeout(this.#reader?.timer);
    this.#reader = undefined;
    if (feed === undefined || feed.position !== from) {
      feed?.close();
      const { state } = await this.#info();
      if (from >= state.last_seq || state.messages === 0) {
        return { entries: [], examined: Math.max(after, this.#positionOf(state.last_seq)), ends: true };
      }
      feed = await Feed.open(this.#client, this.#stream, from);
    }
    let bytes = 0;
    const messages = await feed.take(NEXT_MS, (taken) => {
      const last = taken.at(-1)!;
      bytes += last.data.length;
      return taken.length === PAGE.messages || bytes >= PAGE.bytes || last.info.pending === 0;
    });
    const ends = messages.length === 0 || messages.at(-1)!.info.pending === 0;
    if (ends || feed.renewed) feed.close();
    else this.#keepReader(feed);
    const entries = messages.map((message) => this.#entryOf(message));
    return { entries, examined: entries.at(-1)?.position ?? after, ends };
  }

  async pageBack(before: number): Promise<readonly LogEntry[]> {
    const { streams } = await this.#managed();
    const { state } = await this.#info();
    const oldest = Math.max(1, state.first_seq);
    for (let high = Math.min(this.#sequenceOf(before - 1), state.last_seq); high >= oldest;) {
      const low = Math.max(oldest, high - PAGE_BACK + 1);
      const asked = Array.from(
        { length: high - low + 1 },
        (_, i) => streams.getMessage(this.#stream, { seq: high - i }),
      );
      const found = (await Promise.all(asked)).filter((message) => message !== null);
      if (found.length > 0) return found.map((message) => this.#entryOf(message));
      high = low - 1; // per-topic limits have removed all of these
    }
    return [];
  }

  async entryFrom(position: number): Promise<LogEntry | undefined> {
    const { streams } = await this.#managed();
    const seq = Math.max(1, this.#sequenceOf(position - 1) + 1);
    const message = await streams.getMessage(this.#stream, { seq, next_by_subj: this.#subjects.all });
    return message === null ? undefined : this.#entryOf(message);
  }

  async find(ownId: string): Promise<LogEntry | undefined> {
    const { streams } = await this.#managed();
    const message = await streams.getMessage(this.#stream, { last_by_subj: this.#subjects.ownId(ownId) });
    return message === null ? undefined : this.#entryOf(message);
  }

  async tellLoss({ to }: { readonly to: number }): Promise<void> {
    await this.#client.publish(this.#subjects.loss, "[]\n[]\n", { msgID: `loss-${to}`, timeout: ATTEMPT_MS });
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
    const messages = await feed.take(
      NEXT_MS,
      (taken) => taken.length === PAGE.messages || taken.at(-1)!.info.pending === 0,
    );
    if (feed.renewed && messages.length === 0) this.#isSuspect = true;
    const last = messages.at(-1);
    if (last !== undefined && !feed.renewed) this.#last = { seq: last.seq, time: last.time.getTime() };
    return messages.map((message) => this.#entryOf(message));
  }

  stop(): void {
    this.#isSuspect = true;
    this.#feed?.close();
    this.#feed = undefined;
    clearTimeout(this.#reader?.timer);
    this.#reader?.feed.close();
    this.#reader = undefined;
  }

  /** By a stream in memory that holds the newest word of each node, for as long as words hold. */
  async announce(node: string, says: string | undefined, ttl: number): Promise<ReadonlyMap<string, string>> {
    const { streams } = await this.#managed();
    const subjects = new Subjects(this.#stream, "freshet_nodes");
    const stream = `${this.#stream}_nodes`;
    const publish = (): Promise<unknown> =>
      this.#client.publish(subjects.topic(node), `${node}\n${says ?? ""}`, {
        msgID: crypto.randomUUID(),
        timeout: ATTEMPT_MS,
      });
    await publish().catch(async (error) => {
      if (!(error instanceof Error) || error.name !== "JetStreamNotEnabled") throw error;
      await streams.add({
        name: stream,
        subjects: [subjects.all],
        storage: "memory",
        discard: "old",
        num_replicas: 1,
        max_msgs: -1,
        max_bytes: -1,
        max_age: ttl * 1_000_000,
        max_msgs_per_subject: 1,
      });
      await publish();
    });
    const nodes = new Map<string, string>();
    for (let seq = 1;;) {
      const message = await streams.getMessage(stream, { seq, next_by_subj: subjects.all });
      if (message === null) return nodes;
      const [name, words] = decoder.decode(message.data).split("\n") as [string, string];
      if (words !== "") nodes.set(name, words);
      seq = message.seq + 1;
    }
  }

  async #publish(event: NewEvent, unique: string): Promise<number | undefined> {
    const { id, topics } = event;
    const subject = id !== undefined
      ? this.#subjects.ownId(id)
      : topics.length === 1
      ? this.#subjects.topic(topics[0]!)
      : this.#subjects.several(`${this.#writer}-${unique}`);
    const payload = `${JSON.stringify(topics)}\n${bodyOf(event)}\n${id ?? ""}`;
    const options = { msgID: `${this.#writer}-${unique}`, timeout: ATTEMPT_MS };
    try {
      const expect = { lastSubjectSequence: 0 };
      const { seq } = await this.#client.publish(subject, payload, id === undefined ? options : { ...options, expect });
      return seq;
    } catch (error) {
      if (id !== undefined && codeOf(error) === WRONG_LAST_SEQUENCE) return undefined; // it is there already
      throw error;
    }
  }

  /** Whether the stream no longer has, or has another message for, what this process has seen. */
  async #lacksSeen(newest: number): Promise<boolean> {
    const last = this.#last;
    if (last === undefined) return false;
    if (newest >= last.seq && !this.#isSuspect) return false;
    let lacks = newest < last.seq;
    if (!lacks) {
      const { streams } = await this.#managed();
      const message = await streams.getMessage(this.#stream, { seq: last.seq });
      lacks = message !== null && message.time.getTime() !== last.time; // retention may have removed it
    }
    this.#isSuspect = false;
    return lacks;
  }

  /** What follows gets positions far above, so that none is given out twice, and all are told. */
  async #beginSegment({ epoch, segments }: Description, after: number): Promise<Description> {
    const offset = Math.max(Date.now() * 1_000, segments.at(-1)!.offset + (this.#last?.seq ?? 0) + 1) - after;
    const description = { epoch, segments: [...segments.slice(-31), { after, offset }] };
    const { streams } = await this.#managed();
    await streams.update(this.#stream, { description: textOf(description) });
    this.#last = undefined;
    await this.tellLoss({ to: offset + after });
    return description;
  }

  /** Asks for the stream; makes it, or sets its limits, where it is not as it should be. */
  async #info(): Promise<StreamInfo> {
    const { streams } = await this.#managed();
    let info: StreamInfo;
    try {
      info = await streams.info(this.#stream);
    } catch (error) {
      if (!(error instanceof Error) || error.name !== "StreamNotFoundError") throw error;
      await this.#make();
      info = await streams.info(this.#stream);
    }
    const { max_msgs, max_age, max_bytes, max_msgs_per_subject } = info.config;
    const limits = this.#limits;
    if (
      max_msgs !== limits.max_msgs || max_age !== limits.max_age || max_bytes !== limits.max_bytes ||
      max_msgs_per_subject !== limits.max_msgs_per_subject
    ) {
      await streams.update(this.#stream, { ...limits });
    }
    return info;
  }

  async #make(): Promise<void> {
    const { streams } = await this.#managed();
    const description: Description = { epoch: newEpoch(), segments: [{ after: 0, offset: Date.now() * 1_000 }] };
    try {
      await streams.add({
        name: this.#stream,
        description: textOf(description),
        subjects: [this.#subjects.all],
        storage: this.#storage,
        discard: "old",
        num_replicas: this.#replicas,
        ...this.#limits,
      });
    } catch (error) {
      // Another process was faster: its description stands
      if (await streams.info(this.#stream).then(() => false, () => true)) throw error;
    }
  }

  #managed(): Promise<JetStreamManager> {
    return this.#manager ??= this.#client.jetstreamManager(false);
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

  #entryOf({ subject, seq, data, time }: JetStreamMessage): LogEntry {
    const [topics, body, ownId] = decoder.decode(data).split("\n") as [string, string, string];
    return {
      position: this.#positionOf(seq),
      time: time.getTime(),
      topics,
      body,
      ownId: ownId === "" ? undefined : ownId,
      tellsLoss: subject === this.#subjects.loss,
    };
  }
}

function failureOf(error: unknown): AppendFailure {
  const code = codeOf(error);
  if (code !== undefined) return new AppendFailure(error, { retry: PASSING.includes(code), uncertain: false });
  if (isUntaken(error)) return new AppendFailure(error, { retry: true, uncertain: false });
  if (error instanceof Error && error.name === "InvalidArgumentError") {
    return new AppendFailure(error, { retry: false, uncertain: false }); // too large
  }
  return new AppendFailure(error, { retry: true, uncertain: true });
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

function textOf({ epoch, segments }: Description): string {
  return `freshet 1 ${epoch} ${segments.map(({ after, offset }) => `${after}:${offset}`).join(",")}`;
}

function descriptionOf(text: string | undefined): Description {
  const [, epoch, segments] = /^freshet 1 ([a-z]{8}) ([\d:,]+)$/.exec(text ?? "") ?? [];
  if (epoch === undefined) {
    throw new SseError("backend-failed", `Cannot use the stream as its description is not ours: got ${text}`);
  }
  return {
    epoch,
    segments: segments!.split(",").map((segment) => {
      const [after, offset] = segment.split(":").map(Number);
      return { after: after!, offset: offset! };
    }),
  };
}
