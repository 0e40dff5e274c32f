import type { Subscriber } from "../broker/subscriber.ts";

/** One open stream. */
export interface Connection {
  /** Names it for `DELETE /connections/<id>`. */
  readonly id: string;
  readonly subscriber: Subscriber;
  readonly address: string;
  readonly userAgent: string;
  readonly path: string;
  /** Whose token it was. */
  readonly user: string | undefined;
  /** When it began, in milliseconds since 1970. */
  readonly since: number;
  /** When its token ends, in milliseconds since 1970. */
  readonly expires: number | undefined;
}

/** Which connections to end. */
export type WhichConnections = { readonly id: string } | { readonly user: string };

/** How often tokens are looked at that have an end, in milliseconds. */
const EXPIRY_MS = 1_000;

/** The open streams: counted by address, found by user, ended when their tokens end. */
export class Connections {
  readonly #open = new Map<string, Connection>();
  readonly #bySubscriber = new WeakMap<Subscriber, Connection>();
  readonly #perAddress = new Map<string, number>();
  #reserved = 0;
  #expiring = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** How many are open. */
  get count(): number {
    return this.#open.size;
  }

  /** How many are open or about to be. */
  get taken(): number {
    return this.#open.size + this.#reserved;
  }

  /** How many an address has, those that are about to be opened too. */
  countOf(address: string): number {
    return this.#perAddress.get(address) ?? 0;
  }

  /**
   * Takes a place before a stream is opened, as many may ask at once.
   *
   * @returns Gives it back.
   */
  reserve(address: string): () => void {
    this.#reserved++;
    this.#perAddress.set(address, this.countOf(address) + 1);
    return () => {
      this.#reserved--;
      this.#leave(address);
    };
  }

  [Symbol.iterator](): IterableIterator<Connection> {
    return this.#open.values();
  }

  /** Notes one until it ends. */
  add(connection: Connection): void {
    const { id, subscriber, address, expires } = connection;
    this.#open.set(id, connection);
    this.#bySubscriber.set(subscriber, connection);
    this.#perAddress.set(address, this.countOf(address) + 1);
    if (expires !== undefined && this.#expiring++ === 0) this.#timer = setInterval(() => this.#expire(), EXPIRY_MS);
    subscriber.onceClosed(this.#forget);
  }

  /**
   * Ends some.
   *
   * @returns How many.
   */
  end(which: WhichConnections): number {
    const ended = Array.from(this.#open.values()).filter((connection) =>
      "id" in which ? connection.id === which.id : connection.user === which.user
    );
    for (const { subscriber } of ended) void subscriber.close("kicked");
    return ended.length;
  }

  readonly #forget = (subscriber: Subscriber): void => {
    const { id, address, expires } = this.#bySubscriber.get(subscriber)!;
    this.#open.delete(id);
    this.#leave(address);
    if (expires !== undefined && --this.#expiring === 0) clearInterval(this.#timer);
  };

  #leave(address: string): void {
    const left = this.countOf(address) - 1;
    if (left === 0) this.#perAddress.delete(address);
    else this.#perAddress.set(address, left);
  }

  #expire(): void {
    const now = Date.now();
    for (const { expires, subscriber } of this.#open.values()) {
      if (expires !== undefined && expires <= now) void subscriber.close("expired");
    }
  }
}
