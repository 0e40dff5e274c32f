import {
  Broker,
  createHandler,
  MemoryReplayStore,
  type Publication,
  SseError,
  type Subscriber,
  subscriberOf,
} from "../../mod.ts";
import type { ServeInfo, Server } from "../../src/server/serve_options.ts";
import { serve } from "../support/runtime.ts";
import type { Choices } from "./choices.ts";
import { Client, type ClientHost } from "./client.ts";
import { type DeedHost, Deeds, type Place } from "./deeds.ts";
import { FaultyStore } from "./faulty_store.ts";
import { Injected, isExpected } from "./injected.ts";
import { later, settles, wait } from "./own_timers.ts";
import { PublishedLog } from "./published_log.ts";
import { LAST, TOPICS, wishes } from "./wishes.ts";

/** How long may take what has a bound of a second or two: generous ten times over. */
export const PATIENCE_MS = 20_000;
/** What a store may answer a publisher with. */
const REFUSALS = ["backend-failed", "publish-uncertain", "broker-closed", "id-taken", "too-many-pending"];
/** How much a run publishes at most, in bytes. */
const MOST_BYTES = 6_000_000;

/** What there is in a run: a store, a broker on it, a server, clients; and what became of them. */
export class Scene implements ClientHost, DeedHost {
  readonly choices: Choices;
  readonly clients: Client[] = [];
  readonly log: PublishedLog;
  readonly failures: string[] = [];
  readonly steps: string[] = [];
  /** How many subscribers ended, by reason. */
  readonly ends: Record<string, number> = {};
  broker!: Broker;
  store!: FaultyStore;
  server!: Server;
  /** Whether clients come back no more. */
  isOver = false;

  /** What a client may hold, in bytes, more or less: events are as large as three times this. */
  readonly #budget: number;
  readonly #memory: MemoryReplayStore;
  readonly #stores: FaultyStore[] = [];
  readonly #brokers: Broker[] = [];
  readonly #deeds: Deeds;
  readonly #kept: Subscriber[] = [];
  /** Of responses that nobody reads: they end by themselves. */
  readonly #unread: Subscriber[] = [];
  readonly #closings: Promise<void>[] = [];
  readonly #publishing = new Set<Promise<void>>();
  readonly #calm = Promise.withResolvers<void>();
  readonly #began = performance.now();
  #published = 0;
  #bytes = 0;
  #largest = 0;
  #again: readonly [topics: readonly string[], event: Publication] | undefined;

