import { assert, assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, MemoryReplayStore } from "../../mod.ts";
import { settle } from "../support/settle.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { wrapStore } from "../support/wrap_store.ts";

type Announced = [node: string, says: string | undefined, ttl: number];

/** A broker on a store by which nodes tell each other what `others` says of them. */
function start(others: Record<string, string>, announced: Announced[], errors: unknown[] = []): Broker {
  const store = wrapStore(new MemoryReplayStore(), {
    announce: async (...said) => {
      announced.push(said);
      const [node, says] = said;
      await undefined;
      if (others.fails !== undefined) throw new Error(others.fails);
      return new Map([...Object.entries(others), ...(says === undefined ? [] : [[node, says] as const])]);
    },
  });
  return new Broker({ heartbeat: 0, store, onError: (error) => errors.push(error) });
}

const said = (...counts: [topics: string[], subscribers: number][]): string => JSON.stringify(counts);

/** Lets a node tell the others: once now, and once for each further second. */
async function tell(clock: VirtualClock, seconds = 0): Promise<void> {
  clock.advance(0);
  await settle();
  for (let i = 0; i < seconds; i++) {
    clock.advance(1_000);
    await settle();
  }
}

describe("Presence", () => {
  it("tells the other nodes every second, and counts what they say, but not itself twice", async () => {
    using clock = new VirtualClock();
    const others: Record<string, string> = { other: said([["a"], 2], [["b", "a/*"], 3]) };
    const announced: Announced[] = [];
    const broker = start(others, announced);
    broker.subscribe("a");
    broker.subscribe("a");
    broker.subscribe("b/c");
    await tell(clock);
    assertEquals(announced.map(([, says, ttl]) => [says, ttl]), [[said([["a"], 2], [["b/c"], 1]), 4_000]]);
    const count = (topics: string[]): Promise<number[]> => Promise.all(topics.map((topic) => broker.count(topic)));
    assertEquals(await count(["a", "b", "b/c", "a/x", "c"]), [4, 3, 1, 3, 0]);
    // Of a pattern, those who subscribe to nothing outside it
    assertEquals(await count(["**", "a/**", "b/*", "c/*"]), [8, 4, 1, 0]);
    assertEquals(broker.stats().nodes, 2);
    others.other = said([["a"], 5]);
    others.third = said();
    await tell(clock, 1);
    assertEquals([await broker.count("a"), broker.stats().nodes, announced.length], [7, 3, 2]);
    delete others.other;
    await tell(clock, 1);
    assertEquals([await broker.count("a"), broker.stats().nodes], [2, 2]);
    await broker.close();
    assertEquals(announced.at(-1)!.slice(1), [undefined, 1]);
    const { length } = announced;
    await tell(clock, 3);
    assertEquals([announced.length, new Set(announced.map(([node]) => node)).size], [length, 1]);
  });

  it("tells the less often the more there is to tell: 256 KiB a second", async () => {
    using clock = new VirtualClock();
    const announced: Announced[] = [];
    const broker = start({}, announced);
    const topic = "x".repeat(500);
    for (let i = 0; i < 1_024; i++) broker.subscribe(`${i}${topic}`);
    await tell(clock);
    const [, says, ttl] = announced[0]!;
    const interval = says!.length / 256;
    assert(interval > 2_000);
    assertEquals(ttl, Math.round(interval * 4));
    await tell(clock, Math.floor(interval / 1_000));
    assertEquals(announced.length, 1);
    await tell(clock, 1);
    assertEquals(announced.length, 2);
    await broker.close();
  });

  it("goes on when the store fails, which is told", async () => {
    using clock = new VirtualClock();
    const others: Record<string, string> = { other: said([["a"], 2]) };
    const announced: Announced[] = [];
    const errors: unknown[] = [];
    const broker = start(others, announced, errors);
    await tell(clock);
    others.fails = "not now";
    await tell(clock, 2);
    assertEquals([errors.length, announced.length, await broker.count("a")], [2, 3, 2]);
    delete others.fails;
    await tell(clock, 1);
    assertEquals([errors.length, announced.length], [2, 4]);
    await broker.close();
  });
});
