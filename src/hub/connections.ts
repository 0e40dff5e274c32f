import type { Subscriber } from "../broker/subscriber.ts";
import { networkOf } from "./client_address.ts";

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
  /** By network, and by user. */
  readonly #counts = new Map<string, number>();
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

  /** How many a network has, of IPv6 a /64, those that are about to be opened too. */
  countOf(address: string): number {
    return this.#counts.get(networkKey(address)) ?? 0;
  }

  /** How many a user has, those that are about to be opened too. */
  countOfUser(user: string): number {
    return this.#counts.get(userKey(user)) ?? 0;
  }

  /**
   * Takes a place before a stream is opened, as many may ask at once.
   *
   * @returns Gives it back.
   */
  reserve(address: string, user?: string): () => void {
    this.#reserved++;
    this.#count(address, user, 1);
    return () => {
      this.#reserved--;
      this.#count(address, user, -1);
    };
  }

  [Symbol.iterator](): IterableIterator<Connection> {
    return this.#open.values();
  }

  /** Notes one until it ends. */
  add(connection: Connection): void {
    const { id, subscriber, address, user, expires } = connection;
    this.#open.set(id, connection);
    this.#bySubscriber.set(subscriber, connection);
    this.#count(address, user, 1);
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
    const { id, address, user, expires } = this.#bySubscriber.get(subscriber)!;
    this.#open.delete(id);
    this.#count(address, user, -1);
    if (expires !== undefined && --this.#expiring === 0) clearInterval(this.#timer);
  };

  #count(address: string, user: string | undefined, step: 1 | -1): void {
    for (const key of [networkKey(address), ...(user === undefined ? [] : [userKey(user)])]) {
      const count = (this.#counts.get(key) ?? 0) + step;
      if (count === 0) this.#counts.delete(key);
      else this.#counts.set(key, count);
    }
  }

  #expire(): void {
    const now = Date.now();
    for (const { expires, subscriber } of this.#open.values()) {
      if (expires !== undefined && expires <= now) void subscriber.close("expired");
    }
  }
}

function networkKey(address: string): string {
  return `network ${networkOf(address)}`;
}

function userKey(user: string): string {
  return `user ${user}`;
}
