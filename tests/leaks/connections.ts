import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import readline from "node:readline";
import { Broker, createHandler, eventStream, type HandlerOptions, MemoryReplayStore } from "../../mod.ts";
import type { ServeHandler, Server } from "../../src/server/serve_options.ts";
import { wait } from "../chaos/own_timers.ts";
import { runtimeFlags, serve } from "../support/runtime.ts";
import type { ClientOrder, Leaving } from "./client_order.ts";
import { turn } from "./heap.ts";
import type { Coming } from "./coming.ts";
import type { Living } from "./living.ts";

/** Servers: an address has 28,232 ports for its clients, each of which a closed connection holds for a minute. */
const SERVERS = 4;
/** So many events of such a text are more than the buffers of a connection hold: a part of them waits in the server. */
const LARGE = { events: 48, text: "x".repeat(1 << 16) };
/** How long something that must come may take, in milliseconds: ten times what a busy machine takes. */
const LATE_MS = 60_000;

/** One way in which connections come and go. */
interface Way {
  readonly handler: ServeHandler;
  readonly text: string;
  readonly until: ClientOrder["until"];
  readonly stalls?: boolean;
  readonly leaves: Leaving;
  /** How many subscribers there are for each connection, once all clients are ready. */
  readonly subscribers: number;
  /** What the server does then, and when the clients have been told to leave. */
  readonly does?: "kick" | "publish" | "kick when they leave";
}

