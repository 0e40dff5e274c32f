import { assertEquals, assertThrows } from "@std/assert";
import { ServerSentEventStream } from "@std/http/server-sent-event-stream";
import { ServerSentEventParseStream } from "@std/http/unstable-server-sent-event-parse-stream";
import fc from "fast-check";
import { describe, it } from "node:test";
import {
  encodeEvent,
  EventEncoderStream,
  type EventFields,
  EventParser,
  EventParserStream,
  type ParsedEvent,
} from "../../mod.ts";
import { SEED } from "../support/seed.ts";

const written: ReadonlyArray<[says: string, event: EventFields, text: string]> = [
  ["nothing as a blank line", {}, "\n"],
  ["empty data as one empty field", { data: "" }, "data: \n\n"],
  ["a leading space", { data: " a" }, "data:  a\n\n"],
  ["each line of data", { data: "a\nb\rc\r\nd\n" }, "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"],
  ["an ID of 0", { id: 0, data: "a" }, "id: 0\ndata: a\n\n"],
  ["an empty ID", { id: "", data: "a" }, "id: \ndata: a\n\n"],
  ["an ID alone", { id: "x" }, "id: x\n\n"],
  ["a type", { event: "add", data: "1" }, "event: add\ndata: 1\n\n"],
  ["a reconnection time", { retry: 0 }, "retry: 0\n\n"],
  ["a comment of two lines", { comment: "a\nb" }, ": a\n: b\n\n"],
  ["NUL in data and type", { event: "\0", data: "\0" }, "event: \0\ndata: \0\n\n"],
  ["fields that are undefined not at all", { data: "a", id: undefined, retry: undefined }, "data: a\n\n"],
];

/** What is refused, and what the error names: the field, what it must be, and what was got. */
const refused: ReadonlyArray<
  [says: string, event: unknown, error: typeof TypeError | typeof RangeError, names: string]
> = [
  ["LF in the type", { event: "a\nb" }, TypeError, String.raw`event must be without CR and LF: got "a\nb"`],
  ["CR in the type", { event: "a\rb" }, TypeError, String.raw`event must be without CR and LF: got "a\rb"`],
  ["a lone surrogate in the type", { event: "\ud800" }, TypeError, "event must be well-formed (no lone surrogate)"],
  ["a type that is a number", { event: 1 }, TypeError, "event must be a string: got number"],
  ["LF in the ID", { id: "a\nb" }, TypeError, "id must be without CR, LF and NUL"],
  ["CR in the ID", { id: "a\rb" }, TypeError, "id must be without CR, LF and NUL"],
  ["NUL in the ID", { id: "a\0b" }, TypeError, "id must be without CR, LF and NUL"],
  ["a lone surrogate in the ID", { id: "\udfff" }, TypeError, "id must be well-formed (no lone surrogate)"],
  ["an ID that is no number", { id: NaN }, RangeError, "id must be finite: got NaN"],
  ["an ID that is an object", { id: {} }, TypeError, "id must be a string or a number: got object"],
  ["a negative retry", { retry: -1 }, RangeError, "retry must be an integer >= 0: got -1"],
  ["a broken retry", { retry: 1.5 }, RangeError, "got 1.5"],
  ["an infinite retry", { retry: Infinity }, RangeError, "got Infinity"],
  ["a retry beyond safe integers", { retry: 2 ** 53 }, RangeError, "got 9007199254740992"],
  ["a retry that is text", { retry: "1" }, TypeError, 'retry must be a number: got "1"'],
  ["data that is a number", { data: 1 }, TypeError, "data must be a string: got number"],
  ["data that is null", { data: null }, TypeError, "data must be a string: got null"],
  ["a comment that is a number", { comment: 1 }, TypeError, "comment must be a string: got number"],
  ["null", null, TypeError, "event must be an object: got null"],
  ["text", "data", TypeError, 'event must be an object: got "data"'],
];

function parse(text: string | Uint8Array): ParsedEvent[] {
  const events: ParsedEvent[] = [];
  const parser = new EventParser({ onEvent: (event) => events.push(event) });
  parser.push(text);
  parser.end();
  return events;
}

