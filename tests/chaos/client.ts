import {
  type Broker,
  createHandler,
  type EventFields,
  eventStream,
  lastEventIdOf,
  type SubscribeOptions,
  type Subscriber,
  subscriberOf,
} from "../../mod.ts";
import type { ServeInfo } from "../../src/server/serve_options.ts";
import { type Channel, type ChannelHandlers, type Leaving, openSocket, readLoop, readResponse } from "./channel.ts";
import type { Choices } from "./choices.ts";
import { type Begin, ClientModel } from "./client_model.ts";
import { later, wait } from "./own_timers.ts";
import type { Place } from "./deeds.ts";
import type { PublishedLog } from "./published_log.ts";
import type { Wishes } from "./wishes.ts";

/** What a client needs of the run that it is part of. */
export interface ClientHost {
  readonly broker: Broker;
  readonly log: PublishedLog;
  readonly url: string;
  readonly isOver: boolean;
  /** What the broker's tail has handed over. */
  readonly handed: number;
  isLossy(): boolean;
  say(what: string): void;
  fail(what: string): void;
  /** Perhaps does something that a callback of an application may do. */
  deed(place: Place, self: Client | undefined): void;
  /** Resolves when the run ends: what hangs then goes on. */
  hang(): Promise<void>;
}

/** One client's connection as its server knows it. */
interface Connection {
  begin: Begin | undefined;
  subscriber: Subscriber | undefined;
  readonly aborter: AbortController;
}

/** A client over all its connections: what it does, what is done for it, and the model that watches. */
export class Client {
  readonly name: string;
  readonly wishes: Wishes;
  readonly model: ClientModel;
  channel: Channel | undefined;
  isStalled = false;

  readonly #host: ClientHost;
  readonly #choices: Choices;
  readonly #connections: Connection[] = [];
  readonly #closed: Promise<void>[] = [];
  #isAnswered = true;

  constructor(host: ClientHost, index: number, wishes: Wishes, choices: Choices) {
    this.name = `client ${index}`;
    this.wishes = wishes;
    this.#host = host;
    this.#choices = choices;
    this.model = new ClientModel(host.log, wishes, () => host.isLossy());
  }

  /** Its newest subscriber, perhaps an ended one. */
  get subscriber(): Subscriber | undefined {
    return this.#connections.at(-1)?.subscriber;
  }

  /** Whether it has no connection, and is not about to get one. */
  get isAway(): boolean {
    return this.channel === undefined && this.#isAnswered;
  }

  /** How many connections it has had. */
  get connections(): number {
    return this.#connections.length;
  }

  get status(): string {
    return `${this.name} (${this.wishes.way}, ${this.wishes.overflow}, ${this.wishes.topics}): ${this.model}; ` +
      `connection ${this.#connections.length}, ${
        this.channel === undefined ? "away" : this.isStalled ? "stalled" : "reads"
      }`;
  }

