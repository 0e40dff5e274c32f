import type { ConsumedMessage, ConsumedMessages, JetStreamClient, JetStreamConsumer } from "./nats_client.ts";

/** Messages that a feed holds before they are taken. */
const AHEAD = 512;
/** How long one pull of messages waits at the server, in milliseconds; half of it without a sign is a failure. */
const PULL_MS = 5_000;

/** Messages of a stream from a sequence on, in order, by an ordered consumer. */
export class Feed {
  /** The sequence of the last that was taken, or that before the first. */
  position: number;
  /** Whether the consumer was made anew: the server may be another, or lack messages. */
  renewed = false;
  readonly #consumer: JetStreamConsumer;
  readonly #messages: ConsumedMessages;
  readonly #iterator: AsyncIterator<ConsumedMessage>;
  #next: Promise<IteratorResult<ConsumedMessage>> | undefined;

  private constructor(position: number, consumer: JetStreamConsumer, messages: ConsumedMessages) {
    this.position = position;
    this.#consumer = consumer;
    this.#messages = messages;
    this.#iterator = messages[Symbol.asyncIterator]();
    void this.#watch();
  }

  static async open(client: JetStreamClient, stream: string, after: number): Promise<Feed> {
    const consumer = await client.consumers.get(stream, {
      deliver_policy: "by_start_sequence",
      opt_start_seq: after + 1,
    });
    return new Feed(after, consumer, await consumer.consume({ max_messages: AHEAD, expires: PULL_MS }));
  }

  /**
   * Takes what is there, and waits for the first.
   *
   * @param ms How long to wait for it.
   * @param enough Whether these are enough.
   */
  async take(ms: number, enough: (messages: readonly ConsumedMessage[]) => boolean): Promise<ConsumedMessage[]> {
    const messages: ConsumedMessage[] = [];
    while (messages.length === 0 || !enough(messages)) {
      this.#next ??= this.#iterator.next();
      const result = await this.#within(ms, this.#next);
      if (result === undefined) break;
      this.#next = undefined;
      if (result.done === true) throw new Error("the connection is closed");
      messages.push(result.value);
      this.position = result.value.seq;
    }
    return messages;
  }

  close(): void {
    const nothing = (): void => {}; // a server that is gone has no consumer left
    this.#messages.close().catch(nothing);
    this.#consumer.delete().catch(nothing);
  }

  #within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => resolve(undefined), ms);
      promise.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.#messages.status()) {
      if (type === "ordered_consumer_recreated" || type === "heartbeats_missed") this.renewed = true;
    }
  }
}
