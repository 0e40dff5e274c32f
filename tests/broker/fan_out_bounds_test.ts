import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { describe, it } from "node:test";
import { Broker } from "../../mod.ts";
import type { EntryChunk } from "../../src/broker/chunk.ts";
import { entryOf } from "../../src/broker/entry.ts";
import { FanOut } from "../../src/broker/fan_out.ts";
import type { Group, Receiver } from "../../src/broker/group.ts";
import { turn } from "../../src/time/later_turn.ts";
import { TestSink, turns } from "../support/test_sink.ts";

/** One who is live in a group, and keeps what it is pushed. */
class Kept implements Receiver {
  readonly takesEach = false;
  position = 0;
  readonly chunks: EntryChunk[] = [];
  behind: number | undefined;
  readonly group: Group;

  constructor(group: Group) {
    this.group = group;
    group.live.add(this);
  }

  push(chunk: EntryChunk): void {
    if (chunk.last.position <= this.position) return;
    this.chunks.push(chunk);
    this.position = chunk.last.position;
  }

  fallBehind(position: number): void {
    this.behind = position;
    this.group.live.delete(this);
  }
}

const event = (position: number, topic: string, data = "x") =>
  entryOf({ position, id: `${position}`, topics: [topic], data, time: 0 });

describe("FanOut", () => {
  it("matches a counted number of events and groups between two turns, and holds a bounded number of references", async () => {
    const fanOut = new FanOut();
    const receivers = Array.from({ length: 10_000 }, (_, i) => new Kept(fanOut.groups.join(["g", `u/${i}`])));
    for (let position = 1; position <= 1_000; position++) fanOut.take(event(position, "g"));
    let done = 0;
    let most = 0;
    let references = 0;
    while (receivers.some(({ position }) => position < 1_000)) {
      await turn();
      const now = receivers[0]!.group.published;
      most = Math.max(most, now - done);
      done = now;
      references = Math.max(references, receivers.reduce((sum, { group }) => sum + (group.pending?.length ?? 0), 0));
    }
    // Ten thousand groups are 1,250 pieces of work: one event, or two where a stint ends late
    assertLess(most, 3);
    assertGreater(references, 100_000);
    assertLess(references, 1_010_001);
    for (const { chunks } of receivers.slice(0, 50)) {
      const positions = chunks.flatMap(({ entries }) => entries.map(({ position }) => position));
      assertEquals(positions, Array.from({ length: 1_000 }, (_, i) => i + 1));
    }
  });

  it("forgets its chunks after each round, though it is never idle", async () => {
    const fanOut = new FanOut();
    const receivers = Array.from({ length: 2_500 }, () => new Kept(fanOut.groups.join(["t"])));
    for (let position = 1; position <= 40; position++) {
      fanOut.take(event(position, "t"));
      await turn();
    }
    const first = receivers[0]!.chunks[0]!;
    assert(receivers.at(-1)!.position < 40); // it is under way
    assert(fanOut.chunks.of(first.entries) !== first);
    while (receivers.at(-1)!.position < 40) await turn();
  });

  it("pushes no more than 512 events, or 64 KiB and one event, in one chunk", async () => {
    const fanOut = new FanOut();
    const [small, large] = ["s", "l"].map((topic) => new Kept(fanOut.groups.join([topic])));
    for (let i = 1; i <= 2_000; i++) fanOut.take(event(i, "s"));
    for (let i = 2_001; i <= 2_020; i++) fanOut.take(event(i, "l", "x".repeat(10_000)));
    while (large!.position < 2_020) await turn();
    assertEquals(small!.chunks.reduce((sum, { length }) => sum + length, 0), 2_000);
    for (const { length } of small!.chunks) assertLess(length, 513);
    for (const { bytes } of large!.chunks) assertLess(bytes.length, 65_536 + 11_000);
  });

  it("has everybody read the log who would have to wait for more than 4 MiB, and nobody who has it", async () => {
    const fanOut = new FanOut();
    const receivers = Array.from({ length: 10 }, (_, i) => new Kept(fanOut.groups.join([`t/${i % 2}`])));
    const [ahead] = receivers.splice(0, 1);
    ahead!.position = 60;
    for (let position = 1; position <= 50; position++) fanOut.take(event(position, "t/0", "x".repeat(100_000)));
    while (receivers.some(({ behind }) => behind === undefined)) await turn();
    assertEquals(receivers.map(({ behind }) => behind), receivers.map(() => 0));
    assertEquals(ahead!.behind, undefined);
    const late = new Kept(receivers[0]!.group);
    late.position = 50;
    fanOut.take(event(51, "t/0"));
    fanOut.take(event(52, "t/1"));
    await turns();
    assertEquals(ahead!.chunks.length + late.chunks.length, 1); // one of them is of the other topic, or ahead of it
  });
});

describe("Broker: a snapshot", () => {
  it("gives way after 1,000 of its events", async () => {
    await using broker = new Broker({ heartbeat: 0 });
    const state = Array.from({ length: 20_000 }, (_, i) => ({ data: `${i}` }));
    const sink = new TestSink(broker.subscribe("a", { snapshot: () => state }));
    let most = 0;
    let seen = 0;
    while (sink.events.length < state.length) {
      await turn();
      most = Math.max(most, sink.events.length - seen);
      seen = sink.events.length;
    }
    assertGreater(most, 10);
    assertLess(most, 1_001);
  });
});
