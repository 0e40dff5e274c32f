import { assert, assertEquals, assertGreater, assertLess, assertThrows } from "@std/assert";
import fc from "fast-check";
import { describe, it } from "node:test";
import { EventParser, type ParsedEvent, SseError } from "../../mod.ts";
import { countWork } from "../support/count_work.ts";
import { interpret } from "../support/naive_interpreter.ts";
import { SEED } from "../support/seed.ts";
import { parseVectors } from "../vectors/parse.ts";

const encoder = new TextEncoder();

interface Parsed {
  events: ParsedEvent[];
  comments: string[];
  retries: number[];
  lastEventId: string;
}

function parse(chunks: Iterable<Uint8Array | string>, lastEventId = ""): Parsed {
  const events: ParsedEvent[] = [];
  const comments: string[] = [];
  const retries: number[] = [];
  const parser = new EventParser({
    onEvent: (event) => events.push(event),
    onComment: (comment) => comments.push(comment),
    onRetry: (retry) => retries.push(retry),
    lastEventId,
  });
  for (const chunk of chunks) parser.push(chunk);
  parser.end();
  return { events, comments, retries, lastEventId: parser.lastEventId };
}

function bytesOf(stream: string | readonly number[]): Uint8Array {
  return typeof stream === "string" ? encoder.encode(stream) : Uint8Array.from(stream);
}

function* cutEvery(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += size) yield bytes.slice(i, i + size);
}

