import { assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "node:test";
import type { Chunk } from "../../mod.ts";
import { FramedChunks } from "../../src/adapters/framed_chunks.ts";

const chunkOf = (text: string): Chunk => ({ bytes: new TextEncoder().encode(text), entries: [] });

describe("FramedChunks", () => {
  it("frames a chunk as HTTP/1.1 does", () => {
    const text = ":" + "x".repeat(29) + "\n";
    assertEquals(new TextDecoder().decode(new FramedChunks().of(chunkOf(text))), `1f\r\n${text}\r\n`);
  });

  it("frames each once, though those who get others come in between", () => {
    const framed = new FramedChunks();
    const [shared, ...others] = ["shared", "a", "b", "c", "d", "e"].map(chunkOf) as [Chunk, ...Chunk[]];
    const bytes = framed.of(shared);
    for (const other of others) {
      framed.of(other);
      assertStrictEquals(framed.of(shared), bytes);
    }
  });
});
