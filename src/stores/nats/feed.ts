import { after } from "../../time/timer.ts";
import type { ConsumedMessage, ConsumedMessages, JetStreamClient, JetStreamConsumer } from "./client.ts";

/** Messages that a feed holds before they are taken. */
const AHEAD = 1_024;
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
  #held: ConsumedMessage[] = [];
  #failure: Error | undefined;
  /** What waits for a message or the end, and for room. */
  #wake = (): void => {};
  #goOn = (): void => {};

  private constructor(position: number, consumer: JetStreamConsumer, messages: ConsumedMessages) {
    this.position = position;
    this.#consumer = consumer;
    this.#messages = messages;
    void this.#watch();
    void this.#hold();
  }

  static async open(client: JetStreamClient, stream: string, after: number): Promise<Feed> {
    const consumer = await client.consumers.get(stream, {
      deliver_policy: "by_start_sequence",
      opt_start_seq: after + 1,
    });
    return new Feed(after, consumer, await consumer.consume({ max_messages: AHEAD, expires: PULL_MS }));
  }

  /** How many messages are there to be taken. */
  get held(): number {
    return this.#held.length;
  }

  /**
   * Takes what is there, and waits for the first.
   *
   * @param ms How long to wait for it, and for one after the other.
   * @param isLast Whether a message is the last that is wanted, and the how many-th it is.
   */
  async take(ms: number, isLast: (message: ConsumedMessage, count: number) => boolean): Promise<ConsumedMessage[]> {
    const taken: ConsumedMessage[] = [];
    for (;;) {
      if (this.#held.length === 0 && !await this.#wait(ms)) return taken;
      const held = this.#held;
      let count = 0;
      let ends = false;
      while (count < held.length && !ends) {
        const message = held[count++]!;
        taken.push(message);
        this.position = message.seq;
        ends = isLast(message, taken.length);
      }
      this.#held = count === held.length ? [] : held.slice(count);
      this.#goOn();
      if (ends) return taken;
    }
  }

  close(): void {
    const nothing = (): void => {}; // a server that is gone has no consumer left
    this.#messages.close().catch(nothing);
    this.#consumer.delete().catch(nothing);
    this.#goOn();
  }

  /** Whether a message came in time. */
  #wait(ms: number): Promise<boolean> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const stop = after(ms, () => resolve(false));
      this.#wake = () => {
        stop();
        if (this.#failure === undefined) resolve(true);
        else reject(this.#failure);
      };
    });
  }

  /** Never rejects. */
  async #hold(): Promise<void> {
    try {
      for await (const message of this.#messages) {
        this.#held.push(message);
        this.#wake();
        if (this.#held.length >= AHEAD) await new Promise<void>((resolve) => this.#goOn = resolve);
      }
      this.#failure = new Error("the connection is closed");
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    }
    this.#wake();
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.#messages.status()) {
      if (type === "ordered_consumer_recreated" || type === "heartbeats_missed") this.renewed = true;
    }
  }
}
