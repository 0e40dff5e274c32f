import { assert, assertEquals, assertGreater, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { interpret } from "../support/naive_interpreter.ts";
import { SEED } from "../support/seed.ts";
import { foreignParsers } from "./foreign_parsers.ts";
import { fuzzEvents } from "./fuzz_events.ts";
import { fuzzStreams } from "./fuzz_streams.ts";

/** The short form; `deno task fuzz` is the long one. */
const BATCHES = 10;

describe("EventParser", () => {
  it("agrees with a plain interpreter of the standard on random and mutated streams", { timeout: 120_000 }, () => {
    for (let batch = 0; batch < BATCHES; batch++) {
      const { bytes, chunks, events, comments, retries } = fuzzStreams(SEED, batch, 10_000);
      // They say something
      assertGreater(Math.min(bytes / 10, chunks / 4, events, comments * 2, retries * 10), 4_000);
    }
  });

  const faults: ReadonlyArray<readonly [fault: string, interpret: typeof interpret]> = [
    ["takes names in any case", (bytes, id) => interpret(bytes.map((byte) => byte === 0x44 ? 0x64 : byte), id)],
    ["keeps no ID from one stream to the next", (bytes) => interpret(bytes)],
    ["takes NUL for an end", (bytes, id) => interpret(bytes.map((byte) => byte === 0 ? 0x0a : byte), id)],
    ["dispatches what has not ended", (bytes, id) => interpret(Uint8Array.of(...bytes, 0x0a, 0x0a), id)],
  ];
  for (const [fault, faulty] of faults) {
    it(`is told from one that ${fault}`, () => {
      const error = assertThrows(() => fuzzStreams(SEED, 0, 10_000, faulty), Error);
      assert(error.message.includes(`seed ${SEED}, batch 0`));
    });
  }
});

describe("encodeEvent()", () => {
  const names = foreignParsers.map(({ name }) => name);
  assertEquals(names.length, 4);
  it(`writes what others read as the same events: ${names.join(", ")}`, { timeout: 120_000 }, async () => {
    for (let batch = 0; batch < BATCHES * 3; batch++) assertGreater(await fuzzEvents(SEED, batch, 200), 50);
  });
});
