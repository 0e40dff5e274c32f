/** What this module needs of `jetstream(connection)`, from the package `@nats-io/jetstream`. Bring your own. */
export interface JetStreamClient {
  /** Publishes a message, and resolves when the server has stored it. */
  publish(subject: string, payload: string, options: {
    readonly msgID: string;
    readonly timeout: number;
    readonly expect?: { readonly lastSubjectSequence: number };
  }): Promise<{ readonly seq: number; readonly duplicate: boolean }>;
  /** Makes the manager. */
  jetstreamManager(checkApi: boolean): Promise<JetStreamManager>;
  /** What reads. */
  readonly consumers: {
    get(stream: string, options: {
      readonly deliver_policy: "by_start_sequence";
      readonly opt_start_seq: number;
    }): Promise<JetStreamConsumer>;
  };
}

/** The part of the manager that is used. */
export interface JetStreamManager {
  /** What makes, changes and asks for streams. */
  readonly streams: {
    info(name: string): Promise<StreamInfo>;
    add(config: JetStreamConfig): Promise<unknown>;
    update(name: string, config: Partial<JetStreamConfig>): Promise<unknown>;
    getMessage(name: string, query: MessageQuery): Promise<JetStreamMessage | null>;
  };
}

/** Which message: of a sequence, or the next of a subject from there; or the newest of a subject. */
export type MessageQuery =
  | { readonly seq: number; readonly next_by_subj?: string }
  | { readonly last_by_subj: string };

/** A stream's limits. */
export interface StreamLimits {
  /** How many messages; -1 for no limit. */
  readonly max_msgs: number;
  /** How old, in nanoseconds; 0 for no limit. */
  readonly max_age: number;
  /** How many bytes; -1 for no limit. */
  readonly max_bytes: number;
  /** How many messages of one subject; -1 for no limit. */
  readonly max_msgs_per_subject: number;
  /** For how long a message is known by its ID, in nanoseconds: no longer than `max_age`. */
  readonly duplicate_window: number;
}

/** The part of a stream's configuration that is used. */
export interface JetStreamConfig extends StreamLimits {
  /** Its name. */
  readonly name: string;
  /** Free text: here the log's epoch, and how its positions come from sequences. */
  readonly description?: string;
  /** What it stores. */
  readonly subjects: string[];
  /** Where it is kept. */
  readonly storage: "file" | "memory";
  /** What a limit removes. */
  readonly discard: "old";
  /** On how many servers it is kept. */
  readonly num_replicas: number;
}

/** The part of what a server says of a stream that is used. */
export interface StreamInfo {
  /** How it is configured. */
  readonly config: StreamLimits & { readonly description?: string };
  /** What it holds. */
  readonly state: { readonly first_seq: number; readonly last_seq: number; readonly messages: number };
}

/** A message of a stream. */
export interface JetStreamMessage {
  /** What it was published to. */
  readonly subject: string;
  /** Its sequence in the stream. */
  readonly seq: number;
  /** Its payload. */
  readonly data: Uint8Array;
  /** When it was stored. */
  readonly time: Date;
}

/** A message as a consumer brings it. */
export interface ConsumedMessage extends JetStreamMessage {
  /** How many come after it, and when it was stored, in nanoseconds since 1970. */
  readonly info: { readonly pending: number; readonly timestampNanos: number };
}

/** The messages that a consumer brings. */
export interface ConsumedMessages extends AsyncIterable<ConsumedMessage> {
  /** Ends them. */
  close(): Promise<unknown>;
  /** What happens to the consumer. */
  status(): AsyncIterable<{ readonly type: string }>;
}

/** An ordered consumer. */
export interface JetStreamConsumer {
  /** Begins to bring messages. */
  consume(options: { readonly max_messages: number; readonly expires: number }): Promise<ConsumedMessages>;
  /** Removes it from the server. */
  delete(): Promise<unknown>;
}
