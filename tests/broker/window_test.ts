import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { type Entry, entryOf } from "../../src/broker/entry.ts";
import { Window } from "../../src/broker/window.ts";

const entry = (position: number, id = `~epochepo.${position}`, topic = "a"): Entry =>
  entryOf({ time: 0, position, id, topics: [topic], data: "x".repeat(10) });
/** Of those with a position of two digits. */
const BYTES = entry(11).bytes.length;

const positions = (entries: readonly Entry[]): number[] => entries.map(({ position }) => position);

describe("Window", () => {
  it("holds what fits, and knows from where on it has all", () => {
    const window = new Window(3 * BYTES, 10);
    assertEquals([window.head, window.floor, positions(window.read(10, 9))], [10, 10, []]);
    for (const position of [11, 13, 14]) window.push(entry(position));
    assertEquals([window.head, window.floor, positions(window.read(10, 9))], [14, 10, [11, 13, 14]]);
    window.push(entry(15));
    assertEquals([window.head, window.floor, positions(window.read(11, 9))], [15, 11, [13, 14, 15]]);
    assertEquals([12, 13, 15].map((after) => positions(window.read(after, 9))), [[13, 14, 15], [14, 15], []]);
    assertEquals([1, 2].map((limit) => positions(window.read(11, limit))), [[13], [13, 14]]);
  });

  it("that is too small for one event holds none", () => {
    const window = new Window(BYTES - 1, 0);
    window.push(entry(11));
    assertEquals([window.head, window.floor, window.read(11, 9)], [11, 11, []]);
  });

  it("begins anew where the tail has jumped to", () => {
    const window = new Window(2 * BYTES, 0);
    window.push(entry(1));
    window.push(entry(2, "own"));
    assertEquals(window.locate("own", ["a"]), 2);
    window.restart(7);
    assertEquals([window.head, window.floor, window.read(7, 9), window.locate("own", ["a"])], [7, 7, [], undefined]);
    window.push(entry(8));
    window.push(entry(9, "own")); // as much as fits: nothing of before counts
    assertEquals([window.floor, positions(window.read(7, 9)), window.locate("own", ["a"])], [7, [8, 9], 9]);
  });

  it("finds a publisher's own IDs by topic, for as long as it holds the event, and none of the store's", () => {
    const window = new Window(3 * "id: one\ndata: xxxxxxxxxx\n\n".length, 0);
    window.push(entry(1, "one"));
    assertEquals([window.locate("one", ["a"]), window.locate("one", ["b"]), window.locate("two", ["a"])], [
      1,
      undefined,
      undefined,
    ]);
    window.push(entry(2, "two"));
    window.push(entry(3, "one", "b"));
    assertEquals([window.locate("two", ["a"]), window.locate("one", ["b"]), window.locate("one", ["a"])], [2, 3, 1]);
    window.push(entry(4, "six"));
    assertEquals([window.locate("one", ["a"]), window.locate("six", ["*"])], [undefined, 4]);
    window.push(entry(5));
    assertEquals(window.locate("~epochepo.5", ["a"]), undefined);
  });
});
