import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { Chunks, EntryChunk } from "../../src/broker/chunk.ts";
import { entryOf } from "../../src/broker/entry.ts";
import { ownPart } from "../../src/broker/own_part.ts";

const entries = [3, 4, 5].map((position) =>
  entryOf({ time: 0, position, id: String(position), topics: ["a"], data: String(position) })
);
const chunk = new EntryChunk(entries);
const never = (): boolean => false;

describe("The part of a chunk that is a subscriber's own", () => {
  it("is the chunk itself where nothing is left out", () => {
    for (const options of [{}, { filter: () => true }]) {
      assert(ownPart(chunk, 2, options, never, new Chunks()) === chunk);
    }
  });

  it("begins after its position, shared with those who stand there as well", () => {
    const chunks = new Chunks();
    const part = ownPart(chunk, 3, {}, never, chunks)!;
    assertEquals(part.entries, entries.slice(1));
    assert(ownPart(chunk, 3, { filter: ({ data }) => data !== "3" }, never, chunks) === part);
    assertEquals(ownPart(chunk, 5, {}, never, chunks), undefined);
  });

  it("is what its filter wants, which is asked only for what comes after", () => {
    const asked: string[] = [];
    const part = ownPart(chunk, 3, { filter: ({ data }) => asked.push(data) === 2 }, never, new Chunks());
    assertEquals([part?.entries, asked], [[entries[2]!], ["4", "5"]]);
    assertEquals(ownPart(chunk, 2, { filter: () => false }, never, new Chunks()), undefined);
  });

  it("is nothing once it is over, and the filter is asked no more", () => {
    let asked = 0;
    assertEquals(ownPart(chunk, 2, { filter: () => ++asked > 0 }, () => asked === 2, new Chunks()), undefined);
    assertEquals(asked, 2);
  });

  it("is an error with an asynchronous filter, whose own error is nobody's", () => {
    const filter = (() => Promise.reject(new Error("never seen"))) as unknown as () => boolean;
    assertThrows(() => ownPart(chunk, 2, { filter }, never, new Chunks()), TypeError, "promise");
  });
});
