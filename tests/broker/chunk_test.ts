import { assert, assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { Broker } from "../../mod.ts";
import { chunkOf, Chunks, sizeOf, textChunk } from "../../src/broker/chunk.ts";
import { type Entry, entryOf } from "../../src/broker/entry.ts";
import { TestSink, turns } from "../support/test_sink.ts";

const entry = (position: number, data = "x"): Entry =>
  entryOf({ time: 0, position, id: String(position), topics: ["a"], data });

describe("Chunks", () => {
  it("finds the chunk of the same events again, until it forgets them", () => {
    const chunks = new Chunks();
    const [one, two] = [entry(1), entry(2)];
    const chunk = chunks.of([one, two]);
    assertEquals(chunks.of([one, two]), chunk);
    assert(chunks.of([one, two]) === chunk);
    assert(chunks.of([one]) !== chunk && chunks.of([two]) !== chunk);
    chunks.clear();
    assert(chunks.of([one, two]) !== chunk);
  });

  it("tells events apart that share a hash", () => {
    const chunks = new Chunks();
    const some = [entry(1), entry(40)];
    const others = [entry(2), entry(9)]; // 31 · 1 + 40 = 31 · 2 + 9
    const chunk = chunks.of(some);
    assertEquals(chunks.of(others).entries, others);
    assertEquals(chunk.entries, some);
    // The same positions, and not the same events: a store may give one again after its restart
    const again = [entry(2), entry(9)];
    assertEquals(chunks.of(again).first === again[0], true);
  });
});

describe("What a chunk takes of a budget", () => {
  it("is bytes on the way to a socket, and code units in the same process", () => {
    const chunk = chunkOf(entry(1, "ü".repeat(10)));
    assertEquals(sizeOf(chunk, true), "1".length + 10);
    assertEquals(sizeOf(chunk, false), `id: 1\ndata: ${"ü".repeat(10)}\n\n`.length + 10);
    assertEquals([true, false].map((inProcess) => sizeOf(textChunk("ü\n"), inProcess)), [3, 3]);
  });

  it("is counted for each subscriber as it is read", async () => {
    await using broker = new Broker({ heartbeat: 0 });
    const subscriber = broker.subscribe("a");
    const sink = new TestSink(subscriber);
    await turns();
    const before = subscriber.stats().bytes;
    await broker.publish("a", { id: "1", data: "ü".repeat(10) });
    await turns();
    assertEquals(subscriber.stats().bytes - before, sink.writes.at(-1)!);
    assertEquals(sink.writes.at(-1), `id: 1\ndata: ${"ü".repeat(10)}\n\n`.length + 10);
    assertEquals(subscriber.stats().delivered, 1);
  });
});
