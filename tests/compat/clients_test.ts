import { assert, assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Broker, createHandler, type Subscriber } from "../../mod.ts";
import { python } from "../support/python.ts";
import { serve } from "../support/runtime.ts";
import { type Client, clients, REFUSAL_MS } from "./clients.ts";

const one = 'message {"n":1}';
const two = 'news {"n":2}';
const close = 'close {"reason":"kicked"}';
const bye = 'message {"n":"bye"}';

/**
 * All that an application sees: the stream opens, is idle, brings an event, is idle, brings another, is idle, and is ended
 * with a notice; it comes back, is refused, comes back again, and reads the last event after some idle time. A
 * checkpoint or an error that comes more than once in a row stands here once.
 */
interface Expected {
  /** With `checkpoints: false`. */
  readonly off: readonly string[];
  /** With checkpoints. */
  readonly on: readonly string[];
  /** Whether it comes back by itself: then it waits as long as the refusal says. */
  readonly comesBack?: boolean;
}

const byTheStandard: Expected = { off: [one, two, close, bye], on: [one, two, close, bye], comesBack: true };
const told = ["retry 1", one, two, close, "retry long", "retry 1", bye];
/** They hand over each block, with or without data: a checkpoint, and the refusal's `retry`. */
const blocks: Expected = {
  off: [`${one}, retry 1`, two, close, "message , retry long", `${bye}, retry 1`],
  on: [
    ...["checkpoint , retry 1", "checkpoint ", one, "checkpoint ", two, "checkpoint ", close],
    ...["message , retry long", "checkpoint , retry 1", "checkpoint ", bye],
  ],
};

const expected: Readonly<Record<string, Expected>> = {
  "eventsource 5": byTheStandard,
  "undici": byTheStandard,
  "eventsource-parser 3": { off: told, on: told },
  "eventsource-parser 4": { off: told, on: told },
  "@microsoft/fetch-event-source": { ...blocks, comesBack: true },
  "@std/http": {
    off: [`${one}, retry 1`, two, close, "message undefined, retry long", `${bye}, retry 1`],
    on: [
      ...["checkpoint undefined, retry 1", "checkpoint undefined", one, "checkpoint undefined", two],
      ...["checkpoint undefined", close, "message undefined, retry long"],
      ...["checkpoint undefined, retry 1", "checkpoint undefined", bye],
    ],
  },
  "httpx-sse (Python)": blocks,
  // The SDKs read the data of every block as JSON, and tell no types
  "openai": {
    off: ['{"n":1}', '{"n":2}', '{"reason":"kicked"}', '{"n":"bye"}'],
    on: ["error SyntaxError"], // nothing at the refusal
  },
  "openai (Python)": {
    off: ['{"n":1}', '{"n":2}', '{"reason":"kicked"}', "error JSONDecodeError", '{"n":"bye"}'],
    on: ["error JSONDecodeError"],
  },
};

const runPython = python("httpx==0.28.1", "httpx-sse==0.4.3", "openai==3.57.0");
const all: Record<string, Client> = { ...clients };
for (const name of ["httpx-sse", "openai"]) {
  all[`${name} (Python)`] = async (url, see) => {
    assert(typeof runPython !== "string");
    const lines = await runPython(fileURLToPath(new URL("clients.py", import.meta.url)), name, url);
    for (const line of lines.split("\n").slice(0, -1)) see(JSON.parse(line));
  };
}

describe("An application sees of Freshet's streams, by a client of others", () => {
  for (const [name, { off, on, comesBack = false }] of Object.entries(expected)) {
    const skip = name.endsWith("(Python)") && typeof runPython === "string" && runPython;
    it(`${name}, without checkpoints`, { skip, timeout: 60_000 }, async () => {
      assertEquals(await play(all[name]!, false, comesBack), off);
    });
    it(`${name}, with checkpoints`, { skip, timeout: 60_000 }, async () => {
      assertEquals(await play(all[name]!, true, comesBack), on);
    });
  }
});

async function play(client: Client, checkpoints: boolean, comesBack: boolean): Promise<readonly string[]> {
  let subscriber: Subscriber | undefined;
  const broker = new Broker({ heartbeat: 4, onSubscribe: (opened) => subscriber = opened });
  const options = { topics: "a", checkpoints, retry: 1 };
  const open = createHandler(broker, options);
  const refuse = createHandler(broker, { ...options, maxStreams: 0, whenFull: "retry", retryWhenFull: REFUSAL_MS });
  /** When each request came. */
  const requests: number[] = [];

  /** Does one thing after another, with some heartbeats before each, as long as the client is there. */
  const idleBefore = async (...steps: (() => Promise<unknown>)[]): Promise<void> => {
    for (const step of steps) {
      for (let beats = 0, last = broker.stats().bytes; beats < 3; last = broker.stats().bytes) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        if (broker.stats().subscribers === 0) return;
        if (broker.stats().bytes > last) beats++;
      }
      await step();
    }
  };
  const plays: Promise<void>[] = [];

  const server = await serve(async ({ url, headers, signal }) => {
    requests.push(performance.now());
    const lastEventId = headers.get("last-event-id");
    // The SDKs of OpenAI send POST and accept JSON only
    const request = new Request(url, { headers: lastEventId === null ? {} : { "last-event-id": lastEventId }, signal });
    if (requests.length === 2) return await refuse(request);
    const response = await open(request);
    plays.push(
      requests.length === 1
        ? idleBefore(
          () => broker.publish("a", { data: { n: 1 } }),
          () => broker.publish("a", { event: "news", data: { n: 2 } }),
          () => subscriber!.close(),
        )
        : idleBefore(() => broker.publish("a", { data: { n: "bye" } })),
    );
    return response;
  }, { port: 0 });

  const seen: string[] = [];
  try {
    await client(server.url, (what) => {
      if (seen.at(-1) !== what || !/^(?:checkpoint|error) /.test(what)) seen.push(what);
      return what.includes('"bye"');
    });
  } finally {
    await server.close();
    await Promise.all(plays);
    await broker.close();
  }
  if (comesBack) assert(requests[2]! - requests[1]! >= REFUSAL_MS, "it did not wait as the refusal asked");
  return seen;
}
