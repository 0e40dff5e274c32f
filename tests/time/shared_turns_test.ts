import { assert, assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import { describe, it } from "node:test";
import { laterTurn } from "../../src/time/later_turn.ts";
import { SharedTurns } from "../../src/time/shared_turns.ts";

describe("SharedTurns", () => {
  it("does no more than its share in one turn, however many jobs there are", async () => {
    const turns = new SharedTurns(1_000, 100);
    let inTurn = 0;
    let most = 0;
    let watching = true;
    const watch = (): void => {
      most = Math.max(most, inTurn);
      inTurn = 0;
      if (watching) laterTurn(watch);
    };
    laterTurn(watch);
    let total = 0;
    const job = (work: number): Promise<void> =>
      turns.run((most) => {
        assertLessOrEqual(most, 100);
        const spent = Math.min(work, most);
        work -= spent;
        inTurn += spent;
        total += spent;
        return { spent, done: work === 0 };
      });
    await Promise.all(Array.from({ length: 50 }, () => job(777)));
    watching = false;
    assertEquals(total, 50 * 777);
    assertLessOrEqual(most, 1_000);
  });

  it("lets a short job end before a long one that began earlier", async () => {
    const turns = new SharedTurns(1_000, 100);
    const ended: string[] = [];
    const job = async (name: string, work: number): Promise<void> => {
      await turns.run((most) => {
        const spent = Math.min(work, most);
        work -= spent;
        return { spent, done: work === 0 };
      });
      ended.push(name);
    };
    await Promise.all([job("long", 10_000), job("short", 50)]);
    assertEquals(ended, ["short", "long"]);
  });

  it("begins at once, and counts a step that did nothing", async () => {
    const turns = new SharedTurns(10, 5);
    let steps = 0;
    const done = turns.run(() => ({ spent: 0, done: ++steps === 25 }));
    assertEquals(steps, 10);
    await done;
    assertEquals(steps, 25);
  });

  it("rejects for a job that throws, and goes on with the others", async () => {
    const turns = new SharedTurns(10, 5);
    let left = 100;
    const [failed, other] = [
      turns.run(() => {
        throw new Error("broken");
      }),
      turns.run((most) => ({ spent: most, done: (left -= most) <= 0 })),
    ];
    await assertRejects(() => failed, Error, "broken");
    await other;
    assert(left <= 0);
  });
});
