import { assert, assertEquals, assertGreater, assertLessOrEqual } from "@std/assert";
import { describe, it } from "node:test";
import type { NewEvent, ReplayStore, StoredEvent, TailHandlers } from "../../mod.ts";

/** What a store is opened with, for the suite. */
export interface StoreLimits {
  readonly maxEvents?: number;
}

/** What a store may leave out, as the contract allows; a case that needs it is then not defined. */
export interface StoreAbilities {
  /** It knows of each topic what retention has removed; without, it answers with the newest removed of all topics. */
  readonly removedByTopic?: false;
}

const event = (topic: string, data: string, more: Partial<NewEvent> = {}): NewEvent => ({
  topics: [topic],
  data,
  ...more,
});

function collector(): TailHandlers & { readonly events: StoredEvent[]; until(count: number): Promise<void> } {
  const events: StoredEvent[] = [];
  let wake = (): void => {};
  return {
    events,
    onEvents(more) {
      events.push(...more);
      wake();
    },
    onError(error) {
      throw error;
    },
    onLost(position) {
      throw new Error(`lost until ${position}`);
    },
    async until(count) {
      while (events.length < count) await new Promise<void>((resolve) => wake = resolve);
    },
  };
}

/** What every replay store promises: `ReplayStore`'s documentation, line by line. */
export function replayStoreSuite(
  name: string,
  open: (limits: StoreLimits) => Promise<ReplayStore>,
  abilities: StoreAbilities = {},
): void {
  const test = (
    says: string,
    limits: StoreLimits,
    run: (store: ReplayStore) => Promise<void>,
    needs?: keyof StoreAbilities,
  ): void => {
    if (needs !== undefined && abilities[needs] === false) return;
    it(says, { timeout: 60_000 }, async () => {
      const store = await open(limits);
      try {
        await run(store);
      } finally {
        await store.close();
      }
    });
  };

  describe(`${name}: the promises of ReplayStore`, () => {
    test("positions grow, and reading shows the same order", {}, async (store) => {
      const results = await Promise.all([
        store.append([event("a", "1"), event("b", "2")]),
        store.append([event("a", "3")]),
      ]);
      const ids = results.flat().map(({ id }) => id!);
      const { events, position } = await store.read(0, { limit: 10 });
      assertEquals(events.map(({ data, id }) => [data, id]), [["1", ids[0]!], ["2", ids[1]!], ["3", ids[2]!]]);
      for (let i = 1; i < events.length; i++) assertGreater(events[i]!.position, events[i - 1]!.position);
      assert(events.every((event) => Number.isSafeInteger(event.position) && event.position >= 1));
      assertEquals(position, events.at(-1)!.position);
    });

    test("an event is read back as it was given", {}, async (store) => {
      const given: NewEvent[] = [
        { topics: ["a", "ü/🌍"], data: "é\u{10ffff}\0\n", event: "t", comment: "c", retry: 7, id: "own" },
        { topics: ["a"], data: "" },
      ];
      const before = Date.now();
      await store.append(given);
      const { events } = await store.read(0, { limit: 10 });
      events.forEach(({ topics, data, event, comment, retry }, i) => {
        const { topics: t, data: d, event: e, comment: c, retry: r } = given[i]!;
        assertEquals([topics, data, event, comment, retry], [t, d, e, c, r]);
      });
      assertEquals(events[0]!.id, "own");
      assert(events.every(({ time }) => time >= before - 1_000 && time <= Date.now() + 1_000));
    });

    test("reading is bounded, by topics and patterns, and says how far it looked", {}, async (store) => {
      await store.append(Array.from({ length: 100 }, (_, i) => event(i % 10 === 0 ? "a/b" : "x", String(i))));
      const first = await store.read(0, { topics: ["a/*"], limit: 3 });
      assertEquals(first.events.map(({ data }) => data), ["0", "10", "20"]);
      const rest = await store.read(first.position, { topics: ["a/**"], limit: 100 });
      assertEquals(rest.events.map(({ data }) => data), ["30", "40", "50", "60", "70", "80", "90"]);
      const { position } = await store.read(0, { limit: 1_000 });
      let at = 0;
      while (at < position) { // nothing matches, and yet it gets to the end
        const { events, position: next } = await store.read(at, { topics: ["none"], limit: 7 });
        assertEquals(events.length, 0);
        assertGreater(next, at);
        at = next;
      }
      const large = await store.read(0, { limit: 100, maxLength: 1 });
      assertGreater(large.events.length, 0);
    });

    test("what is stored between two steps of a reader is neither skipped nor called removed", {}, async (store) => {
      await store.append(Array.from({ length: 150 }, (_, i) => event("a", String(i))));
      const seen: string[] = [];
      const removed: number[] = [];
      let position = 0;
      for (let step = 0; step < 20 && seen.length < 155; step++) {
        const result = await store.read(position, { topics: ["a"], limit: 40 });
        seen.push(...result.events.map(({ data }) => data));
        removed.push(result.removed);
        position = result.position;
        await store.append([event("a", String(150 + step))]);
      }
      assertEquals(seen.slice(0, 155), Array.from({ length: 155 }, (_, i) => String(i)));
      assertEquals(Math.max(...removed), 0);
    });

    test("a tail hands over every event once, in order, from its beginning on", {}, async (store) => {
      await store.append([event("a", "before")]);
      const seen = collector();
      const tail = await store.tail(seen);
      assertEquals((await store.read(0, { limit: 10 })).position, tail.position);
      await Promise.all(Array.from({ length: 50 }, (_, i) => store.append([event("a", String(i))])));
      await seen.until(50);
      assertEquals(seen.events.map(({ data }) => data), Array.from({ length: 50 }, (_, i) => String(i)));
      assertEquals((await store.read(tail.position, { limit: 100 })).events, seen.events);
      await tail.close();
      await store.append([event("a", "after")]);
      assertEquals(seen.events.length, 50);
    });

    test("several tails see the same", {}, async (store) => {
      const [one, two] = [collector(), collector()];
      await store.tail(one);
      await store.append([event("a", "1")]);
      await store.tail(two);
      await store.append([event("a", "2")]);
      await Promise.all([one.until(2), two.until(1)]);
      assertEquals(one.events.slice(1), two.events);
    });

    test("an ID can be made and located for every position, an empty log included", {}, async (store) => {
      const start = (await store.tail(collector())).position;
      assertEquals(await store.locate(store.idAt(start), ["a"]), start);
      const [{ id }] = await store.append([event("a", "1"), event("a", "2")]) as [{ id: string }];
      const [first] = (await store.read(0, { limit: 1 })).events;
      assertEquals(await store.locate(id, ["a"]), first!.position);
      assertEquals(await store.locate(store.idAt(first!.position), ["a"]), first!.position);
      assert(new TextEncoder().encode(store.idAt(Number.MAX_SAFE_INTEGER)).length <= 256);
    });

    test("an ID that is not its own stands for nothing", {}, async (store) => {
      await store.append([event("a", "1")]);
      const other = await open({});
      const theirs = (await other.tail(collector())).position;
      for (
        const id of [
          other.idAt(theirs),
          store.idAt(1_000_000),
          "x",
          "1",
          "",
          store.idAt(1) + "0",
          store.idAt(1) + "_1,a-Z",
          "~abcdefgh.0",
          "~",
          "\u0000",
          "é".repeat(99),
        ]
      ) {
        assertEquals(await store.locate(id, ["a"]), undefined, id);
      }
      await other.close();
    });

    test("an own ID is kept once while it is retained", {}, async (store) => {
      const seen = collector();
      await store.tail(seen);
      const both = { topics: ["a", "b"], data: "1", event: "t", comment: "c", retry: 7, id: "x" };
      const results = await store.append([both, { ...both, topics: ["b", "a"] }, event("a", "2")]);
      assertEquals([results[0]!.id, results[1]!.id], ["x", "x"]);
      assertEquals((await store.append([{ ...both }]))[0]!.id, "x");
      await store.append([event("a", "3")]);
      await seen.until(3);
      assertEquals(seen.events.map(({ data }) => data), ["1", "2", "3"]);
      assertEquals(await store.locate("x", ["a"]), seen.events[0]!.position);
      assertEquals(await store.locate("x", ["**"]), seen.events[0]!.position);
    });

    test("an own ID of an event with other content is refused, and it alone", {}, async (store) => {
      const first = { topics: ["a", "b"], data: "1", event: "t", comment: "c", retry: 7, id: "x" };
      const others = [{ data: "2" }, { event: "u" }, { comment: undefined }, { retry: 8 }, {
        topics: ["b", "a"],
        data: "",
      }];
      const results = await store.append([
        first,
        ...others.map((other) => ({ ...first, ...other })),
        event("a", "last"),
      ]);
      assertEquals(
        results.slice(1, -1).map(({ error }) => (error as { code?: string }).code),
        others.map(() => "id-taken"),
      );
      assertEquals((await store.append([{ ...first, data: "2" }]))[0]!.id, undefined);
      assertEquals((await store.read(0, { limit: 10 })).events.map(({ data }) => data), ["1", "last"]);
    });

    test(
      "an own ID with other topics is another event, and stands for the earliest that is reached",
      {},
      async (store) => {
        const sets = [["a/x"], ["a/x", "b"], ["b"], ["a/y", "b"], ["$s"]];
        const results = await store.append(sets.map((topics, i) => ({ topics, data: String(i), id: "x" })));
        assertEquals(results, sets.map(() => ({ id: "x" })));
        const { events } = await store.read(0, { limit: 10 });
        assertEquals(
          events.map(({ topics, data, id }) => [topics, data, id]),
          sets.map((set, i) => [set, String(i), "x"]),
        );
        const found: ReadonlyArray<readonly [topics: string[], index: number]> = [
          [["a/x"], 0],
          [["b"], 1],
          [["a/y"], 3],
          [["$s"], 4],
          [["a/*"], 0],
          [["*"], 1],
          [["**"], 0],
          [["none", "$s", "a/y"], 3],
        ];
        for (const [topics, index] of found) {
          assertEquals(await store.locate("x", topics), events[index]!.position, topics.join());
        }
        assertEquals([await store.locate("x", ["a"]), await store.locate("x", [])], [undefined, undefined]);
        assertEquals(await store.append([{ topics: ["b"], data: "2", id: "x" }]), [{ id: "x" }]);
        assertEquals((await store.read(0, { limit: 10 })).events.length, sets.length);
      },
    );

    test("an own ID is looked for among 64 events that have it", {}, async (store) => {
      await store.append(Array.from({ length: 70 }, (_, i) => event(`t/${i}`, String(i), { id: "x" })));
      const { events } = await store.read(0, { limit: 100 });
      assertEquals(events.length, 70);
      assertEquals(await store.locate("x", ["t/63", "t/64"]), events[63]!.position);
      assertEquals(await store.locate("x", ["t/64"]), undefined);
    });

    test("an own ID is free again for a set of topics with its event's removal", { maxEvents: 3 }, async (store) => {
      await store.append([event("a", "1", { id: "x" }), event("b", "2", { id: "x" })]);
      for (const data of ["3", "4"]) await store.append([event("c", data)]);
      assertEquals(await store.locate("x", ["a"]), undefined);
      const { events: [second] } = await store.read(0, { topics: ["b"], limit: 1 });
      assertEquals(await store.locate("x", ["a", "b"]), second!.position);
      assertEquals(await store.append([event("a", "5", { id: "x" })]), [{ id: "x" }]);
      const { events } = await store.read(0, { topics: ["a"], limit: 9 });
      assertEquals(events.map(({ data }) => data), ["5"]);
      assertEquals(await store.locate("x", ["a", "b"]), events[0]!.position); // the other went with it
    });

    test("an own ID of the store's form is refused, and it alone", {}, async (store) => {
      const { position } = await store.tail(collector());
      const refused = [store.idAt(position), "~abcdefgh.0", "~abcdefgh.12345678901234567", "~abcdefgh.1_2,aZ-9"];
      const allowed = ["~abcdefgh.", "~abcdefg.0", "~ABCDEFGH.0", "~abcdefgh.1.2", "x~abcdefgh.0", "~abcdefgh.0 "];
      const results = await store.append([...refused, ...allowed].map((id) => event("a", id, { id })));
      const codes = results.slice(0, refused.length).map(({ error }) => (error as { code?: string }).code);
      assertEquals(codes, refused.map(() => "id-taken"));
      assertEquals(results.slice(refused.length).map(({ id }) => id), allowed);
      assertEquals((await store.read(0, { limit: 10 })).events.map(({ data }) => data), allowed);
    });

    test("seeking finds the last events of topics, and a time", {}, async (store) => {
      await store.append(Array.from({ length: 20 }, (_, i) => event(i % 2 === 0 ? "even" : "odd", String(i))));
      const from = async (position: number, topics?: string[]): Promise<string[]> =>
        (await store.read(position, { topics, limit: 100 })).events.map(({ data }) => data);
      assertEquals(await from(await store.seek({ last: 3, topics: ["odd"] }), ["odd"]), ["15", "17", "19"]);
      assertEquals((await from(await store.seek({ last: 999, topics: ["odd"] }), ["odd"])).length, 10);
      assertEquals((await from(await store.seek({ since: 0 }))).length, 20);
      assertEquals((await from(await store.seek({ since: Date.now() + 60_000 }))).length, 0);
    });

    test("retention removes the oldest and remembers for whom", { maxEvents: 10 }, async (store) => {
      await store.append([event("quiet", "q"), event("gone", "g", { id: "own" })]);
      const quiet = (await store.read(0, { limit: 1 })).events[0]!.position;
      for (let i = 0; i < 30; i++) await store.append([event("busy", String(i))]);
      const { events, removed } = await store.read(0, { limit: 100 });
      assertEquals(events.map(({ data }) => data), Array.from({ length: 10 }, (_, i) => String(20 + i)));
      assertEquals(removed, events[0]!.position - 1);
      assertEquals(await store.removed(["busy"]), removed);
      assert(await store.removed(["quiet"]) >= quiet); // later is allowed, earlier is not
      assert(await store.removed(["busy/**", "never"]) >= removed);
      assertEquals(await store.locate("own", ["gone"]), undefined);
      const again = await store.append([event("gone", "g2", { id: "own" })]);
      assertEquals(again[0]!.id, "own");
      assertEquals((await store.read(removed, { topics: ["gone"], limit: 9 })).events.map(({ data }) => data), ["g2"]);
    });

    test("what is removed of other topics is told to nobody", { maxEvents: 2 }, async (store) => {
      const last = ["a", "a/b", "a/b/c", "ab/c", "d/e/f", "$s/t", "d/e"];
      const seen = collector();
      await store.tail(seen);
      await store.append(last.map((topic) => event(topic, topic)));
      await store.append([event("z", "stays"), event("z", "stays")]);
      await seen.until(last.length);
      const at = (topic: string): number => seen.events[last.indexOf(topic)]!.position;
      const expected: ReadonlyArray<readonly [topics: string[], removed: number]> = [
        ...last.map((topic): [string[], number] => [[topic], at(topic)]),
        [["z"], 0],
        [["b", "a/c", "$s"], 0],
        [["a/**"], at("a/b/c")],
        [["a/b/**"], at("a/b/c")],
        [["a/b/c/**"], at("a/b/c")],
        [["a/b/c/d/**"], 0],
        [["d/e/f/**"], at("d/e/f")],
        [["d/**"], at("d/e")],
        [["z/**", "$t/**"], 0],
        [["$s/**"], at("$s/t")],
        [["**"], at("d/e")],
        [["a", "ab/**"], at("ab/c")],
      ];
      for (const [topics, removed] of expected) assertEquals(await store.removed(topics), removed, topics.join());
      // Other patterns: not too early
      for (const [pattern, topic] of [["*", "a"], ["*/b", "a/b"], ["*/*/c", "a/b/c"], ["*/e/**", "d/e"]] as const) {
        assertLessOrEqual(at(topic), await store.removed([pattern]), pattern);
      }
    }, "removedByTopic");

    test("closing twice is closing, and then every call is rejected", {}, async (store) => {
      await store.close();
      await store.close();
      for (
        const call of [
          () => store.append([event("a", "1")]),
          () => store.read(0, { limit: 1 }),
          () => store.locate("x", ["a"]),
          () => store.seek({ last: 1, topics: ["a"] }),
          () => store.removed(["a"]),
        ]
      ) {
        assertEquals(await call().then(() => "resolved", (error) => error.code), "backend-failed");
      }
    });
  });
}
