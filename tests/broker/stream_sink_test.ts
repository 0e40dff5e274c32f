import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import type { LeaveHandler, Sink } from "../../mod.ts";
import { textChunk } from "../../src/broker/chunk.ts";
import { readableSink } from "../../src/broker/stream_sink.ts";
import { settle } from "../support/settle.ts";

/** A stream, its sink once it is read, and how often it was left and attached. */
function start() {
  const seen = { sink: undefined as Sink | undefined, left: 0, attached: 0 };
  const leave: LeaveHandler = () => void seen.left++;
  const reader = readableSink((open) => {
    seen.attached++;
    seen.sink = open(leave);
  }).getReader();
  return { seen, reader };
}

describe("A sink that is a stream", () => {
  it("is attached once, with the first read, and gives chunks in pieces of 64 KiB", async () => {
    const { seen, reader } = start();
    await settle();
    assertEquals(seen.attached, 0);
    const sizes: number[] = [];
    const read = async (): Promise<void> => void sizes.push((await reader.read()).value!.length);
    const first = read();
    await settle();
    const sink = seen.sink!;
    sink.write(textChunk("x".repeat(65_536)));
    await first;
    sink.write(textChunk("x".repeat(65_537)));
    assertEquals(sink.bufferedBytes, 65_537);
    await read();
    assertEquals(sink.bufferedBytes, 1);
    await read();
    assertEquals([sizes, sink.bufferedBytes, seen.attached], [[65_536, 65_536, 1], 0, 1]);
    sink.end();
    assertEquals((await reader.read()).done, true);
  });

  it("says when all has been read: later, also if nothing waits", async () => {
    const { seen, reader } = start();
    const first = reader.read();
    await settle();
    const sink = seen.sink!;
    let drained = 0;
    sink.onceDrained(() => drained++);
    assertEquals(drained, 0);
    await settle();
    assertEquals(drained, 1);
    sink.write(textChunk("one"));
    await first;
    sink.write(textChunk("two"));
    sink.onceDrained(() => drained++);
    await settle();
    assertEquals(drained, 1);
    await reader.read();
    await settle();
    assertEquals(drained, 1); // what was read last may be on its way still
    void reader.read().catch(() => {});
    await settle();
    assertEquals(drained, 2);
    sink.abort();
  });

  it("ends after what waits is read; who cancels leaves, read or not", async () => {
    const { seen, reader } = start();
    const first = reader.read();
    await settle();
    seen.sink!.write(textChunk("one"));
    seen.sink!.write(textChunk("two"));
    await first;
    seen.sink!.end();
    assertEquals(new TextDecoder().decode((await reader.read()).value), "two");
    assertEquals((await reader.read()).done, true);
    for (const isRead of [true, false]) {
      const { seen, reader } = start();
      if (isRead) void reader.read();
      await settle();
      await reader.cancel();
      assertEquals([seen.left, seen.attached], [1, 1]);
    }
  });
});
