/**
 * A replay store in NATS JetStream: many processes, one order. For
 * `jetstream(connection)` of the package `@nats-io/jetstream`, with
 * nats-server 2.9 or later.
 *
 * An event survives what the server's settings make it survive. JetStream
 * answers once it has written to its files, which the operating system brings
 * to the disk later: the end of the server's process loses nothing, that of
 * the machine what came since the last `sync_interval` (two minutes unless
 * set; `always` loses nothing). With three replicas (`replicas: 3`) an answer
 * means that two have it. Where events are lost, subscribers are told by a
 * `gap`.
 *
 * A connection with `noAsyncTraces: true` publishes up to twice as many
 * events a second: the client takes a stack trace for each otherwise.
 *
 * @example Two brokers, of any two processes
 * ```ts ignore
 * import { Broker } from "@freshet/sse";
 * import { NatsReplayStore } from "@freshet/sse/nats";
 * import { jetstream } from "@nats-io/jetstream";
 * import { connect } from "@nats-io/transport-node";
 *
 * const connection = await connect({ servers: "127.0.0.1:4222", maxReconnectAttempts: -1, noAsyncTraces: true });
 * const store = new NatsReplayStore(jetstream(connection), { maxAge: 86_400_000 });
 * const broker = new Broker({ store });
 * await broker.publish("pets/dogs", { data: "woof" });
 * ```
 *
 * @module
 */
import { checkEngineOptions, type EngineStoreOptions } from "../log/engine_options.ts";
import { LogReplayStore, standOn } from "../log/store.ts";
import type { JetStreamClient } from "./client.ts";
import { NatsEngine } from "./engine.ts";

export type { EngineStoreOptions } from "../log/engine_options.ts";
export type { LogReplayStore } from "../log/store.ts";
export type {
  ConsumedMessage,
  ConsumedMessages,
  JetStreamClient,
  JetStreamConfig,
  JetStreamConsumer,
  JetStreamManager,
  JetStreamMessage,
  MessageQuery,
  StreamInfo,
  StreamLimits,
} from "./client.ts";

/** Options for {@linkcode NatsReplayStore}. */
export interface NatsReplayStoreOptions extends EngineStoreOptions {
  /**
   * How many events of each topic to keep, at least 1. Events of several
   * topics, and those with own IDs, are kept as long as the other limits
   * allow.
   *
   * @default {Infinity}
   */
  readonly maxEventsPerTopic?: number | undefined;
  /**
   * Where the stream is kept, when this store makes it.
   *
   * @default {"file"}
   */
  readonly storage?: "file" | "memory" | undefined;
  /**
   * On how many servers of a cluster, when this store makes it: 1 to 5.
   *
   * @default {1}
   */
  readonly replicas?: number | undefined;
}

/**
 * Keeps events in the stream `freshet_{name}`, which it makes where there is
 * none, and whose limits it sets to its own.
 *
 * An event of one topic is a message of the subject `freshet.{name}.t.` and the
 * topic's segments; bytes other than `A-Z a-z 0-9 _ -` are written `=XX`. No
 * event may be larger than the server's `max_payload`, one MiB unless set:
 * publishing it is rejected with `backend-failed`. While the server is away,
 * publishes wait up to `timeout`, streams stay open, and afterwards all goes on
 * where it was. Readers of some topics are sent the whole log: topics are
 * compared here, not by the server.
 */
export class NatsReplayStore extends LogReplayStore {
  /**
   * Makes a store. Nothing is sent before the first call.
   *
   * @param client `jetstream(connection)`, whose connection should never give up reconnecting (`maxReconnectAttempts: -1`).
   * The store never closes it.
   * @param options The name, and how much to keep.
   * @throws {TypeError} If the client is none, or an option is unknown or of the wrong kind.
   * @throws {RangeError} If a number is out of bounds; JetStream cannot keep to `maxEvents: 0`.
   */
  constructor(client: JetStreamClient, options: NatsReplayStoreOptions = {}) {
    const { maxEventsPerTopic = Infinity, storage = "file", replicas = 1, ...common } = options;
    const checked = checkEngineOptions("NatsReplayStore", common);
    if (typeof client?.publish !== "function" || typeof client.jetstreamManager !== "function") {
      throw new TypeError(`Cannot make store as client must be what jetstream(connection) makes: got ${typeof client}`);
    }
    const { maxEvents, maxBytes } = checked;
    for (const [option, value] of Object.entries({ maxEvents, maxBytes, maxEventsPerTopic, replicas })) {
      if (typeof value !== "number" || !(value >= 1)) {
        throw new RangeError(`Cannot make store as ${option} must be a number >= 1: got ${value}`);
      }
    }
    if (storage !== "file" && storage !== "memory") {
      throw new TypeError(`Cannot make store as storage must be "file" or "memory": got ${JSON.stringify(storage)}`);
    }
    super();
    standOn(this, new NatsEngine(client, checked, { maxEventsPerTopic, storage, replicas }), checked);
  }
}
