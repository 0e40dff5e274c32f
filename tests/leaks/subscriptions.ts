import {
  Broker,
  createHandler,
  eventStream,
  MemoryReplayStore,
  type Sink,
  type SubscribeOptions,
  type Subscriber,
} from "../../mod.ts";
import { HangingStore } from "./hanging_store.ts";
import { turn } from "./heap.ts";
import type { Coming } from "./coming.ts";
import type { Living } from "./living.ts";

const OVERFLOWS = ["replay", "close", "drop-oldest", "conflate"] as const;
/** The topics that events are published to, beside the one that all have: the store keeps in mind what it has removed. */
const PUBLISHED_TOPICS = 100;
/** A buffer that takes the first checkpoint, in bytes, and so many events that do not all fit. */
const SMALL_BUFFER = 100;
const FILLING = 4;
const TEXT = "some text";

/** Subscribers that come and go in every way, at a broker that stays. */
export class Subscriptions implements Coming {
  readonly #living: Living;
  readonly #broker = new Broker({
    store: new MemoryReplayStore({ retention: "none" }),
    windowBytes: 4_096,
    onSubscribe: (subscriber) => this.#living.watch("subscribers", subscriber),
    onError: () => {}, // some ways end by an error
  });
  readonly #store = new HangingStore();
  /** A broker whose store hangs, and which holds no event in memory. */
  readonly #hanging = new Broker({
    store: this.#store,
    windowBytes: 0,
    onSubscribe: (subscriber) => this.#living.watch("subscribers", subscriber),
    onError: () => {},
  });
  readonly #handler = createHandler(this.#broker, { topics: ["shared", "handler/**"], maxStreams: 1_000_000 });
  /** A signal that outlives all who are given it. */
  readonly #lasting = new AbortController();
  #deepId = "";
  #count = 0;

  readonly ways: Readonly<Record<string, (count: number) => Promise<void>>> = {
    "never read, closed": async (count) => {
      await Promise.all(this.#come(count).map((subscriber) => subscriber.close()));
    },
    "never read, signal aborted": async (count) => {
      const aborters = Array.from({ length: count }, () => new AbortController());
      const subscribers = aborters.map(({ signal }) => this.#subscribe({ signal }));
      for (const aborter of aborters) aborter.abort();
      await ended(subscribers);
    },
    "signal aborted before": async (count) => await ended(this.#come(count, { signal: AbortSignal.abort() })),
    "disposed of": async (count) => {
      for (let i = 0; i < count; i++) {
        await using _ = this.#subscribe();
      }
    },
    "loop, left at an event": async (count) => {
      const subscribers = this.#come(count);
      const loops = subscribers.map(async (subscriber) => {
        for await (const _ of subscriber) break;
      });
      await this.#publish();
      await Promise.all(loops);
      await ended(subscribers);
    },
    "loop, closed while it waits": async (count) => {
      const subscribers = this.#come(count);
      const loops = subscribers.map(async (subscriber) => {
        for await (const _ of subscriber);
      });
      await turn();
      await Promise.all(subscribers.map((subscriber) => subscriber.close("over", { retry: 1 })));
      await Promise.all(loops);
    },
    "loop that stalls, left": async (count) => {
      const subscribers = this.#come(count, { maxBufferedBytes: SMALL_BUFFER });
      const loops = subscribers.map((subscriber) => subscriber[Symbol.asyncIterator]());
      await Promise.all(loops.map((loop) => loop.next()).concat(this.#publish(FILLING) as never));
      for (const loop of loops) await loop.return?.();
      await ended(subscribers);
    },
    "readable, cancelled unread": async (count) => {
      await Promise.all(this.#come(count).map(({ readable }) => readable.cancel()));
    },
    "readable, cancelled at an event": async (count) => {
      const readers = this.#come(count).map(({ readable }) => readable.getReader());
      await Promise.all(readers.map((reader) => reader.read()));
      const more = readers.map((reader) => reader.read());
      await this.#publish();
      await Promise.all(more);
      await Promise.all(readers.map((reader) => reader.cancel()));
    },
    "readable, closed, read to its end": async (count) => {
      const subscribers = this.#come(count);
      const texts = subscribers.map(({ readable }) => new Response(readable).text());
      await turn();
      await this.#publish();
      await Promise.all(subscribers.map((subscriber) => subscriber.close()));
      await Promise.all(texts);
    },
    "sink, left": async (count) => {
      const subscribers = this.#come(count);
      const leaves = subscribers.map((subscriber) => attach(subscriber, new TakingSink()));
      await this.#publish();
      for (const leave of leaves) leave();
      await ended(subscribers);
    },
    "sink that throws": async (count) => {
      const subscribers = this.#come(count);
      for (const subscriber of subscribers) attach(subscriber, new ThrowingSink());
      await this.#publish();
      await ended(subscribers);
    },
    "full sink, left": async (count) => {
      const subscribers = this.#come(count, { maxBufferedBytes: SMALL_BUFFER });
      const leaves = subscribers.map((subscriber) => attach(subscriber, new StuckSink()));
      await this.#publish(FILLING);
      for (const leave of leaves) leave();
      await ended(subscribers);
    },
    "full sink, closed, drained": async (count) => {
      const subscribers = this.#come(count, { maxBufferedBytes: SMALL_BUFFER });
      const sinks = subscribers.map(() => new StuckSink());
      subscribers.forEach((subscriber, i) => attach(subscriber, sinks[i]!));
      await this.#publish(FILLING);
      const closed = subscribers.map((subscriber) => subscriber.close());
      for (const sink of sinks) sink.drain();
      await Promise.all(closed);
    },
    "resumes by a known ID": async (count) => {
      const lastEventId = await this.#publish();
      const subscribers = this.#come(count, { lastEventId });
      const loops = subscribers.map(async (subscriber) => {
        for await (const _ of subscriber) break;
      });
      await this.#publish();
      await Promise.all(loops);
    },
    "resumes by an unknown ID": async (count) => {
      const options = { lastEventId: "nobody's", unknownId: "start" } as const;
      const readers = this.#come(count, options).map(({ readable }) => readable.getReader());
      await Promise.all(readers.map((reader) => reader.read()));
      await Promise.all(readers.map((reader) => reader.cancel()));
    },
    "resumes deep, the store hangs": async (count) => {
      const subscribers = await this.#hang("read", count, { lastEventId: this.#deepId }, true);
      await Promise.all(subscribers.map((subscriber) => subscriber.close()));
    },
    "resumes, the store hangs in locate()": async (count) => {
      const subscribers = await this.#hang("locate", count, { lastEventId: "an ID" }, false);
      await Promise.all(subscribers.map((subscriber) => subscriber.close()));
    },
    "begins at the last events, the store hangs in seek()": async (count) => {
      const aborter = new AbortController();
      const subscribers = await this.#hang("seek", count, { start: { last: 3 }, signal: aborter.signal }, true);
      aborter.abort();
      await ended(subscribers);
    },
    "snapshot that hangs, left": async (count) => {
      const hangs = async function* (): AsyncGenerator<{ data: string }> {
        yield { data: "some" };
        yield { data: "more" };
        await new Promise(() => {});
      };
      const subscribers = this.#come(count, { snapshot: hangs });
      const loops = subscribers.map(async (subscriber) => {
        for await (const _ of subscriber) break;
      });
      await Promise.all(loops);
    },
    "snapshot that throws": async (count) => await ended(this.#fail(count, { snapshot: throws })),
    "filter that throws": async (count) => {
      const subscribers = this.#fail(count, { filter: throws });
      await this.#publish();
      await ended(subscribers);
    },
    "key that throws": async (count) => {
      const options: SubscribeOptions = { overflow: "conflate", key: throws, maxBufferedBytes: SMALL_BUFFER };
      const subscribers = Array.from({ length: count }, () => this.#broker.subscribe("shared", options));
      for (const subscriber of subscribers) attach(subscriber, new StuckSink());
      await this.#publish(FILLING);
      await ended(subscribers);
    },
    "refused": async (count) => {
      for (let i = 0; i < count; i++) {
        const n = this.#count++;
        const topics = Array.from(
          { length: n % 3 === 0 ? 100 : 2 },
          (_, i) => n % 3 === 1 ? `${n}/**/${i}` : `${n}/${i}`,
        );
        try {
          this.#broker.subscribe(topics, n % 3 === 2 ? { retry: -1 } : {});
          throw new Error("it was not refused");
        } catch (error) {
          if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
        }
      }
      await undefined;
    },
    "topics of their own, published to and counted": async (count) => {
      const subscribers = this.#come(count);
      const loops = subscribers.map((subscriber) => subscriber[Symbol.asyncIterator]());
      for (const { topics } of subscribers.slice(0, PUBLISHED_TOPICS)) await this.#broker.count(topics[0]!);
      const published = Array.from(
        { length: PUBLISHED_TOPICS },
        (_, i) => this.#broker.publish(`own/${i}`, { data: TEXT }),
      );
      await Promise.all(published);
      this.#broker.stats({ topics: true });
      for (const loop of loops) await loop.return?.();
      await ended(subscribers);
    },
    "handler's response, cancelled": async (count) => {
      const responses = await this.#answers(count, new AbortController().signal);
      const readers = responses.map(({ body }) => body!.getReader());
      await Promise.all(readers.map((reader) => reader.read()));
      await Promise.all(readers.map((reader) => reader.cancel()));
    },
    "handler's response, its request aborted": async (count) => {
      const aborter = new AbortController();
      await this.#answers(count, aborter.signal); // nobody reads them
      aborter.abort();
    },
    "event stream of a loop, cancelled": async (count) => {
      const bodies = Array.from({ length: count }, () => {
        const broker = this.#broker;
        return eventStream(async function* ({ signal }) {
          for await (const { data } of broker.subscribe("shared", { signal })) yield { data };
        }).body!.getReader();
      });
      await Promise.all(bodies.map((reader) => reader.read()));
      const more = bodies.map((reader) => reader.read());
      await turn();
      await this.#publish();
      await Promise.all(more);
      await Promise.all(bodies.map((reader) => reader.cancel()));
    },
  };

  constructor(living: Living) {
    this.#living = living;
  }

  async open(): Promise<void> {
    const ids = [];
    for (let i = 0; i < 10; i++) ids.push(await this.#hanging.publish("shared", { data: i }));
    this.#deepId = ids[0]!;
    await this.#publish(200); // the window is full
  }

  /** Fails if anybody is left. */
  async over(): Promise<void> {
    for (let i = 0; i < 100 && this.#subscribers > 0; i++) await turn();
    if (this.#subscribers > 0) throw new Error(`${this.#subscribers} subscribers are left`);
    const { topics } = this.#broker.stats({ topics: true });
    if (topics!.size > 0) throw new Error(`topics are left: ${[...topics!.keys()].slice(0, 5)}`);
    for (const name of ["**", "shared"]) {
      const count = await this.#broker.count(name);
      if (count > 0) throw new Error(`presence counts ${count} at ${name}`);
    }
  }

  async close(): Promise<void> {
    await this.#broker.close();
    this.#store.hang(undefined);
    await this.#hanging.close();
  }

  get #subscribers(): number {
    return this.#broker.stats().subscribers + this.#hanging.stats().subscribers;
  }

  #come(count: number, options: SubscribeOptions = {}): Subscriber[] {
    return Array.from({ length: count }, () => this.#subscribe(options));
  }

  /** A subscriber of topics and patterns of its own, and of one that all have; with options in rotation. */
  #subscribe(options: SubscribeOptions = {}): Subscriber {
    const n = this.#count++;
    const topics = [`${n}/own`, `${n}/*/${n}`, `*/${n}/**`, `own/${n % PUBLISHED_TOPICS}`, "shared"];
    const overflow = OVERFLOWS[n % OVERFLOWS.length]!;
    const resumes = options.lastEventId !== undefined;
    return this.#broker.subscribe(topics, {
      overflow,
      ...(overflow === "conflate" && n % 3 === 0 && { key: ({ type }) => `${type} ${n}` }),
      ...(n % 5 === 0 && { filter: () => n >= 0 }),
      ...(n % 7 === 0 && !resumes && { snapshot: () => [{ data: `state ${n}` }] }),
      ...(n % 2 === 0 && { signal: this.#lasting.signal }),
      checkpoints: n % 3 > 0,
      ...options,
    });
  }

  /** Subscribers whose filter or the like fails, being read. */
  #fail(count: number, options: SubscribeOptions): Subscriber[] {
    return Array.from({ length: count }, () => {
      const subscriber = this.#broker.subscribe(["shared", `${this.#count++}/own`], options);
      attach(subscriber, new TakingSink());
      return subscriber;
    });
  }

  async #hang(
    call: "read" | "locate" | "seek",
    count: number,
    options: SubscribeOptions,
    isRead: boolean,
  ): Promise<Subscriber[]> {
    this.#store.hang(call);
    const asked = this.#store.asked();
    const subscribers = Array.from({ length: count }, () => {
      const subscriber = this.#hanging.subscribe(["shared", `${this.#count++}/own`], options);
      if (isRead) attach(subscriber, new TakingSink());
      return subscriber;
    });
    await asked;
    return subscribers;
  }

  async #answers(count: number, signal: AbortSignal): Promise<Response[]> {
    return await Promise.all(Array.from({ length: count }, async () => {
      const request = new Request("http://localhost/", { signal });
      const response = await this.#handler(request);
      this.#living.watch("requests", request);
      this.#living.watch("responses", response);
      return response;
    }));
  }

  /** @returns The last event's ID. */
  async #publish(count = 1): Promise<string> {
    let id = "";
    for (let i = 0; i < count; i++) {
      id = await this.#broker.publish("shared", { data: TEXT });
      await turn();
    }
    return id;
  }
}

async function ended(subscribers: readonly Subscriber[]): Promise<void> {
  await Promise.all(subscribers.map(({ closed }) => closed));
}

function throws(): never {
  throw new Error("on purpose");
}

/** @returns Says that nobody reads any more. */
function attach(subscriber: Subscriber, sink: Sink): () => void {
  let leave = (): void => {};
  subscriber.attach((onLeave) => {
    leave = onLeave;
    return sink;
  });
  return () => leave();
}

class TakingSink implements Sink {
  readonly bufferedBytes = 0;
  write(): void {}
  onceDrained(callback: () => void): void {
    queueMicrotask(callback);
  }
  end(): void {}
  abort(): void {}
}

class ThrowingSink extends TakingSink {
  override write(): never {
    throw new Error("nobody reads");
  }
}

/** Takes everything, and sends nothing until it is drained. */
class StuckSink implements Sink {
  bufferedBytes = 0;
  #drained: (() => void) | undefined;
  write({ bytes }: Parameters<Sink["write"]>[0]): void {
    this.bufferedBytes += bytes.length;
  }
  onceDrained(callback: () => void): void {
    this.#drained = callback;
  }
  drain(): void {
    this.bufferedBytes = 0;
    this.#drained?.();
  }
  end(): void {}
  abort(): void {}
}
