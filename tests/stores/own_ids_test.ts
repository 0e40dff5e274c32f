import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { Broker, MemoryReplayStore } from "../../mod.ts";
import { entryOf } from "../../src/broker/entry.ts";
import { Window } from "../../src/broker/window.ts";
import { type Owned, OwnIds } from "../../src/stores/own_ids.ts";

const owned = (position: number, topics: readonly string[], id = "x"): Owned => ({ id, topics, position });

describe("OwnIds", () => {
  it("finds an event by its ID and exactly its topics, in any order", () => {
    const ids = new OwnIds<Owned>();
    const events = [owned(1, ["a"]), owned(2, ["a", "b"]), owned(3, ["b"]), owned(4, ["a"], "y")];
    for (const event of events) ids.add(event);
    assertEquals([ids.get("x", ["a"]), ids.get("x", ["b", "a"]), ids.get("y", ["a"])], [
      events[0],
      events[1],
      events[3],
    ]);
    assertEquals([ids.get("y", ["b"]), ids.get("x", ["a", "c"]), ids.get("z", ["a"])], [
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("keeps the first of two with one ID and the same topics until that one is deleted", () => {
    const ids = new OwnIds<Owned>();
    ids.add(owned(1, ["a"]));
    ids.add(owned(2, ["a"]));
    ids.delete(owned(2, ["a"]));
    assertEquals(ids.locate("x", ["a"]), 1);
    ids.add(owned(3, ["b"]));
    ids.add(owned(4, ["b"]));
    ids.delete(owned(4, ["b"]));
    assertEquals(ids.locate("x", ["b"]), 3);
    ids.delete(owned(1, ["a"]));
    ids.delete(owned(3, ["b"]));
    assertEquals([ids.locate("x", ["**"]), ids.get("x", ["b"]), ids.isEmpty], [undefined, undefined, true]);
  });

  it("looks at 64 events of an ID, the earliest", () => {
    let looked = 0;
    const ids = new OwnIds<Owned>();
    for (let i = 1; i <= 10_000; i++) {
      const topics = [`t/${i}`];
      ids.add({
        id: "x",
        position: i,
        get topics() {
          looked++;
          return topics;
        },
      });
    }
    looked = 0;
    assertEquals([ids.locate("x", ["t/64"]), ids.locate("x", ["t/65"])], [64, undefined]);
    assertEquals(looked, 128);
  });
});

describe("The broker's window", () => {
  it("knows own IDs as long as their events, and no IDs of the store", () => {
    const window = new Window(1_000, 0);
    const push = (position: number, id: string): void =>
      window.push(entryOf({ position, id, topics: ["a"], data: "x".repeat(280), time: 0 }));
    const known = (...ids: string[]): (number | undefined)[] => ids.map((id) => window.locate(id, ["a"]));
    push(1, "x");
    push(2, "~abcdefgh.2");
    push(3, "~y");
    assertEquals(known("x", "~abcdefgh.2", "~y"), [1, undefined, 3]);
    push(4, "x"); // the first has left the store meanwhile, and here with this one
    assertEquals([window.floor, ...known("x", "~y")], [1, 4, 3]);
    push(5, "z");
    push(6, "~abcdefgh.6");
    push(7, "~abcdefgh.7");
    assertEquals([window.floor, ...known("x", "~y", "z")], [4, undefined, undefined, 5]);
    window.restart(8);
    assertEquals(known("x", "~y", "z"), [undefined, undefined, undefined]);
  });
});

describe("A subscriber that resumes by an own ID", () => {
  const publish = async (broker: Broker): Promise<void> => {
    await broker.publish("a", { data: "1", id: "x" });
    await broker.publish("a", { data: "2" });
    await broker.publish("b", { data: "3", id: "x" });
    await broker.publish("a", { data: "4" });
    await broker.publish("c", { data: "end" });
  };
  const missed = async (broker: Broker, topics: readonly string[]): Promise<string[]> => {
    const seen: string[] = [];
    for await (const { type, data } of broker.subscribe([...topics, "c"], { lastEventId: "x" })) {
      if (data === "end") break;
      seen.push(type === "message" ? data : type);
    }
    return seen;
  };

  // Neither store has all: what the broker still has in memory counts
  for (const limits of [{}, { maxEvents: 3 }, { retention: "none" }] as const) {
    it(`goes on after the earliest that its topics reach: ${JSON.stringify(limits)}`, async () => {
      await using broker = new Broker({ store: new MemoryReplayStore(limits) });
      await publish(broker);
      assertEquals(await missed(broker, ["a"]), ["2", "4"]);
      assertEquals(await missed(broker, ["b"]), []);
      assertEquals(await missed(broker, ["a", "b"]), ["2", "3", "4"]);
      assertEquals((await missed(broker, ["d"]))[0], "gap");
    });
  }
});
