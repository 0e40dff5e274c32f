import { assert, assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { type Entry, entryOf } from "../../src/broker/entry.ts";
import { FanOut } from "../../src/broker/fan_out.ts";
import type { Group, Receiver } from "../../src/broker/group.ts";
import { settle } from "../support/settle.ts";

const MIB = 1 << 20;

function entry(position: number, topics: string[] = ["a"], length = 1): Entry {
  return entryOf({ time: 0, position, id: String(position), topics, data: "x".repeat(length) });
}

/** A fan-out whose turns end when a test says so. */
class Scene {
  readonly fanOut = new FanOut();
  /** What happened, in order. */
  readonly log: string[] = [];
  #turns: (() => void)[] = [];

  constructor() {
    this.fanOut.adopt((callback) => void this.#turns.push(callback));
  }

  get scheduled(): number {
    return this.#turns.length;
  }

  endTurn(): void {
    for (const callback of this.#turns.splice(0)) callback();
  }

  join(name: string, topics: string[], onPush = (): void => {}): Receiver {
    const group = this.fanOut.groups.join(topics);
    const receiver: Receiver = {
      group,
      position: 0,
      takesEach: false,
      push: ({ entries }) => {
        this.log.push(`${name}: ${entries.map(({ position }) => position).join(" ")}`);
        onPush();
      },
      fallBehind: (position) => {
        this.log.push(`${name} reads from ${position}`);
        group.live.delete(receiver);
      },
    };
    group.live.add(receiver);
    return receiver;
  }

  take(...entries: Entry[]): void {
    for (const one of entries) this.fanOut.take(one);
  }

  flush(): string[] {
    return this.log.splice(0);
  }
}

describe("FanOut", () => {
  it("pushes a turn's events when it ends, by group, each once, in the log's order", () => {
    const scene = new Scene();
    const a = scene.join("a", ["a"]);
    scene.join("a/b", ["a", "b"]);
    scene.join("c", ["c"]);
    scene.take(entry(1), entry(2, ["b"]), entry(3, ["a", "b"]));
    assertEquals([scene.log, scene.scheduled, scene.fanOut.owes(a.group)], [[], 1, true]);
    scene.endTurn();
    assertEquals(scene.flush().sort(), ["a/b: 1 2 3", "a: 1 3"]);
    assertEquals([scene.scheduled, scene.fanOut.owes(a.group)], [0, false]);
    scene.take(entry(4, ["c"]));
    assertEquals(scene.scheduled, 1);
    scene.endTurn();
    assertEquals(scene.flush(), ["c: 4"]);
    assertEquals(Array.from(scene.fanOut.groups, ({ published }) => published), [2, 3, 1]);
  });

  it("keeps nothing for a group in which nobody is live, and counts what it would have got", () => {
    const scene = new Scene();
    const { group, ...receiver } = scene.join("a", ["a"]);
    group.live.clear();
    scene.take(entry(1));
    assertEquals([scene.scheduled, group.published, scene.fanOut.owes(group)], [0, 1, false]);
    group.live.add({ group, ...receiver });
    scene.take(entry(2));
    scene.endTurn();
    assertEquals(scene.flush(), ["a: 2"]);
  });

  it("pushes at once what is a lot, though the turn has not ended", async () => {
    const scene = new Scene();
    scene.join("a", ["a"]);
    scene.take(entry(1, ["a"], 60_000));
    await settle();
    assertEquals(scene.flush(), []);
    scene.take(entry(2, ["a"], 6_000));
    await settle();
    assertEquals([scene.flush(), scene.scheduled], [["a: 1 2"], 1]);
    scene.take(entry(3));
    scene.endTurn();
    assertEquals(scene.flush(), ["a: 3"]);
  });

  it("settles what one receiver is owed: what is being pushed, and what waits behind it", () => {
    const scene = new Scene();
    let isFirst = true;
    const first = scene.join("first", ["a"], () => {
      if (!isFirst) return;
      isFirst = false;
      scene.take(entry(3));
      scene.fanOut.settle(second);
      assert(scene.fanOut.owes(second.group));
    });
    const second = scene.join("second", ["a"]);
    scene.take(entry(1), entry(2));
    scene.fanOut.settle(second);
    assertEquals(scene.flush(), ["second: 1 2"]); // the first waits for the end of the turn
    scene.endTurn();
    assertEquals(scene.flush(), ["first: 1 2", "second: 1 2", "second: 3", "second: 1 2", "first: 3", "second: 3"]);
    scene.fanOut.settle(first);
    assertEquals(scene.flush(), []);
  });

  it("has those read the log who would have to wait for more than 4 MiB, and pushes to them again afterwards", () => {
    const scene = new Scene();
    const a = scene.join("a", ["a"]);
    scene.join("b", ["b"]);
    scene.take(entry(11), entry(12));
    scene.take(...[13, 14, 15, 16].map((position) => entry(position, ["b"], MIB - 40)));
    assertEquals(scene.fanOut.owes(a.group) && a.group.overdue, undefined);
    scene.take(entry(17, ["b"], 1_000));
    assertEquals(a.group.overdue, 10);
    assert(scene.fanOut.owes(a.group));
    scene.take(entry(18)); // in the log as well
    scene.endTurn();
    assertEquals(scene.flush(), ["a reads from 10", "b: 13 14 15 16 17"]);
    assert(!scene.fanOut.owes(a.group));
    a.group.live.add(a);
    scene.take(entry(19));
    scene.endTurn();
    assertEquals(scene.flush(), ["a: 19"]);
  });

  it("ends its turns as the first sink that knows how", async () => {
    const scene = new Scene();
    scene.fanOut.adopt(() => assert(false));
    scene.join("a", ["a"]);
    scene.take(entry(1));
    assertEquals(scene.scheduled, 1);
    scene.endTurn();
    let hasTurned = false;
    const turn = scene.fanOut.turn().then(() => hasTurned = true);
    await settle();
    assertEquals([hasTurned, scene.scheduled], [false, 1]);
    scene.endTurn();
    await turn;
  });

  it("forgets its chunks once all have been pushed", () => {
    const scene = new Scene();
    const { group } = scene.join("a", ["a"]);
    const one = entry(1);
    let pushed: Group["sending"];
    const [receiver] = group.live;
    group.live.clear();
    group.live.add({ ...receiver!, group, push: (chunk) => void (pushed = chunk) });
    scene.take(one);
    assert(scene.fanOut.chunks.of([one]) === scene.fanOut.chunks.of([one]));
    scene.endTurn();
    assertEquals(pushed?.entries, [one]);
    assert(scene.fanOut.chunks.of([one]) !== pushed);
  });
});
