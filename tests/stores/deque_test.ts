import { assertEquals, assertLessOrEqual } from "@std/assert";
import { describe, it } from "node:test";
import { Deque } from "../../src/stores/deque.ts";
import { random, SEED } from "../support/seed.ts";

describe("Deque", () => {
  it("holds what an array would hold", () => {
    const chance = random(SEED);
    const deque = new Deque<number>();
    let array: number[] = [];
    for (let step = 0; step < 50_000; step++) {
      const kind = chance();
      if (kind < 0.0005) {
        deque.clear();
        array = [];
      } else if (kind < (Math.floor(step / 2_000) % 2 === 0 ? 0.6 : 0.4)) {
        deque.push(step);
        array.push(step);
      } else {
        assertEquals(deque.shift(), array.shift());
      }
      assertEquals(deque.length, array.length);
      if (array.length === 0) continue;
      const at = Math.floor(chance() * array.length);
      assertEquals(deque.at(at), array[at]!);
      assertEquals(deque.search((item) => item < array[at]!), at);
    }
  });

  it("searches by halving", () => {
    const deque = new Deque<number>();
    for (let i = 0; i < 100_000; i++) deque.push(i);
    let asked = 0;
    assertEquals(deque.search((item) => ++asked > 0 && item < 77_777), 77_777);
    assertLessOrEqual(asked, 17);
  });
});
