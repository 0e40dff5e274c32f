import { assertEquals } from "@std/assert";
import type { ConnectOptions, EventStreamConnection } from "../../src/client/mod.ts";

/** Tries again at once. */
export const SOON: { initial: number; max: number } = { initial: 1, max: 1 };

/** A `fetch` of these answers, one after another; the last is given again. */
export function answers(...responses: (() => Response | Promise<Response>)[]): ConnectOptions["fetch"] {
  return async () => await (responses.length > 1 ? responses.shift()! : responses[0]!)();
}

export function stream(text: string, init: ResponseInit = {}): () => Response {
  return () => new Response(text, { headers: { "content-type": "text/event-stream" }, ...init });
}

/** A stream that goes on for ever after a text. */
export function open(text: string): () => Response {
  return () =>
    new Response(
      new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode(text)) }),
      { headers: { "content-type": "text/event-stream" } },
    );
}

export async function data(connection: EventStreamConnection, count: number = Infinity): Promise<string[]> {
  const seen: string[] = [];
  for await (const event of connection) if (seen.push(event.data) === count) break;
  return seen;
}

export async function failureOf(connection: EventStreamConnection): Promise<unknown> {
  const failure = await data(connection).then(() => undefined, (error) => error);
  const end = await connection.closed;
  assertEquals([end.reason, end.error], ["failed", failure]);
  return failure;
}
