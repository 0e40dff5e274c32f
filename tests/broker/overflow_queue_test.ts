import { assertEquals, assertLess, assertThrows } from "@std/assert";
import { describe, it, mock } from "node:test";
import { type Entry, entryOf } from "../../src/broker/entry.ts";
import type { Outlet } from "../../src/broker/outlet.ts";
import { OverflowQueue } from "../../src/broker/overflow_queue.ts";
import { fits, howManyFit, overflowPolicy } from "../../src/broker/overflow.ts";
import { Deque } from "../../src/stores/deque.ts";
import { EntryChunk } from "../../src/broker/chunk.ts";

/** All of them are of one size. */
function entry(position: number, topic = "a"): Entry {
  return entryOf({ time: 0, position, id: String(position).padStart(3, "0"), topics: [topic], data: "xx" });
}
const BYTES = entry(1).bytes.length;

const positions = (entries: readonly Entry[]): number[] => entries.map(({ position }) => position);

/** An outlet that holds so many bytes. */
function holding(buffered: number, inProcess = false): Outlet {
  return { buffered, inProcess } as Outlet;
}

describe("OverflowQueue", () => {
  it("drops the oldest that do not fit, and says which was the newest of them", () => {
    const queue = new OverflowQueue();
    assertEquals([1, 2, 3].map((position) => queue.push(entry(position), 3 * BYTES)), [
      { dropped: 0, lost: 0 },
      { dropped: 0, lost: 0 },
      { dropped: 0, lost: 0 },
    ]);
    assertEquals(queue.push(entry(4), 3 * BYTES), { dropped: 1, lost: 1 });
    assertEquals(queue.push(entry(5), 2 * BYTES - 1), { dropped: 3, lost: 4 }); // less room than before
    assertEquals([queue.bytes, positions(queue.take(Infinity)), queue.bytes], [BYTES, [5], 0]);
  });

  it("keeps the newest, however large it is", () => {
    const queue = new OverflowQueue();
    queue.push(entry(1), 0);
    assertEquals(queue.push(entry(2), 0), { dropped: 1, lost: 1 });
    assertEquals(positions(queue.take(1)), [2]);
  });

  it("gives one at least, and no more once the bytes are reached", () => {
    const queue = new OverflowQueue();
    for (let position = 1; position <= 5; position++) queue.push(entry(position), Infinity);
    assertEquals(positions(queue.take(1)), [1]);
    assertEquals(positions(queue.take(2 * BYTES)), [2, 3]);
    assertEquals(positions(queue.take(BYTES + 1)), [4, 5]);
    assertEquals(positions(queue.take(1)), []);
  });

  it("with keys keeps the newest of each, in the order of the log, and calls nothing lost that was replaced", () => {
    const queue = new OverflowQueue(({ topics }) => topics[0]!);
    queue.push(entry(1, "a"), Infinity);
    queue.push(entry(2, "b"), Infinity);
    assertEquals(queue.push(entry(3, "a"), Infinity), { dropped: 1, lost: 0 });
    assertEquals(queue.bytes, 2 * BYTES);
    assertEquals(positions(queue.take(Infinity)), [2, 3]);
    // What was taken replaces nothing any more, and is replaced by nothing
    assertEquals(queue.push(entry(4, "a"), Infinity), { dropped: 0, lost: 0 });
    assertEquals(queue.push(entry(5, "b"), BYTES), { dropped: 1, lost: 4 });
    assertEquals(queue.push(entry(6, "a"), 2 * BYTES), { dropped: 0, lost: 0 }); // nor what was dropped
    assertEquals([positions(queue.take(Infinity)), queue.bytes], [[5, 6], 0]);
  });

  it("keeps few of those that were replaced, whatever is replaced", () => {
    const { push } = Deque.prototype;
    let most = 0;
    const mocked = mock.method(Deque.prototype, "push", function (this: Deque<unknown>, item: unknown) {
      push.call(this, item);
      most = Math.max(most, this.length);
    });
    const queue = new OverflowQueue(({ topics }) => topics[0]!);
    for (let position = 1; position <= 1_000; position++) queue.push(entry(position, `${position % 3}`), Infinity);
    queue.push(entry(2_000, "kept"), Infinity);
    for (let position = 2_001; position <= 3_000; position++) queue.push(entry(position, "0"), Infinity);
    mocked.mock.restore();
    assertLess(most, 20);
    assertEquals(positions(queue.take(Infinity)), [998, 1_000, 2_000, 3_000]);
    assertEquals(queue.bytes, 0);
  });

  it("is as it was when `key` gives no string", () => {
    let key: unknown = "k";
    const queue = new OverflowQueue(() => key as string);
    queue.push(entry(1), Infinity);
    key = undefined;
    assertThrows(() => queue.push(entry(2), Infinity), TypeError);
    assertEquals([queue.bytes, positions(queue.take(Infinity))], [BYTES, [1]]);
  });
});