/** Connections that come and go in every way, at servers that stay. The clients are another process. */
export class Connections implements Coming {
  readonly #living: Living;
  readonly #broker = new Broker({
    store: new MemoryReplayStore({ retention: "none" }),
    windowBytes: 4_096,
    onSubscribe: (subscriber) => {
      this.#living.watch("subscribers", subscriber);
      this.#kicks.add(() => void subscriber.close("kicked"));
    },
    onError: () => {}, // some ways end by an error
  });
  readonly #kicks = new Set<() => void>();
  readonly #ways = this.#makeWays();
  readonly #servers: Server[] = [];
  #handler: ServeHandler = () => new Response(null, { status: 404 });
  #clients: ChildProcess | undefined;
  #answers: AsyncIterator<string> | undefined;

  readonly ways: Coming["ways"] = Object.fromEntries(
    Object.entries(this.#ways).map(([name, way]) => [name, (count) => this.#come(way, count)]),
  );

  constructor(living: Living) {
    this.#living = living;
  }

  async open(): Promise<void> {
    const handler: ServeHandler = async (request, info) => {
      this.#living.watch("requests", request);
      const response = await this.#handler(request, info);
      this.#living.watch("responses", response);
      return response;
    };
    const onError = (): Response => new Response("It failed", { status: 500 });
    for (let i = 0; i < SERVERS; i++) this.#servers.push(await serve(handler, { port: 0, onError }));
    const child = spawn(process.execPath, [...runtimeFlags, "tests/leaks/clients.ts"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#clients = child;
    this.#answers = readline.createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  async over(): Promise<void> {
    await this.#comeTrue("nobody is left", () => this.#broker.stats().subscribers === 0);
    this.#kicks.clear();
  }

  async close(): Promise<void> {
    const gone = new Promise((resolve) => this.#clients!.once("close", resolve));
    this.#clients!.stdin!.end();
    await gone;
    await this.#broker.close();
    await Promise.all(this.#servers.map((server) => server.close()));
  }

  async #come(way: Way, count: number): Promise<void> {
    const { handler, text, until, stalls = false, leaves, subscribers, does } = way;
    this.#handler = handler;
    const ports = this.#servers.map(({ url }) => Number(new URL(url).port));
    await this.#ask(JSON.stringify({ ports, count, text, until, stalls, leaves } satisfies ClientOrder), "ready");
    await this.#comeTrue("all have come", () => this.#broker.stats().subscribers >= subscribers * count);
    if (does === "kick") this.#kick();
    for (let i = 0; does === "publish" && i < LARGE.events; i++) {
      await this.#broker.publish("shared", { data: LARGE.text });
      await turn(); // each is a write of its own
    }
    const gone = this.#ask("leave", "gone");
    if (does === "kick when they leave") this.#kick();
    await gone;
  }

  #kick(): void {
    for (const kick of this.#kicks) kick();
  }

  async #ask(order: string, answer: string): Promise<void> {
    this.#clients!.stdin!.write(`${order}\n`);
    const late = setTimeout(() => {
      console.log(`The clients do not answer ${answer} to ${order.slice(0, 300)}`);
      process.exit(1);
    }, LATE_MS);
    const { value } = await this.#answers!.next();
    clearTimeout(late);
    if (value !== answer) throw new Error(`The clients answer ${value} to ${order}`);
  }

  async #comeTrue(what: string, isSo: () => boolean): Promise<void> {
    for (const end = Date.now() + LATE_MS; !isSo(); await wait(1)) {
      if (Date.now() > end) throw new Error(`It does not come true that ${what}: ${this.#broker.stats().subscribers}`);
    }
  }

  #makeWays(): Record<string, Way> {
    const broker = this.#broker;
    const handler = (options: Partial<HandlerOptions> = {}): ServeHandler =>
      createHandler(broker, { topics: ["shared", "some/**"], ...options });
    const stream = handler({ maxStreams: 1_000_000 });
    const opens = { handler: stream, text: request(), until: "data", leaves: "destroy", subscribers: 1 } as const;
    const unread = handler({ openTimeout: 20 });
    const refuses = { ...opens, subscribers: 0 } as const;
    return {
      "leaves": opens,
      "resets": { ...opens, leaves: "reset" },
      "half-closes": { ...opens, leaves: "half-close", does: "kick when they leave" },
      "kicked, closed by the server": {
        ...opens,
        text: request("GET / HTTP/1.1", "connection: close"),
        leaves: "wait",
        does: "kick",
      },
      "kicked, kept alive, leaves": { ...opens, does: "kick" },
      "kicked while it resets": { ...opens, leaves: "reset", does: "kick when they leave" },
      "never reads, leaves": { ...opens, until: "sent", stalls: true, does: "publish" },
      "never reads, resets": { ...opens, until: "sent", stalls: true, does: "publish", leaves: "reset" },
      "HTTP/1.0, leaves": { ...opens, text: request("GET / HTTP/1.0") },
      "HTTP/1.0, kicked": { ...opens, text: request("GET / HTTP/1.0"), leaves: "wait", does: "kick" },
      // Bun ends a stream whose client sends another request meanwhile
      "pipelined": { ...refuses, text: request("HEAD / HTTP/1.1") + request() + request(), does: "kick" },
      "resumes by an unknown ID": { ...opens, text: request("GET / HTTP/1.1", "last-event-id: nobody's") },
      "with a filter and a snapshot": {
        ...opens,
        handler: handler({ filter: (_, { url }) => url !== "", snapshot: () => [{ data: "state" }] }),
      },
      "snapshot that hangs": {
        ...opens,
        handler: handler({
          snapshot: async function* () {
            yield { data: "some" };
            yield { data: "more" };
            await new Promise(() => {});
          },
        }),
      },
      "wrapped by middleware": {
        ...opens,
        handler: async (request, info) => new Response((await stream(request, info)).body),
      },
      "cloned by middleware": {
        ...opens,
        handler: async (request, info) => {
          const response = await stream(request, info);
          return response.clone(); // its other half is never read
        },
      },
      "ended by the request's signal": {
        ...opens,
        handler: ({ signal }) =>
          new Response(broker.subscribe("shared", { signal }).readable, {
            headers: { "content-type": "text/event-stream" },
          }),
      },
      "event stream of a loop": {
        ...opens,
        handler: () =>
          eventStream(async function* ({ signal }) {
            yield { data: "first" };
            for await (const { data } of broker.subscribe("shared", { signal })) yield { data };
          }),
      },
      "event stream that ends": {
        ...refuses,
        handler: () => eventStream(async ({ send }) => await send({ data: "all" })),
      },
      "event stream that fails, and says so": {
        ...refuses,
        handler: () =>
          eventStream(() => Promise.reject(new Error("on purpose")), { onError: () => ({ data: "sorry" }) }),
      },
      "HEAD": { ...refuses, text: request("HEAD / HTTP/1.1") },
      "POST with a body": {
        ...opens,
        text: `${request("POST / HTTP/1.1", "content-length: 5")}topic`,
        handler: handler({ methods: ["POST"], topics: async (request) => [await request.text()] }),
      },
      "POST with a body that nobody reads": {
        ...refuses,
        text: `${request("POST / HTTP/1.1", "content-length: 100000")}${"x".repeat(100_000)}`,
      },
      "refused: full": { ...refuses, handler: handler({ maxStreams: 0 }) },
      "refused: full, told to retry": { ...refuses, handler: handler({ maxStreams: 0, whenFull: "retry" }) },
      "refused: 400": { ...refuses, handler: handler({ topics: () => "a/../b" }) },
      "refused: 406": { ...refuses, text: request("GET / HTTP/1.1", "accept: text/html") },
      "refused: 403": { ...refuses, handler: handler({ authorize: () => false }) },
      "refused: 204, gone": { ...refuses, handler: handler({ gone: () => true }) },
      "handler that throws": {
        ...refuses,
        handler: () => {
          throw new Error("on purpose");
        },
      },
      "response that nobody reads": {
        ...refuses,
        handler: async (request, info) => {
          await unread(request, info);
          return new Response("another");
        },
      },
      "leaves in the middle of the request": { ...refuses, text: "GET / HTTP/1.1\r\nhost: a", until: "sent" },
      "nonsense": { ...refuses, text: "\u0016\u0003\u0001 nonsense\r\n\r\n", until: "sent" },
      "sends nothing": { ...refuses, text: "", until: "sent" },
    };
  }
}

/** A request as text; its host is always the same. */
function request(line = "GET / HTTP/1.1", ...headers: readonly string[]): string {
  return [line, "host: localhost", ...headers, "", ""].join("\r\n");
}
