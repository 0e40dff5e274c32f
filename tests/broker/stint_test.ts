import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { piecesOf, Stint } from "../../src/broker/stint.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

/** How many pieces of one size are worked off before it is time to give way. */
function count(stint: Stint, pieces?: number, work = (): void => {}): number {
  let done = 1;
  for (; !stint.isOver(pieces); done++) work();
  return done;
}

describe("Stint", () => {
  it("is over after 1,000 pieces, however little time they took, and begins anew", () => {
    using _ = new VirtualClock();
    const stint = new Stint();
    for (let i = 0; i < 2; i++) {
      stint.begin();
      assertEquals(count(stint), 1_000);
      assertEquals(stint.isOver(), true); // until it begins anew
    }
    stint.begin();
    assertEquals(count(stint, 250), 4);
    stint.begin();
    assertEquals(count(stint, 0.5), 2_000);
  });

  it("is over after 4 ms, at which it looks after every 32 pieces", () => {
    using clock = new VirtualClock();
    const stint = new Stint();
    stint.begin();
    assertEquals(count(stint, 1, () => clock.advance(1)), 32);
    stint.begin();
    assertEquals(count(stint, 64, () => clock.advance(1)), 5); // 0, 1, 2, 3, 4 ms
    stint.begin();
    for (let i = 0; i < 32; i++) assertEquals(stint.isOver(), false);
    clock.advance(4);
    assertEquals(count(stint), 32);
  });
});

describe("Events that are handed to a subscriber", () => {
  it("are pieces of work by four where each is looked at, and by 64 where they leave together", () => {
    assertEquals([1, 5, 65].map((events) => piecesOf(events, true)), [1, 2, 17]);
    assertEquals([1, 65, 129].map((events) => piecesOf(events, false)), [1, 2, 3]);
  });
});