describe("What fits a budget", () => {
  it("is what is not larger than what is left of it; one event alone always", () => {
    const [one, two] = [[entry(1)], [entry(1), entry(2)]].map((entries) => new EntryChunk(entries!));
    assertEquals(fits(two!, holding(10), 10 + 2 * BYTES), true);
    assertEquals(fits(two!, holding(10), 9 + 2 * BYTES), false);
    assertEquals([0, 1].map((buffered) => fits(one!, holding(buffered), 1)), [true, false]);
    assertEquals(fits(two!, holding(0), 1), false);
  });

  it("is counted from the first on", () => {
    const entries = [1, 2, 3].map((position) => entry(position));
    assertEquals([0, 1, BYTES, 2 * BYTES, 9 * BYTES].map((max) => howManyFit(entries, holding(0), max)), [
      1,
      1,
      1,
      2,
      3,
    ]);
    assertEquals([1, BYTES, BYTES + 1].map((max) => howManyFit(entries, holding(1), max)), [0, 0, 1]);
  });
});

describe("An overflow policy", () => {
  const counters = { dropped: 0 };
  const chunk = (...at: number[]): EntryChunk => new EntryChunk(at.map((position) => entry(position)));

  for (const [overflow, verdict] of [["close", "end"], ["replay", "behind"], [undefined, "behind"]] as const) {
    it(`${overflow}: all fits, or ${verdict}`, () => {
      const policy = overflowPolicy({ overflow }, 2 * BYTES, counters);
      assertEquals([0, 1].map((held) => policy.offer(chunk(1, 2), holding(held))), ["write", verdict]);
      assertEquals([policy.bytes, policy.take(), policy.letGo()], [
        0,
        { lost: 0, entries: [] },
        { lost: 0, before: undefined },
      ]);
    });
  }

  it("drop-oldest: events wait behind those that wait, in half the budget, and the newest dropped is told once", () => {
    const own = { dropped: 0 };
    const policy = overflowPolicy({ overflow: "drop-oldest" }, 4 * BYTES, own);
    assertEquals(policy.offer(chunk(1, 2), holding(0)), "write");
    assertEquals(policy.offer(chunk(3), holding(2 * BYTES)), "wait");
    assertEquals(policy.offer(chunk(4), holding(0)), "wait"); // not before the third
    assertEquals(policy.offer(chunk(5, 6), holding(BYTES)), "wait");
    assertEquals([policy.bytes, own.dropped], [3 * BYTES, 1]);
    const { lost, entries } = policy.take();
    assertEquals([lost, positions(entries)], [3, [4, 5]]);
    assertEquals([policy.take().lost, policy.bytes], [0, 0]);
  });

  it("drop-oldest: what was dropped is told though there was room again before", () => {
    const policy = overflowPolicy({ overflow: "drop-oldest" }, 2 * BYTES, { dropped: 0 });
    policy.offer(chunk(1), holding(BYTES));
    policy.offer(chunk(2), holding(BYTES));
    policy.offer(chunk(3), holding(0));
    assertEquals(policy.take().lost, 1);
  });

  it("drop-oldest: who falls behind reads on before the oldest that waits, and is told what was dropped before it", () => {
    const policy = overflowPolicy({ overflow: "drop-oldest" }, 2 * BYTES, { dropped: 0 });
    assertEquals(policy.letGo(), { lost: 0, before: undefined });
    for (let position = 1; position <= 3; position++) policy.offer(chunk(position), holding(1));
    assertEquals(policy.letGo(), { lost: 2, before: 2 });
  });

  it("conflate: by the first topic unless `key` says otherwise", () => {
    const own = { dropped: 0 };
    const policy = overflowPolicy({ overflow: "conflate" }, 1_000, own);
    for (const [position, topic] of [[1, "a"], [2, "b"], [3, "a"]] as const) {
      policy.offer(new EntryChunk([entry(position, topic)]), holding(1_000));
    }
    // There is no room: one waits, however large
    assertEquals([positions(policy.take().entries), own.dropped], [[3], 2]);
  });
});
