import { within } from "../../time/within.ts";
import type { CheckedEngineOptions } from "../log/engine_options.ts";
import { newEpoch } from "../store_id.ts";
import { ATTEMPT_MS, NS_PER_MS } from "./answers.ts";
import type {
  JetStreamClient,
  JetStreamConfig,
  JetStreamManager,
  JetStreamMessage,
  MessageQuery,
  StreamInfo,
  StreamLimits,
} from "./client.ts";
import { type Description, textOf } from "./segments.ts";
import { Subjects } from "./subject.ts";

/** For how long a message that is sent again is known, at least, in milliseconds. */
const DUPLICATES_MS = 120_000;

/** What a stream has beside the limits that all logs have. */
export interface StreamOptions {
  readonly maxEventsPerTopic: number;
  readonly storage: "file" | "memory";
  readonly replicas: number;
}

/** The stream that holds a log: made where there is none, and asked about. */
export class LogStream {
  readonly client: JetStreamClient;
  readonly name: string;
  readonly subjects: Subjects;
  readonly #limits: StreamLimits;
  readonly #storage: "file" | "memory";
  readonly #replicas: number;
  #manager: Promise<JetStreamManager> | undefined;

  constructor(
    client: JetStreamClient,
    { name, maxEvents, maxAge, maxBytes, timeout }: CheckedEngineOptions,
    { maxEventsPerTopic, storage, replicas }: StreamOptions,
  ) {
    this.client = client;
    this.name = `freshet_${name}`;
    this.subjects = new Subjects(name);
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

  /** Asks the server. A question that was lost with a connection is not answered for the client's own time-out, which is long. */
  async ask<T>(question: (manager: JetStreamManager) => Promise<T>): Promise<T> {
    this.#manager ??= this.client.jetstreamManager(false);
    return await within(ATTEMPT_MS, question(await this.#manager), "NATS");
  }

  /** What the server says of it. It is made, or its limits are set, where it is not as it should be. */
  async info(): Promise<StreamInfo> {
    const ask = (): Promise<StreamInfo> => this.ask(({ streams }) => streams.info(this.name));
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
      await this.ask(({ streams }) => streams.update(this.name, { ...limits }));
    }
    return info;
  }

  /** One of its messages; `null` if there is none. */
  message(query: MessageQuery): Promise<JetStreamMessage | null> {
    return this.ask(({ streams }) => streams.getMessage(this.name, query));
  }

  /** Writes its description. */
  async describe(description: Description): Promise<void> {
    await this.ask(({ streams }) => streams.update(this.name, { description: textOf(description) }));
  }

  async #make(): Promise<void> {
    const description: Description = { epoch: newEpoch(), segments: [{ after: 0, offset: Date.now() * 1_000 }] };
    const config: JetStreamConfig = {
      name: this.name,
      description: textOf(description),
      subjects: [this.subjects.all],
      storage: this.#storage,
      discard: "old",
      num_replicas: this.#replicas,
      ...this.#limits,
    };
    try {
      await this.ask(({ streams }) => streams.add(config));
    } catch (error) {
      // Another process was faster: its description stands
      if (await this.ask(({ streams }) => streams.info(this.name)).then(() => false, () => true)) throw error;
    }
  }
}
