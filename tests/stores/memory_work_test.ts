import { assert, assertEquals, assertGreater, assertLess, assertLessOrEqual } from "@std/assert";
import { describe, it, mock } from "node:test";
import { MemoryReplayStore, type NewEvent } from "../../mod.ts";
import { laterTurn } from "../../src/time/later_turn.ts";

const EVENTS = 200_000;
/** What may be done in one turn: 10,000, by two kinds of calls at most. */
const MOST = 20_000;

/** Counts how often topics of events are looked at, in all and at most in one turn of the event loop. */
class Looks {
  total = 0;
  most = 0;
  #inTurn = 0;
  #watching = true;

  constructor() {
    const watch = (): void => {
      this.most = Math.max(this.most, this.#inTurn);
      this.#inTurn = 0;
      if (this.#watching) laterTurn(watch);
    };
    laterTurn(watch);
  }

  /** Topics of an event that count who looks at them. */
  topics(...topics: string[]): readonly string[] {
    const values = topics[Symbol.iterator];
    return Object.defineProperty(topics, Symbol.iterator, {
      value: () => {
        this.total++;
        this.#inTurn++;
        return values.call(topics);
      },
    });
  }

  /** Forgets what was counted in this turn. */
  reset(): void {
    this.total = this.most = this.#inTurn = 0;
  }

  end(): void {
    this.most = Math.max(this.most, this.#inTurn);
    this.#watching = false;
  }
}

async function filled(
  limits: ConstructorParameters<typeof MemoryReplayStore>[0],
  topicsOf: (i: number) => readonly string[],
  count = EVENTS,
): Promise<MemoryReplayStore> {
  const store = new MemoryReplayStore({ maxBytes: Infinity, ...limits });
  for (let i = 0; i < count; i += 1_000) {
    await store.append(Array.from({ length: 1_000 }, (_, j): NewEvent => ({ topics: topicsOf(i + j), data: "" })));
  }
  return store;
}

describe("MemoryReplayStore with 200,000 events: no call holds up the event loop", () => {
  const timeout = 120_000;

  it("a read looks at a bounded number of events, at fewer for patterns that are dear", { timeout }, async () => {
    const looks = new Looks();
    const deep = looks.topics("a/a/a/a/a/a/a/a/a/a");
    const store = await filled({}, () => deep, 30_000);
    // None reaches it, and all are followed to their ends
    const dear = Array.from(
      { length: 256 },
      (_, i) => [...i.toString(2).padStart(8, "0")].map((bit) => bit === "0" ? "a" : "*").join("/") + "/a/z",
    );
    const mostOf = async (topics: readonly string[]): Promise<number> => {
      let most = 0;
      for (let position = 0, at = -1; position !== at;) {
        looks.reset();
        at = position;
        ({ position } = await store.read(at, { topics, limit: 100 }));
        most = Math.max(most, looks.total);
      }
      return most;
    };
    assertLessOrEqual(await mostOf(["b", "a/*", "c/**"]), 10_000);
    assertLess(await mostOf(dear), 100);
    looks.end();
  });

  it("a seek for the last events of topics looks at no other events", { timeout }, async () => {
    const looks = new Looks();
    const [far, near, both] = [looks.topics("far"), looks.topics("near"), looks.topics("near", "far")];
    const store = await filled({}, (i) => i < 10 ? far : i === 99 ? both : near);
    looks.reset();
    const seek = (last: number, ...topics: string[]): Promise<number> => store.seek({ last, topics });
    assertEquals(await seek(3, "far"), 8);
    assertEquals(await seek(1, "far"), 99);
    assertEquals(await seek(100, "far", "none"), 0);
    assertEquals(await seek(2, "near", "far"), EVENTS - 2);
    assertEquals(await seek(5_000, "near", "far"), EVENTS - 5_000);
    looks.end();
    assertEquals(looks.total, 0); // positions lead from one to the next
  });

  it("seeks for patterns share each turn, and a near one does not wait for them", { timeout }, async () => {
    const looks = new Looks();
    const [far, near] = [looks.topics("far"), looks.topics("near")];
    const store = await filled({}, (i) => i < EVENTS - 5_000 ? far : near);
    looks.reset();
    const ended: string[] = [];
    const seek = async (pattern: string, last: number): Promise<number> => {
      const position = await store.seek({ last, topics: [pattern] });
      ended.push(pattern);
      return position;
    };
    const found = await Promise.all([seek("far/**", 3), seek("none/*", 1), seek("fa/*", 100), seek("near/**", 100)]);
    looks.end();
    assertEquals([found[0], found[3]], [EVENTS - 5_003, EVENTS - 100]);
    assertEquals(ended[0], "near/**");
    assertLessOrEqual(looks.most, MOST);
  });

  it("a seek for patterns looks at about 10,000 events, then begins with fewer", { timeout }, async () => {
    const looks = new Looks();
    const topics = looks.topics("log");
    const store = await filled({}, () => topics);
    looks.reset();
    const position = await store.seek({ last: 1, topics: ["none/*"] });
    looks.end();
    assertLessOrEqual(looks.total, 10_500);
    assertEquals(position, EVENTS - looks.total);
    assertGreater(looks.total, 9_000);
  });

  it("500 seeks for the same patterns cost what one costs", { timeout }, async () => {
    const looks = new Looks();
    const topics = looks.topics("log");
    const store = await filled({}, () => topics);
    looks.reset();
    const seeks = Array.from({ length: 500 }, () => store.seek({ last: 1, topics: ["none/*"] }));
    const positions = await Promise.all(seeks);
    looks.end();
    assertLessOrEqual(looks.total, 10_500);
    assertEquals(new Set(positions).size, 1);
  });

  it("a seek ends at the oldest event, though the log loses events meanwhile", { timeout }, async () => {
    const topics = ["a"];
    const store = await filled({ maxEvents: EVENTS }, () => topics);
    const seeking = Promise.all([
      store.seek({ last: 1, topics: ["none/*"] }),
      store.seek({ last: EVENTS - 1, topics: ["a"] }),
    ]);
    await new Promise<void>((resolve) => void laterTurn(resolve));
    await store.append(Array.from({ length: EVENTS - 1_000 }, () => ({ topics, data: "" })));
    const positions = await seeking;
    const { removed } = await store.read(0, { limit: 1 });
    assertEquals([...positions, removed], [EVENTS - 1_000, EVENTS - 1_000, EVENTS - 1_000]); // past what they had come to
  });

  it("a seek under way is rejected when the store closes", { timeout }, async () => {
    const store = await filled({}, () => ["a"]);
    const seeking = store.seek({ last: 1, topics: ["none/*"] }).then(() => "found", ({ code }) => code);
    await store.close();
    assertEquals(await seeking, "backend-failed");
  });

  it("events that have become too old are removed over several turns, and given to nobody", { timeout }, async () => {
    mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
    try {
      const looks = new Looks();
      const topics = looks.topics("a/b", "c");
      const store = await filled({ maxAge: 1_000 }, () => topics);
      looks.reset();
      mock.timers.setTime(1_001_001);
      const [{ events, removed }, ofTopic, located] = await Promise.all([
        store.read(0, { limit: 1 }),
        store.removed(["a/**"]),
        store.locate("none", ["a"]),
        store.append([{ topics: ["d"], data: "new" }]),
      ]);
      looks.end();
      assertEquals([events.map(({ data }) => data), removed, ofTopic, located], [["new"], EVENTS, EVENTS, undefined]);
      assertGreater(looks.total, EVENTS - 1);
      assertLessOrEqual(looks.most, MOST);
    } finally {
      mock.timers.reset();
    }
  });

  it("a large event that takes the place of many does not remove them all at once", { timeout }, async () => {
    const looks = new Looks();
    const topics = looks.topics("a");
    const store = await filled({ maxBytes: EVENTS * 320 }, () => topics);
    looks.reset();
    const appending = store.append([{ topics: ["b"], data: "x".repeat(100 * EVENTS) }]);
    assertLess(looks.total, MOST);
    await appending;
    for (let i = 0; i < 100; i++) await new Promise<void>((resolve) => void laterTurn(resolve));
    const { total } = looks; // nobody has asked for anything, and it is done
    const { removed } = await store.read(0, { limit: 1 });
    looks.end();
    assertEquals(looks.total, total);
    assertGreater(removed, EVENTS / 4);
    assertEquals(await store.removed(["a"]), removed);
    assertLessOrEqual(looks.most, MOST);
  });

  it("an append looks at what it stores and at what it removes, and at nothing else", { timeout }, async () => {
    const looks = new Looks();
    const topics = looks.topics("a");
    const store = await filled({ maxEvents: 100_000 }, () => topics);
    looks.reset();
    for (let i = 0; i < 1_000; i++) await store.append([{ topics, data: "" }]);
    looks.end();
    assertEquals(looks.total, 4_000);
  });

  it(
    "an own ID that is known is found, and an unknown one is not, without a look at the log",
    { timeout },
    async () => {
      const looks = new Looks();
      const topics = looks.topics("a");
      const store = await filled({}, () => topics);
      await store.append([{ topics: ["a"], data: "", id: "own" }]);
      looks.reset();
      assertEquals([await store.locate("own", ["**"]), await store.locate("x", ["**"])], [EVENTS + 1, undefined]);
      looks.end();
      assertEquals(looks.total, 0);
    },
  );

  it("what was removed of 100,000 topics is not looked through for a pattern", { timeout }, async () => {
    const store = await filled({ maxEvents: 100_000 }, (i) => i === 99_999 ? ["user/x/y"] : [`user/${i}`]);
    assertEquals(await store.removed(["user/77", "user/78/**"]), 79);
    assertEquals(await store.removed(["user/**"]), 100_000);
    // Exact would be 99,999: whoever answers this has not looked at everything
    const removed = await store.removed(["user/*"]);
    assertEquals(removed, 100_000);
    assert(await store.removed(["users/*"]) < 79);
  });
});