describe("encodeEvent()", () => {
  for (const [says, event, text] of written) it(`writes ${says}`, () => assertEquals(encodeEvent(event), text));
  for (const [says, event, error, names] of refused) {
    it(`refuses ${says}, and says so`, () => void assertThrows(() => encodeEvent(event as EventFields), error, names));
  }

  it("shows no more than the beginning of what it refuses", () => {
    const { message } = assertThrows(() => encodeEvent({ id: "\n" + "x".repeat(10_000) })) as Error;
    assertEquals(message.length < 200, true, message);
  });

  it("writes what the parser reads back as the same event", () => {
    const line = fc.string({ unit: "binary" }).filter((text) => !/[\r\n]/.test(text) && text.isWellFormed());
    const event = fc.record({
      event: line,
      data: fc.string({ unit: "binary" }).filter((text) => text.isWellFormed()),
      id: line.filter((text) => !text.includes("\0")),
      retry: fc.maxSafeNat(),
      comment: fc.string({ unit: "binary" }).filter((text) => text.isWellFormed()),
    }, { requiredKeys: [] });
    fc.assert(
      fc.property(fc.array(event, { minLength: 1, maxLength: 5 }), (events) => {
        let lastEventId = "";
        const expected: ParsedEvent[] = [];
        for (const { event: type, data, id } of events) {
          lastEventId = id ?? lastEventId;
          if (data === undefined) continue;
          expected.push({ type: type || "message", data: data.replace(/\r\n|\r/g, "\n"), lastEventId });
        }
        const text = events.map((event) => encodeEvent(event)).join("");
        assertEquals(parse(text), expected);
        assertEquals(parse(new TextEncoder().encode(text)), expected);
      }),
      { numRuns: 20_000, seed: SEED },
    );
  });

  it("leaves a lone surrogate in data to UTF-8, which makes it U+FFFD", () => {
    assertEquals(parse(new TextEncoder().encode(encodeEvent({ data: "a\ud800b" })))[0]?.data, "a\ufffdb");
  });
});

describe("EventEncoderStream", () => {
  it("encodes what is written in one burst as few chunks, in order", async () => {
    const events = Array.from({ length: 100 }, (_, i): EventFields => ({ id: i, data: "ü" }));
    const chunks = await Array.fromAsync(
      ReadableStream.from(events).pipeThrough(new EventEncoderStream()),
      (chunk) => new TextDecoder().decode(chunk),
    );
    assertEquals(chunks.join(""), events.map(encodeEvent).join(""));
    assertEquals(chunks.length < 20, true, `${chunks.length} chunks`);
  });

  it("lets an event that comes alone leave at once", async () => {
    const stream = new EventEncoderStream();
    const writer = stream.writable.getWriter();
    const reader = stream.readable.getReader();
    for (const data of ["one", "two"]) {
      void writer.write({ data });
      const { value } = await reader.read();
      assertEquals(new TextDecoder().decode(value), `data: ${data}\n\n`);
    }
    await Promise.all([writer.close(), reader.closed]);
  });

  it("gives a reader that waits what came before an event that cannot be encoded", async () => {
    const stream = new EventEncoderStream();
    const writer = stream.writable.getWriter();
    const reader = stream.readable.getReader();
    const first = reader.read();
    void writer.write({ data: "good" });
    const bad = writer.write({ event: "a\nb" }).then(() => undefined, (error) => error);
    assertEquals(new TextDecoder().decode((await first).value), "data: good\n\n");
    assertEquals(await bad instanceof TypeError, true);
    await Promise.allSettled([writer.closed, reader.closed]);
  });

  for (const leave of ["cancelled", "aborted"] as const) {
    it(`drops what waits when it is ${leave}, and throws at nobody`, async () => {
      const stream = new EventEncoderStream();
      const writer = stream.writable.getWriter();
      writer.closed.catch(() => {});
      const written = writer.write({ data: "one" }).catch(() => {});
      await Promise.resolve(); // taken in, not yet out
      if (leave === "cancelled") await stream.readable.cancel("enough");
      else await Promise.all([writer.abort("enough"), stream.readable.getReader().closed.catch(() => {})]);
      await written;
      for (let i = 0; i < 20; i++) await Promise.resolve();
    });
  }

  it("fails with the encoder's error, and cancels what is piped into it", async () => {
    const cancelled = Promise.withResolvers<unknown>();
    const source = new ReadableStream<EventFields>({
      pull: (controller) => controller.enqueue({ event: "a\nb" }),
      cancel: (reason) => cancelled.resolve(reason),
    });
    const reader = source.pipeThrough(new EventEncoderStream()).getReader();
    const error = await reader.read().then(() => undefined, (error) => error);
    assertEquals(error instanceof TypeError, true);
    assertEquals(await cancelled.promise, error);
  });

  it("takes no more than is read, but for a bounded few", async () => {
    let pulled = 0;
    const source = new ReadableStream<EventFields>({
      pull: (controller) => controller.enqueue({ data: String(pulled++) }),
    }, { highWaterMark: 0 });
    const reader = source.pipeThrough(new EventEncoderStream()).getReader();
    await reader.read();
    for (let i = 0; i < 200; i++) await Promise.resolve();
    assertEquals(pulled <= 16 + 48 + 2, true, `pulled ${pulled}`);
    await reader.cancel();
  });
});

