import { fetchEventSource } from "@microsoft/fetch-event-source";
import { ServerSentEventParseStream } from "@std/http/unstable-server-sent-event-parse-stream";
import { EventSource } from "eventsource";
import { createParser } from "eventsource-parser";
import { createParser as createParser3 } from "eventsource-parser-3";
import OpenAI from "openai";
import { EventSource as UndiciEventSource } from "undici/index.js";

/** How long a refusal asks to wait at least, in milliseconds: far longer than the stream asked before. */
export const REFUSAL_MS = 300;

/** Told what the application sees, an event as `type data`; returns whether the application has seen enough. */
export type See = (what: string) => boolean;

/** Reads a URL as a program would, which comes back when a stream ends, until it has seen enough. */
export type Client = (url: string, see: See) => Promise<void>;

interface Fields {
  readonly event?: string | undefined;
  readonly data?: string | undefined;
  readonly retry?: number | undefined;
}

interface Source extends EventTarget {
  readonly readyState: number;
  close(): void;
}

/** The clients of others that are written in JavaScript. */
export const clients: Readonly<Record<string, Client>> = {
  "openai": again(async (url, see) => {
    const openai = new OpenAI({ baseURL: url, apiKey: "none", maxRetries: 0, dangerouslyAllowBrowser: true });
    const stream = await openai.chat.completions.create({ model: "none", messages: [], stream: true });
    for await (const chunk of stream) if (see(JSON.stringify(chunk))) return true; // it tells no types
    return false;
  }),
  "eventsource-parser 3": again((url, see) => parse(createParser3 as typeof createParser, url, see)),
  "eventsource-parser 4": again((url, see) => parse(createParser, url, see)),
  "@std/http": again(async (url, see) => {
    const { body } = await fetch(url);
    const events = body!.pipeThrough(new ServerSentEventParseStream());
    for await (const event of events) if (see(shown(event))) return true;
    return false;
  }),
  "eventsource 5": (url, see) => listen(new EventSource(url), see),
  "undici": (url, see) => listen(new UndiciEventSource(url) as unknown as Source, see),
  "@microsoft/fetch-event-source": fetchEventSourceClient,
};

/** What an application is handed of an event. */
function shown({ event, data, retry }: Fields): string {
  return `${event || "message"} ${data}${retry === undefined ? "" : `, ${shownRetry(retry)}`}`;
}

/** A refusal's is longer at random. */
function shownRetry(retry: number): string {
  return `retry ${retry >= REFUSAL_MS ? "long" : retry}`;
}

/** For clients that read one response: the program asks again when it has ended or failed, twice. */
function again(once: (url: string, see: See) => Promise<boolean>): Client {
  return async (url, see) => {
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        if (await once(url, see)) return;
      } catch (error) {
        see(`error ${(error as Error).name}`);
      }
    }
  };
}

async function parse(create: typeof createParser, url: string, see: See): Promise<boolean> {
  let done = false;
  const { feed } = create({
    onEvent: (event) => done = see(shown(event)),
    onRetry: (retry) => void see(shownRetry(retry)),
    onError: (error) => void see(`error ${error.message}`),
  });
  const { body } = await fetch(url);
  for await (const text of body!.pipeThrough(new TextDecoderStream())) {
    feed(text);
    if (done) break;
  }
  return done;
}

async function listen(source: Source, see: See): Promise<void> {
  const done = Promise.withResolvers<void>();
  for (const type of ["message", "news", "close", "gap", "checkpoint"]) {
    source.addEventListener(type, (event) => {
      if (see(`${type} ${(event as MessageEvent).data}`)) done.resolve();
    });
  }
  source.addEventListener("error", () => {
    if (source.readyState === 2) done.reject(new Error("It gave up"));
  });
  await done.promise.finally(() => source.close());
}

/** fetch-event-source is made for pages: what it asks of one is there as long as it runs. */
async function fetchEventSourceClient(url: string, see: See): Promise<void> {
  const page = { window: globalThis, document: { removeEventListener() {} } };
  const missing = Object.entries(page).filter(([name]) => !(name in globalThis));
  for (const [name, value] of missing) Object.defineProperty(globalThis, name, { value, configurable: true });
  const leaving = new AbortController();
  try {
    await fetchEventSource(url, {
      signal: leaving.signal,
      openWhenHidden: true,
      fetch,
      onmessage: (event) => void (see(shown(event)) && leaving.abort()),
      onclose() {
        throw new Error("It comes back only after an error");
      },
    });
  } finally {
    for (const [name] of missing) Reflect.deleteProperty(globalThis, name);
  }
}
