/** What the parser holds between chunks: bytes and text that wait, their size, and what a reset in a callback leaves. */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { EventParser, SseError } from "../../mod.ts";

const encoder = new TextEncoder();
const bytes = (text: string): Uint8Array => encoder.encode(text);

function collect(options: Partial<ConstructorParameters<typeof EventParser>[0]> = {}) {
  const seen: string[] = [];
  const parser: EventParser = new EventParser({ onEvent: ({ data }) => seen.push(data), ...options });
  return { seen, parser };
}

describe("EventParser: text after bytes", () => {
  it("goes on with the line that bytes began", () => {
    const { seen, parser } = collect();
    parser.push(bytes("data: a"));
    parser.push("b\n");
    parser.push(bytes("data: c"));
    parser.push("\n\n");
    assertEquals(seen, ["ab\nc"]);
  });

  it("ends a character that was cut as malformed", () => {
    const { seen, parser } = collect();
    parser.push(Uint8Array.of(...bytes("data: a"), 0xc3));
    parser.push("b\n\n");
    assertEquals(seen, ["a\ufffdb"]);
  });
});

describe("EventParser: the size of an event", () => {
  const tooLarge = (maxEventSize: number, ...chunks: (string | Uint8Array)[]): void => {
    const { parser } = collect({ maxEventSize });
    const last = chunks.pop()!;
    for (const chunk of chunks) parser.push(chunk);
    const error = assertThrows(() => parser.push(last), SseError, `got more than ${maxEventSize}`);
    assertEquals(error.code, "event-too-large");
  };

  it("counts the data and the line in progress, and is refused at once", () => {
    tooLarge(10, "data: 12", "345");
    tooLarge(20, "data: 1234\n", "data: 5678", "901234567");
    tooLarge(10, bytes("data: 1234\n"), bytes("data: 5"));
    tooLarge(40, "data: " + "x".repeat(29), bytes("yyyyyy"));
    tooLarge(40, bytes("data: " + "x".repeat(29) + "\n"), bytes("data: 123456"));
  });

  it("may be as large as it is said", () => {
    const { seen, parser } = collect({ maxEventSize: 20 });
    for (const chunk of ["data: 1234\n", bytes("data: 56789"), "01234\n", bytes("\n")]) parser.push(chunk);
    assertEquals(seen, ["1234\n5678901234"]);
  });
});

describe("EventParser: a reset in a callback", () => {
  for (
    const [says, ...chunks] of [
      ["an event's, with a character that is cut behind it", Uint8Array.of(...bytes("data: a\n\ndata: "), 0xc3)],
      ["a comment's", ": x\ndata: b\n\n"],
      ["a comment's that is in two chunks", ": x", "y\ndata: b\n\n"],
      ["a reconnection time's", "retry: 1\ndata: b\n\n"],
      ["a reconnection time's that is in two chunks", "retry: 1", "0\ndata: b\n\n"],
    ] as [string, ...(string | Uint8Array)[]][]
  ) {
    it(`drops the rest of the chunk: ${says}`, () => {
      const seen: string[] = [];
      const parser: EventParser = new EventParser({
        onEvent: ({ data }) => {
          seen.push(data);
          parser.reset();
        },
        onComment: () => parser.reset(),
        onRetry: () => parser.reset(),
      });
      for (const chunk of chunks) parser.push(chunk);
      parser.push("data: after\n\n");
      assertEquals(seen.filter((data) => data !== "a"), ["after"]);
    });
  }
});

describe("EventParser", () => {
  it("skips nothing but a BOM and the LF after a CR at the beginning of a chunk", () => {
    for (const first of ["\u0000", "\u0001", "\ufffe", "\t", " "]) {
      const { seen, parser } = collect();
      for (const chunk of ["data: a\n\n", `${first}data: b\n\n`]) parser.push(chunk);
      assertEquals(seen, ["a"], JSON.stringify(first));
    }
  });

  it("says what a chunk must be", () => {
    for (const chunk of [7, null, {}, [100], new ArrayBuffer(1)]) {
      assertThrows(() => collect().parser.push(chunk as never), TypeError, "must be a Uint8Array or a string: got");
    }
  });
});