  constructor(choices: Choices) {
    this.choices = choices;
    this.#budget = choices.pick([300, 2_000, 8_000, 65_536]);
    const maxEvents = choices.pick([8, 60, 600, Infinity]);
    this.#memory = new MemoryReplayStore({ maxEvents });
    this.log = new PublishedLog(this.#memory, maxEvents);
    this.#deeds = new Deeds(this, choices.fork("deeds"), 25);
    this.say(`a budget of ${this.#budget} bytes, ${maxEvents} events retained`);
    this.openBroker();
  }

  get url(): string {
    return this.server.url;
  }

  get handed(): number {
    return this.store.handed;
  }

  isLossy(): boolean {
    return this.#stores.some(({ isLossy }) => isLossy);
  }

  say(what: string): void {
    this.steps.push(`${(performance.now() - this.#began).toFixed(1).padStart(8)} ms  ${what}`);
  }

  fail(what: string): void {
    this.say(`FAILED: ${what}`);
    this.failures.push(what);
  }

  deed(place: Place, self: Client | undefined): void {
    this.#deeds.perhaps(place, self);
  }

  hang(): Promise<void> {
    return this.#calm.promise;
  }

  keep(subscribe: () => Subscriber): void {
    try {
      this.#kept.push(subscribe());
    } catch (error) {
      if (!(error instanceof SseError && error.code === "broker-closed")) throw error;
    }
  }

  openBroker(): void {
    const { choices } = this;
    this.store = new FaultyStore(this.#memory, choices.fork(`store ${this.#stores.length}`));
    this.#stores.push(this.store);
    this.broker = new Broker({
      store: this.store,
      windowBytes: choices.pick([0, this.#budget * 3, 1 << 22]),
      heartbeat: choices.pick([0, 3, 50, 8_000]),
      writeTimeout: choices.pick([0, 40, 60_000, 60_000]),
      onSubscribe: () => this.deed("onSubscribe", undefined),
      onPublish: () => this.deed("onPublish", undefined),
      onGap: (subscriber) => this.deed("onGap", this.clients.find((client) => client.subscriber === subscriber)),
      onUnsubscribe: (_, reason) => {
        this.ends[reason] = (this.ends[reason] ?? 0) + 1;
        this.deed("onUnsubscribe", undefined);
      },
      onError: (error) => {
        if (!isExpected(error)) this.fail(`reported: ${told(error)}`);
        this.deed("onError", undefined);
      },
    });
    this.#brokers.push(this.broker);
  }

  async openServer(): Promise<void> {
    this.server = await serve((request, info) => this.#answer(request, info), {
      port: 0,
      closeTimeout: this.choices.integer(50, 300),
      onError: (error) => {
        if (!isExpected(error)) this.fail(`the server reports: ${told(error)}`);
        return undefined;
      },
    });
    this.say(`a server at ${this.url}`);
  }

  addClient(): void {
    const index = this.clients.length;
    const choices = this.choices.fork(`client ${index}`);
    const client = new Client(this, index, wishes(choices, this.#budget), choices);
    this.clients.push(client);
    client.connect();
  }

  /** Another broker on the same store takes over; the one that was there closes. */
  restartBroker(): void {
    const { broker, store } = this;
    this.openBroker();
    this.say("the broker closes, another takes over");
    later(30, () => store.calm());
    this.#closings.push(this.inTime("broker.close()", broker.close({ reason: "restart" })));
  }

  /** Another server takes over; the one that was there closes. */
  async restartServer(): Promise<void> {
    const { server } = this;
    await this.openServer();
    this.say("the server closes, another takes over");
    this.#closings.push(this.inTime("server.close()", server.close()));
  }

  publish(): void {
    const { choices } = this;
    const number = this.#published++;
    if (this.#again !== undefined && choices.chance(0.04)) return this.#publish(...this.#again, true);
    const topics = [choices.pick(TOPICS), choices.pick(TOPICS)].slice(choices.integer(0, 1));
    const sized = this.#bytes < MOST_BYTES ? choices.weighted({ small: 7, middle: 2, large: 1 }) : "small";
    const size = choices.integer(0, { small: 60, middle: this.#budget, large: this.#budget * 3 }[sized]);
    const id = choices.chance(0.15)
      ? `pool-${choices.integer(0, 5)}`
      : choices.chance(0.15)
      ? `own-${number}`
      : undefined;
    const data = `${number}: ${choices.chance(0.1) ? "ü\n🌍" : ""}${"x".repeat(size)}`;
    this.#publish(topics, { data, id, event: choices.chance(0.2) ? "other" : undefined }, false);
  }

  /** Publishes, in one turn, more than a broker holds for those it has not come to yet: over 4 MiB. */
  flood(): void {
    for (let left = 60; left > 0; left--) {
      const data = `${this.#published++}: ${"x".repeat(80_000)}`;
      this.#publish([this.choices.pick(TOPICS)], { data }, false);
    }
  }

  /** Publishes what ends a run: to everybody. */
  publishLast(): void {
    this.#publish(TOPICS, { data: `${this.#published++}: ${LAST}`, event: LAST }, false);
  }

  /** Keeps a response that nobody reads. */
  keepUnread(): void {
    const openTimeout = this.choices.integer(1, 60);
    const aborter = new AbortController();
    this.say(`a response that nobody reads within ${openTimeout} ms`);
    const snapshot = (): Promise<never[]> => this.hang().then(() => []);
    const handler = createHandler(this.broker, { topics: "**", openTimeout, snapshot });
    void handler(new Request("http://localhost/", { signal: aborter.signal })).then((response) => {
      const subscriber = subscriberOf(response);
      if (subscriber !== undefined) this.#unread.push(subscriber);
    });
    if (this.choices.chance(0.3)) later(this.choices.integer(0, openTimeout), () => aborter.abort());
  }

  /** Looks at what must hold at any time. */
  check(): void {
    for (const client of this.clients) {
      const { subscriber, wishes: { options: { maxBufferedBytes = Infinity } } } = client;
      const { bufferedBytes = 0 } = subscriber?.stats() ?? {};
      // One event may be larger, the newest is not dropped for one that is being sent, and there are notices
      const most = Math.max(maxBufferedBytes, this.#largest) + this.#largest + 4_096;
      if (bufferedBytes > most) this.fail(`${client.status}: holds ${bufferedBytes} bytes of ${maxBufferedBytes}`);
    }
  }

  /** From now on nothing fails and nothing hangs. */
  calm(): void {
    this.say("all calms down");
    this.#deeds.stop();
    this.#calm.resolve();
    for (const store of this.#stores) store.calm();
  }

  /** Ends what a run has kept, and what it has begun to close. */
  async letGo(): Promise<void> {
    for (const { closed } of this.#unread) await this.inTime("the end of a response that nobody reads", closed);
    await Promise.all(this.#kept.map((kept) => this.inTime("a kept subscriber's close", kept.close())));
    await Promise.all(this.#closings);
  }

  /** Brokers whose store hangs must close as well: the one that there is, and one that has not even begun. */
  async closeWhileStoreHangs(): Promise<void> {
    this.say("the store hangs for good");
    const { broker, store } = this;
    store.hang();
    this.publish();
    this.keep(() => broker.subscribe("a", { start: "all" }));
    await this.inTime("broker.close() while the store hangs", broker.close());
    const other = new FaultyStore(this.#memory, this.choices.fork("a store that hangs"));
    other.hang();
    const waiting = new Broker({ store: other, onError: () => {} });
    waiting.subscribe("a");
    waiting.publish("a", { data: "nobody gets this" }).catch(() => {});
    await this.inTime("broker.close() before the store has answered", waiting.close());
    store.calm();
    other.calm();
  }

  /** Everything has been closed: what is left is too much. */
  async checkNothingIsLeft(): Promise<void> {
    await this.inTime("publishing", Promise.all(this.#publishing));
    for (const broker of this.#brokers) {
      const { subscribers } = broker.stats();
      if (subscribers > 0) this.fail(`a broker that has been closed has ${subscribers} subscribers`);
    }
    await this.#memory.close();
  }

  async inTime(what: string, promise: Promise<unknown>): Promise<void> {
    const caught = promise.catch((error) => this.fail(`${what} rejected: ${told(error)}`));
    if (!await settles(caught, PATIENCE_MS)) this.fail(`${what} did not end in ${PATIENCE_MS} ms`);
  }

  #publish(topics: readonly string[], event: Publication, isAgain: boolean): void {
    const { data, id } = event as { data: string; id?: string };
    this.#bytes += data.length;
    this.#largest = Math.max(this.#largest, data.length + 600);
    if (id !== undefined) this.#again = [topics, event];
    const isStored = (): boolean => this.log.events.some((stored) => stored.data === data);
    const publishing = this.broker.publish(topics, event).then(
      (given) => {
        if (id === undefined ? !isStored() : given !== id) {
          this.fail(`published as ${given}, but not: ${data.slice(0, 20)}`);
        }
      },
      (error) => {
        if (!(error instanceof SseError) || !REFUSALS.includes(error.code)) {
          return this.fail(`publishing: ${told(error)}`);
        }
        if (error.code === "backend-failed" && !isAgain && isStored()) {
          this.fail(`refused, but published all the same: ${data.slice(0, 20)}`);
        }
      },
    ).finally(() => this.#publishing.delete(publishing));
    this.#publishing.add(publishing);
  }

  async #answer(request: Request, info: ServeInfo): Promise<Response> {
    const [, index, number] = /\/client\/(\d+)\/(\d+)$/.exec(new URL(request.url).pathname) ?? [];
    const client = this.clients[Number(index)];
    if (client !== undefined) return await client.answer(request, Number(number), info);
    if (request.url.endsWith("/stranger")) return await createHandler(this.broker, { topics: "**" })(request, info);
    await wait(0);
    if (request.url.endsWith("/throws")) throw new Injected("the handler throws");
    return new Response("nothing here", { status: 404 });
  }
}

function told(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}
