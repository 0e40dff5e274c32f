import { SseError } from "../../errors.ts";
import { AppendFailure, type Batches } from "../log/append_queue.ts";
import type { LogAppended, LogEngine, LogPage, WantedPage } from "../log/engine.ts";
import type { CheckedEngineOptions } from "../log/engine_options.ts";
import { bodyOf, type LogEntry } from "../log/event_body.ts";
import { idTaken } from "../log/own_id.ts";
import type { LogState } from "../log/state.ts";
import { setOf } from "../own_ids.ts";
import type { AppendResult, NewEvent } from "../replay_store.ts";
import { storeId } from "../store_id.ts";
import { ATTEMPT_MS, codeOf, isPassing, isUntaken, WRONG_LAST_SEQUENCE } from "./answers.ts";
import type { JetStreamClient } from "./client.ts";
import { Losses } from "./losses.ts";
import { StreamNews } from "./news.ts";
import { NatsNodes } from "./nodes.ts";
import { StreamPages } from "./pages.ts";
import { holesOf } from "./segments.ts";
import { LogStream, type StreamOptions } from "./stream.ts";

/** What a message is acknowledged with; or that there is one of its own ID and topics, with the same content or another. */
type Published = { readonly seq: number; readonly duplicate: boolean } | "same" | "taken";

/** A log in a JetStream stream: each event is a message. */
export class NatsEngine implements LogEngine {
  readonly name = "NATS";
  /** Each event has its answer: small batches let others go on while these are waited for. */
  readonly batches: Batches = { underWay: 8, events: 64 };
  readonly #stream: LogStream;
  readonly #losses: Losses;
  readonly #pages: StreamPages;
  readonly #news: StreamNews;
  readonly #nodes: NatsNodes;
  readonly #writer = crypto.randomUUID();
  /** The first question for the stream, while it is under way. */
  #first: Promise<LogState> | undefined;

  constructor(client: JetStreamClient, checked: CheckedEngineOptions, options: StreamOptions) {
    const stream = this.#stream = new LogStream(client, checked, options);
    this.#losses = new Losses(stream);
    this.#pages = new StreamPages(stream, this.#losses);
    this.#news = new StreamNews(stream, this.#losses);
    this.#nodes = new NatsNodes(client, stream.name, (question) => stream.ask(question));
  }

  isPassing(error: unknown): boolean {
    return isPassing(error);
  }

  /** Without the server's clock, which old ones do not tell: the server removes what is too old itself. */
  async state(): Promise<LogState> {
    const { state } = await this.#losses.ask();
    const { epoch, segments } = this.#losses.description!;
    const holes = holesOf(segments);
    return {
      epoch,
      newest: this.#losses.positionOf(state.last_seq),
      oldest: state.messages === 0 ? undefined : this.#losses.positionOf(state.first_seq),
      holes,
      lost: holes.length === 1 ? 0 : holes.at(-1)!.to,
    };
  }

  async append(batch: readonly NewEvent[], sequence: number): Promise<LogAppended> {
    // One question for all batches that wait: they go on in their order
    if (this.#losses.description === undefined) {
      await (this.#first ??= this.state().finally(() => this.#first = undefined));
    }
    let published: readonly PromiseSettledResult<Published>[] = [];
    await this.#losses.watch(async () => {
      // All are written at once, in order; one that is sent again is known by its message ID
      published = await Promise.allSettled(batch.map((event, i) => this.#publish(event, `${sequence}-${i}`)));
      // Nobody takes messages for a stream that was removed: this makes it anew
      if (published.some((outcome) => outcome.status === "rejected" && isUntaken(outcome.reason))) await this.state();
      return Math.min(
        ...published.map((outcome) =>
          outcome.status === "fulfilled" && typeof outcome.value === "object" && !outcome.value.duplicate
            ? outcome.value.seq
            : Infinity
        ),
      );
    });
    const { epoch, segments } = this.#losses.description!;
    let newest = 0;
    const results = published.map((outcome, i): AppendResult => {
      if (outcome.status === "rejected") return refused(outcome.reason);
      if (outcome.value === "taken") return idTaken(batch[i]!.id!);
      if (outcome.value === "same") return { id: batch[i]!.id! };
      const position = this.#losses.positionOf(outcome.value.seq);
      newest = Math.max(newest, position);
      return { id: batch[i]!.id ?? storeId(epoch, position) };
    });
    return { epoch, holes: holesOf(segments), results, newest };
  }

  page(after: number, wanted: WantedPage): Promise<LogPage> {
    return this.#pages.after(after, wanted);
  }

  pageBack(before: number): Promise<readonly LogEntry[]> {
    return this.#pages.before(before);
  }

  async entryFrom(position: number): Promise<LogEntry | undefined> {
    const seq = Math.max(1, this.#losses.sequenceOf(position - 1) + 1);
    const message = await this.#stream.message({ seq, next_by_subj: this.#stream.subjects.all });
    return message === null ? undefined : this.#losses.entryOf(message, message.time.getTime());
  }

  async find(ownId: string, after: number): Promise<readonly LogEntry[]> {
    const seq = Math.max(1, this.#losses.sequenceOf(after) + 1);
    const message = await this.#stream.message({ seq, next_by_subj: this.#stream.subjects.ownId(ownId) });
    return message === null ? [] : [this.#losses.entryOf(message, message.time.getTime())];
  }

  tellLoss(): Promise<number> {
    return Promise.resolve(0); // the entry that begins a segment says so
  }

  next(after: number): Promise<readonly LogEntry[]> {
    return this.#news.next(after);
  }

  stop(): void {
    this.#news.stop();
    this.#pages.stop();
  }

  announce(node: string, says: string | undefined, ttl: number): Promise<ReadonlyMap<string, string>> {
    return this.#nodes.announce(node, says, ttl);
  }

  async #publish(event: NewEvent, unique: string): Promise<Published> {
    const { id, topics } = event;
    const { subjects, client } = this.#stream;
    const subject = id !== undefined
      ? subjects.own(id, setOf(topics))
      : topics.length === 1
      ? subjects.topic(topics[0]!)
      : subjects.several(`${this.#writer}-${unique}`);
    const body = bodyOf(event);
    const payload = `${JSON.stringify(topics)}\n${id ?? ""}\n${body}`;
    const options = { msgID: `${this.#writer}-${unique}`, timeout: ATTEMPT_MS };
    try {
      const expect = { lastSubjectSequence: 0 };
      return await client.publish(subject, payload, id === undefined ? options : { ...options, expect });
    } catch (error) {
      if (id === undefined || codeOf(error) !== WRONG_LAST_SEQUENCE) throw error;
      const first = await this.#stream.message({ last_by_subj: subject });
      if (first === null) throw new Error("what had the ID has been removed just now"); // it is sent again
      const entry = this.#losses.entryOf(first, 0);
      return entry.body === body && setOf(JSON.parse(entry.topics)) === setOf(topics) ? "same" : "taken";
    }
  }
}

/**
 * What became of an event that was not taken.
 *
 * @throws {AppendFailure} If the batch may be sent again.
 */
function refused(reason: unknown): AppendResult {
  const uncertain = codeOf(reason) === undefined && !isUntaken(reason);
  if (isPassing(reason)) throw new AppendFailure(reason, { retry: true, uncertain });
  const message = `Cannot publish to NATS: got ${reason instanceof Error ? reason.message : reason}`;
  return { error: new SseError("backend-failed", message, { cause: reason }) };
}