describe("EventParserStream", () => {
  it("reads what the encoder writes, and drops what has not ended", async () => {
    const bytes = ReadableStream.from(
      ["id: 1\ndata: a\n\nda", "ta: b\n\ndata: c\n"].map((t) => new TextEncoder().encode(t)),
    );
    const events = await Array.fromAsync(bytes.pipeThrough(new EventParserStream()));
    assertEquals(events.map(({ data, lastEventId }) => [data, lastEventId]), [["a", "1"], ["b", "1"]]);
  });

  it("fails with the parser's error", async () => {
    const bytes = ReadableStream.from([new TextEncoder().encode("data: too long\n\n")]);
    const reader = bytes.pipeThrough(new EventParserStream({ maxEventSize: 3 })).getReader();
    assertEquals(await reader.read().then(() => undefined, (error) => error.code), "event-too-large");
  });
});

describe("@std/http", () => {
  const messages = [{ event: "add", data: "a\nb", id: "7", retry: 10 }, { data: "x" }, { comment: "c", data: "y" }];

  it("writes what our parser reads", async () => {
    const bytes = ReadableStream.from(messages).pipeThrough(new ServerSentEventStream() as never);
    const events = await Array.fromAsync((bytes as ReadableStream<Uint8Array>).pipeThrough(new EventParserStream()));
    assertEquals(events, [
      { type: "add", data: "a\nb", lastEventId: "7" },
      { type: "message", data: "x", lastEventId: "7" },
      { type: "message", data: "y", lastEventId: "7" },
    ]);
  });

  it("reads what our encoder writes", async () => {
    const bytes = ReadableStream.from<EventFields>(messages).pipeThrough(new EventEncoderStream());
    const read = await Array.fromAsync(bytes.pipeThrough(new ServerSentEventParseStream() as never));
    assertEquals((read as EventFields[]).map(({ event, data, id }) => [event, data, id?.toString()]), [
      ["add", "a\nb", "7"],
      [undefined, "x", undefined],
      [undefined, "y", undefined],
    ]);
  });

  // Their deviations from the standard. One that is mended there fails here, and then this list is too long
  const theirs = async (event: EventFields): Promise<string> =>
    await new Response(ReadableStream.from([event]).pipeThrough(new ServerSentEventStream() as never)).text();
  const theirReading = async (text: string): Promise<unknown[]> =>
    await Array.fromAsync(
      ReadableStream.from([new TextEncoder().encode(text)]).pipeThrough(new ServerSentEventParseStream() as never),
    );

  it("deviates: its encoder loses a leading space of data", async () => {
    assertEquals(parse(await theirs({ data: " a" }))[0]?.data, "a");
  });

  it("deviates: its parser gives out an event that has not ended", async () => {
    assertEquals((await theirReading("data: a\n")).length, 1);
  });

  it("deviates: its parser gives out a block that has only an ID", async () => {
    assertEquals((await theirReading("id: 1\n\n")).length, 1);
  });
});