  connect(): void {
    const connection: Connection = { begin: undefined, subscriber: undefined, aborter: new AbortController() };
    const number = this.#connections.push(connection) - 1;
    this.isStalled = false;
    const { lastEventId } = this.model;
    this.#host.say(`${this.name} connects with "${lastEventId}"`);
    this.model.connect(() => {
      if (connection.begin === undefined) throw new Error("something came before it had subscribed");
      return connection.begin;
    });
    const handlers: ChannelHandlers = {
      onBlock: (block) => this.model.take(block),
      onEnd: (status) => this.#onEnd(connection, status),
      onBroken: (error) => this.#host.fail(`${this.status}: ${error instanceof Error ? error.message : error}`),
    };
    const { way } = this.wishes;
    const sent = lastEventId === "" ? [] : [`last-event-id: ${lastEventId}`];
    const url = `${this.#host.url}${this.name.replace(" ", "/")}/${number}`;
    if (way === "response in process") void this.#readInProcess(url, sent, handlers);
    else if (way === "loop in process") {
      const { signal } = connection.aborter;
      const subscriber = this.#subscribe(connection, { lastEventId, signal });
      if (subscriber === undefined) return later(1, () => this.#onEnd(connection, 503));
      this.#hold(readLoop(subscriber[Symbol.asyncIterator](), handlers));
    } else {
      this.#hold(
        openSocket(url, way === "handler, HTTP/1.0" ? "1.0" : "1.1", this.#choices.chance(0.3), sent, handlers),
      );
    }
  }

  leave(how: Leaving): void {
    if (this.wishes.way.endsWith("in process")) how = "destroy"; // it has no socket
    this.#host.say(`${this.name} leaves: ${how}`);
    const { channel } = this;
    if (how !== "half-close") this.channel = undefined;
    channel?.leave(how);
  }

  stall(): void {
    this.isStalled = true;
    this.channel?.stall();
  }

  resume(): void {
    this.isStalled = false;
    this.channel?.resume();
  }

  /** Ends it from the server's side, as a signal does. */
  abort(): void {
    this.#connections.at(-1)?.aborter.abort();
  }

  /** Resolves when nothing is left of any of its connections. */
  async closed(): Promise<void> {
    await Promise.all(this.#closed);
  }

  /** What its server answers. */
  async answer(request: Request, number: number, info?: ServeInfo): Promise<Response> {
    const connection = this.#connections[number]!;
    const { signal } = connection.aborter;
    const lastEventId = lastEventIdOf(request);
    if (this.wishes.way === "readable") {
      const subscriber = this.#subscribe(connection, { lastEventId, signal });
      if (subscriber === undefined) return new Response("closing", { status: 503 });
      return new Response(subscriber.readable, { headers: { "content-type": "text/event-stream" } });
    }
    if (this.wishes.way === "event stream") {
      return eventStream(async ({ send, signal: left }) => {
        const subscriber = this.#subscribe(connection, { lastEventId, signal: AbortSignal.any([signal, left]) });
        if (subscriber === undefined) return;
        for await (const { type, id, data } of subscriber) {
          await send({ id: id === "" ? undefined : id, event: type === "message" ? undefined : type, data });
        }
      }, { heartbeat: 20 });
    }
    const { handed } = this.#host;
    const isSlow = this.#choices.chance(0.1);
    const response = await createHandler(this.#host.broker, {
      ...this.wishes.options,
      ...this.#callbacks(),
      patterns: true,
      topics: isSlow ? () => wait(1).then(() => this.wishes.topics) : this.wishes.topics,
    })(request, info);
    connection.subscriber = subscriberOf(response);
    connection.begin = { handed, end: this.#host.log.end };
    return response;
  }

  #subscribe(connection: Connection, options: SubscribeOptions): Subscriber | undefined {
    const { handed, broker, log } = this.#host;
    const { topics, options: own } = this.wishes;
    try {
      connection.subscriber = broker.subscribe(topics, { ...own, ...this.#callbacks(), ...options });
    } catch (error) {
      this.#host.say(`${this.name} is refused: ${error}`);
      return undefined;
    }
    connection.begin = { handed, end: log.end };
    return connection.subscriber;
  }

  #callbacks(): Pick<SubscribeOptions, "filter" | "key" | "snapshot"> {
    const { filters, keys, stateEvents, wants, key } = this.wishes;
    return {
      ...(filters && {
        filter: (delivery) => {
          this.#host.deed("filter", this);
          return wants(delivery);
        },
      }),
      ...(keys && {
        key: (delivery) => {
          this.#host.deed("key", this);
          return key(delivery);
        },
      }),
      ...(stateEvents > 0 && { snapshot: (why) => this.#snapshot(why) }),
    };
  }

  #snapshot(why: "start" | "gap"): Iterable<EventFields> | AsyncIterable<EventFields> {
    const asOf = this.#host.log.end;
    const { stateEvents, slowState } = this.wishes;
    this.#host.deed("snapshot", this);
    const states = Array.from(
      { length: stateEvents },
      (_, index): EventFields => ({ event: "state", data: JSON.stringify({ why, index, asOf }) }),
    );
    const host = this.#host;
    const { stall, late } = { stall: this.#choices.chance(0.1), late: this.#choices.integer(0, 4) };
    const deed = (): void => host.deed("snapshot", this);
    if (!slowState) return states;
    return (async function* () {
      for (const state of states) {
        deed();
        if (late > 2) await wait(late);
        yield state;
        if (stall) await host.hang();
      }
    })();
  }

  async #readInProcess(url: string, sent: readonly string[], handlers: ChannelHandlers): Promise<void> {
    const headers = new Headers(sent.map((line) => line.split(": ", 2) as [string, string]));
    const number = this.#connections.length - 1;
    this.#isAnswered = false;
    const response = await this.answer(new Request(url, { headers }), number);
    this.#isAnswered = true;
    if (number === this.#connections.length - 1) this.#hold(readResponse(response, handlers));
    else await response.body?.cancel(); // it has left meanwhile
  }

  #hold(channel: Channel): void {
    this.channel = channel;
    this.#closed.push(channel.closed);
  }

  #onEnd(connection: Connection, status: number): void {
    if (connection !== this.#connections.at(-1)) return;
    this.channel = undefined;
    this.#host.say(`${this.name}'s connection has ended, with ${status}`);
    if (![0, 200, 503].includes(status)) this.#host.fail(`${this.status}: answered with ${status}`);
    if (this.wishes.returns && !this.#host.isOver && this.#connections.length < 40) {
      later(1, () => this.isAway && this.connect());
    }
  }
}