describe("EventParser", () => {
  for (const [says, stream, expected, lastEventId] of parseVectors) {
    const events = expected.map(([type, data, id]) => ({ type, data, lastEventId: id }));
    const bytes = bytesOf(stream);
    const same = (parsed: Parsed, how: string): void => {
      assertEquals(parsed.events, events, how);
      if (lastEventId !== undefined) assertEquals(parsed.lastEventId, lastEventId, how);
    };

    it(`reads ${says}: whole, byte by byte, cut anywhere`, () => {
      same(parse([bytes]), "whole");
      same(parse(cutEvery(bytes, 1)), "byte by byte");
      for (let cut = 0; cut <= bytes.length; cut++) {
        same(parse([bytes.slice(0, cut), bytes.slice(cut)]), `cut at ${cut}`);
        same(parse([bytes.slice(0, cut), new Uint8Array(0), bytes.slice(cut)]), `cut at ${cut}, with nothing between`);
      }
      if (typeof stream === "string") {
        same(parse([stream]), "as text");
        same(parse(Array.from(stream)), "character by character");
      }
    });
  }

  it(
    "agrees with a plain interpreter of the standard on long streams in chunks of all sizes",
    { timeout: 120_000 },
    () => {
      const line = fc.constantFrom("data: ", "id: ", "event: ", ": ", "x", "data:é世🌍", "retry: 10");
      const value = fc.string({ unit: "grapheme", maxLength: 200 }).map((text) => text.repeat(3));
      const stream = fc.array(fc.tuple(line, value, fc.constantFrom("\n", "\n\n", "\r\n\r\n", "\r")), {
        maxLength: 40,
      });
      fc.assert(
        fc.property(stream, fc.integer({ min: 1, max: 2_000 }), (lines, size) => {
          const bytes = encoder.encode(lines.flat().join(""));
          assertEquals(JSON.stringify(parse(cutEvery(bytes, size))), JSON.stringify(interpret(bytes)));
        }),
        { numRuns: 3_000, seed: SEED },
      );
    },
  );

  it("dispatches as soon as the blank line is there, whatever may follow", () => {
    const events: string[] = [];
    const parser = new EventParser({ onEvent: (event) => events.push(event.data) });
    parser.push("data: a\r\r");
    assertEquals(events, ["a"]);
    parser.push("\ndata: b\r\n\r");
    assertEquals(events, ["a", "b"]);
    parser.push("\ndata: c\n\n");
    assertEquals(events, ["a", "b", "c"]);
  });

  it("joins a character that is cut, wherever it is in a long line", () => {
    for (const character of ["é", "世", "🌍"]) {
      const data = character.repeat(1_500);
      for (const size of [1, 2, 3, 5, 31]) {
        const { events } = parse(cutEvery(encoder.encode(`data:${data}\n\n`), size));
        assertEquals(events, [{ type: "message", data, lastEventId: "" }], `${character} in chunks of ${size}`);
      }
    }
  });

  it("keeps no chunk: the caller may use it again", () => {
    const events: string[] = [];
    const parser = new EventParser({ onEvent: (event) => events.push(event.data) });
    const chunk = new Uint8Array(7);
    for (const text of ["data: a", "bcdefg\n", "\n      "]) parser.push((encoder.encodeInto(text, chunk), chunk));
    assertEquals(events, ["abcdefg"]);
  });

  it("takes a reconnection time of any length, and no other form", () => {
    assertEquals(
      parse(["retry: 0\nretry: 0010\nretry: -1\nretry: 1.5\nretry: 1e3\nretry:\nretry: 1 \nretry: ٣\n"]).retries,
      [
        0,
        10,
      ],
    );
    assertEquals(parse([`retry: ${"9".repeat(400)}\n`]).retries, [Infinity]);
  });

  it("begins with the last event ID of the connection before", () => {
    assertEquals(parse(["data: a\n\n"], "7").events[0]?.lastEventId, "7");
  });

  it("fails clearly when an event is too large, and only then", () => {
    const feed = (text: string, size: number): void => {
      const parser = new EventParser({ onEvent: () => {}, maxEventSize: 20 });
      for (const chunk of cutEvery(encoder.encode(text), size)) parser.push(chunk);
    };
    for (const size of [1, 2, 3, 5, 7, 64, 1000]) {
      feed(`data: ${"x".repeat(14)}\n\n`.repeat(50), size);
      feed(`data: ${"世".repeat(14)}\n\n`.repeat(50), size); // 42 bytes, 14 code units
      feed(`\ufeffdata: ${"x".repeat(14)}\n\n`, size);
      const large = `data: ${"x".repeat(15)}\n\n`;
      assertEquals(assertThrows(() => feed(large, size), SseError).code, "event-too-large", `chunks of ${size}`);
      assertThrows(() => feed(`data: 1234567890\ndata: 12345\n\n`, size), SseError);
      assertThrows(() => feed(`x${"x".repeat(20)}`, size), SseError);
    }
  });

  it("refuses input after a failure or the end, until it is reset", () => {
    const parser = new EventParser({ onEvent: () => {}, maxEventSize: 8, lastEventId: "7" });
    assertThrows(() => parser.push("data: too long"), SseError);
    assertEquals(assertThrows(() => parser.push("\n"), SseError).code, "parser-failed");
    parser.reset();
    parser.push("data: a\n\n");
    parser.end();
    assertEquals(assertThrows(() => parser.push("data: b\n\n"), SseError).code, "parser-failed");
    assertEquals(parser.lastEventId, "7");
  });

  it("throws what a callback throws", () => {
    const error = new Error("mine");
    const parser = new EventParser({
      onEvent: () => {
        throw error;
      },
    });
    try {
      parser.push("data: a\n\n");
      assert(false);
    } catch (thrown) {
      assert(thrown === error);
    }
    assertEquals(assertThrows(() => parser.push("data: a\n\n"), SseError).cause, error);
  });

  it("can be reset or ended from a callback, which drops the rest of the chunk", () => {
    for (const how of ["reset", "end"] as const) {
      const events: string[] = [];
      const parser: EventParser = new EventParser({
        onEvent: (event) => {
          events.push(event.data);
          parser[how]();
        },
      });
      parser.push("id: 1\ndata: a\n\nid: 2\ndata: b\n\nda");
      if (how === "end") parser.reset();
      parser.push("ta: c\n\ndata: d\n\n");
      assertEquals(events, ["a", "d"]);
      assertEquals(parser.lastEventId, "1");
    }
  });

  it("refuses what is not a chunk, and pushes from its own callbacks", () => {
    const parser: EventParser = new EventParser({ onEvent: () => parser.push("x") });
    assertThrows(() => parser.push("data: a\n\n"), TypeError);
    parser.reset();
    assertThrows(() => parser.push(7 as never), TypeError);
    assertThrows(() => new EventParser({} as never), TypeError);
    assertThrows(() => new EventParser({ onEvent() {}, maxEventSize: 0 }), RangeError);
    assertThrows(() => new EventParser({ onEvent() {}, maxEventSize: NaN }), RangeError);
  });

  const longInputs: ReadonlyArray<readonly [what: string, text: string, chunk: number]> = [
    ["one line in chunks of 4 bytes", "x", 4],
    ["one line in chunks of 1,000 bytes", "x", 1_000],
    ["one line of cut characters", "世", 7],
    ["data of one event, line by line", "\ndata:x", 1 << 20],
    ["data of one event, line by line, in chunks of 5 bytes", "\ndata:x", 5],
    ["lines that end in CR", "\rdata:x", 1 << 20],
    ["blank lines", "\n", 3],
    ["comments", "\n:", 1 << 20],
    ["events of one chunk", "\n\ndata:x", 1 << 20],
  ];
  for (const [what, text, size] of longInputs) {
    it(`does work that is linear in the input: ${what}`, () => {
      const work = (times: number): number => {
        const chunks = [...cutEvery(encoder.encode("data:" + text.repeat(times)), size)];
        return countWork(() => void parse(chunks));
      };
      const small = work(5_000);
      assertLess(work(20_000), 5 * small); // quadratic would be 16 times
      assertLess(small, 12 * encoder.encode(text).length * 5_000); // nothing is looked at more often than that
    });
  }

  it("tells work that is quadratic", () => {
    const rescan = (times: number): number =>
      countWork(() => {
        let text = "";
        for (let i = 0; i < times; i++) (text += "xxxx").indexOf("\n");
      });
    assertGreater(rescan(400), 15 * rescan(100));
  });
});
