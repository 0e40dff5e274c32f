import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { type ParsedEvent, parseEvents, SseError } from "../../mod.ts";

const encoder = new TextEncoder();
const STREAM = { headers: { "content-type": "text/event-stream; charset=utf-8" } };

async function all(events: AsyncIterable<ParsedEvent>): Promise<string[]> {
  return await Array.fromAsync(events, ({ data }) => data);
}

/** A stream that goes on for ever, and notes what becomes of it. */
function endless(): { stream: ReadableStream<Uint8Array>; pulled: () => number; cancelled: Promise<unknown> } {
  const cancelled = Promise.withResolvers<unknown>();
  let pulled = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(encoder.encode(`data: ${pulled++}\n\n`)),
    cancel: (reason) => cancelled.resolve(reason),
  }, { highWaterMark: 0 });
  return { stream, pulled: () => pulled, cancelled: cancelled.promise };
}

describe("parseEvents()", () => {
  it("reads a response, a stream, and iterables of bytes or text", async () => {
    const text = "data: a\n\ndata: b\n\n";
    const bytes = encoder.encode(text);
    assertEquals(await all(parseEvents(new Response(text, STREAM))), ["a", "b"]);
    assertEquals(await all(parseEvents(ReadableStream.from([bytes.slice(0, 9), bytes.slice(9)]))), ["a", "b"]);
    async function* cut() {
      yield text.slice(0, 3);
      yield bytes.slice(3);
    }
    assertEquals(await all(parseEvents(cut())), ["a", "b"]);
  });

  it("stops the source when its consumer leaves the loop", async () => {
    const { stream, pulled, cancelled } = endless();
    for await (const { data } of parseEvents(stream)) if (data === "2") break;
    await cancelled;
    assertEquals(pulled(), 3);

    let returned = false;
    async function* source() {
      try {
        for (;;) yield "data: a\n\n";
      } finally {
        returned = true;
      }
    }
    for await (const _ of parseEvents(source())) break;
    assert(returned);
  });

  it("reads no further than it is asked to", async () => {
    const { stream, pulled } = endless();
    const events = parseEvents(stream);
    await events.next();
    for (let i = 0; i < 50; i++) await Promise.resolve();
    assertEquals(pulled(), 1);
    await events.return?.();
  });

  it("ends with a clear error when the source fails, after the events before it", async () => {
    const cause = new Error("connection reset");
    async function* source() {
      yield "data: a\n\nda";
      throw cause;
    }
    const seen: string[] = [];
    const error = await assertRejects(async () => {
      for await (const { data } of parseEvents(source())) seen.push(data);
    }, SseError);
    assertEquals([error.code, error.cause], ["source-failed", cause]);
    assertEquals(seen, ["a"]);
  });

  it("gives out the events before one that is too large, and stops the source", async () => {
    const { stream, cancelled } = endless();
    const big = ReadableStream.from([encoder.encode(`data: a\n\ndata: ${"x".repeat(99)}`)]);
    const seen: string[] = [];
    const error = await assertRejects(async () => {
      for await (const { data } of parseEvents(big, { maxEventSize: 50 })) seen.push(data);
    }, SseError);
    assertEquals([error.code, ...seen], ["event-too-large", "a"]);
    await assertRejects(() => all(parseEvents(stream, { maxEventSize: 3 })), SseError);
    await cancelled;
  });

  for (
    const [says, response] of [
      ["a page", new Response("<p>", { headers: { "content-type": "text/html" } })],
      ["another type that begins alike", new Response("", { headers: { "content-type": "text/event-streamx" } })],
      ["an error", new Response("data: a\n\n", { ...STREAM, status: 500 })],
      ["no body", new Response(null, STREAM)],
      ["no type", new Response(encoder.encode("data: a\n\n"))],
    ] as const
  ) {
    it(`refuses ${says}, and says what it was`, () => {
      const error = assertThrows(() => parseEvents(response), SseError, `got status ${response.status}`);
      assertEquals(error.code, "not-an-event-stream");
    });
  }

  it("takes the type in any case and with parameters", async () => {
    const response = new Response("data: a\n\n", { headers: { "content-type": "Text/Event-Stream ;x=y" } });
    assertEquals(await all(parseEvents(response)), ["a"]);
  });

  it("refuses what is no source", () => {
    for (const source of [undefined, null, 7, {}, "data: a\n\n"]) {
      assertThrows(() => parseEvents(source as never), TypeError, `must be a Response, a ReadableStream`);
    }
  });

  it("ends by its signal with the signal's reason, while it waits too", async () => {
    const reason = new Error("enough");
    const { stream, cancelled } = endless();
    const leaving = new AbortController();
    const seen: string[] = [];
    const error = await assertRejects(async () => {
      for await (const { data } of parseEvents(stream, { signal: leaving.signal })) {
        seen.push(data);
        if (data === "1") leaving.abort(reason);
      }
    });
    assertEquals([error, seen, await cancelled], [reason, ["0", "1"], reason]);

    for (
      const silent of [
        new ReadableStream<Uint8Array>(),
        (async function* () {
          await new Promise(() => {});
          yield "";
        })(),
      ]
    ) {
      const waiting = new AbortController();
      const next = parseEvents(silent, { signal: waiting.signal }).next();
      waiting.abort(reason);
      assertEquals(await assertRejects(() => next), reason);
    }
  });

  it("keeps the order of calls that overlap", async () => {
    const events = parseEvents(new Response("data: a\n\ndata: b\n\ndata: c\n\n", STREAM));
    const results = await Promise.all([events.next(), events.next(), events.next(), events.next(), events.next()]);
    assertEquals(results.map(({ value }) => value?.data), ["a", "b", "c", undefined, undefined]);
  });

  it("hands on comments, reconnection times and the last event ID", async () => {
    const said: unknown[] = [];
    const events = parseEvents(new Response(": hi\nretry: 5\ndata: a\n\n", STREAM), {
      onComment: (comment) => said.push(comment),
      onRetry: (retry) => said.push(retry),
      lastEventId: "7",
    });
    assertEquals((await events.next()).value?.lastEventId, "7");
    assertEquals(said, ["hi", 5]);
  });

  it("lets a response go that it refuses, unless somebody else reads it", async () => {
    const { stream, cancelled } = endless();
    assertThrows(() => parseEvents(new Response(stream, { status: 500 })), SseError);
    await cancelled;
    const locked = new Response(endless().stream, { status: 500 });
    const reader = locked.body!.getReader();
    assertThrows(() => parseEvents(locked), SseError);
    assertEquals((await reader.read()).done, false);
    await reader.cancel();
  });

  it("leaves an iterable that cannot be told", async () => {
    const source: AsyncIterable<string> = {
      [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: false, value: "data: a\n\n" }) }),
    };
    for await (const { data } of parseEvents(source)) {
      assertEquals(data, "a");
      break;
    }
  });

  it("reads nothing when its signal has aborted before", async () => {
    const { stream, pulled, cancelled } = endless();
    const reason = new Error("enough");
    const events = parseEvents(stream, { signal: AbortSignal.abort(reason) });
    assertEquals([await assertRejects(() => events.next()), await cancelled, pulled()], [reason, reason, 0]);
  });

  it("gives out nothing that comes together with the signal", async () => {
    const reason = new Error("enough");
    const leaving = new AbortController();
    let enqueue = (_: Uint8Array): void => {};
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        enqueue = (bytes) => controller.enqueue(bytes);
      },
    });
    const next = parseEvents(stream, { signal: leaving.signal }).next();
    enqueue(encoder.encode("data: a\n\n"));
    leaving.abort(reason);
    assertEquals(await assertRejects(() => next), reason);
  });

  it("does not hold on to a signal that lives longer", async () => {
    const { signal } = new AbortController();
    const listeners = new Set<unknown>();
    signal.addEventListener = (type: string, listener: unknown) => void (type === "abort" && listeners.add(listener));
    signal.removeEventListener = (type: string, listener: unknown) =>
      void (type === "abort" && listeners.delete(listener));
    const response = (): Response => new Response("data: a\n\n", STREAM);
    const read = parseEvents(response(), { signal });
    assertEquals(listeners.size, 1);
    await all(read);
    assertEquals(listeners.size, 0);
    for await (const _ of parseEvents(response(), { signal })) break;
    assertEquals(listeners.size, 0);
  });
});
