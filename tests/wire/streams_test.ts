/** The two transform streams hold a little, so that who writes need not wait for who reads. */
import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { EventEncoderStream, EventParserStream } from "../../mod.ts";

describe("EventEncoderStream", () => {
  it("takes an event though nobody reads yet", async () => {
    const { readable, writable } = new EventEncoderStream();
    await writable.getWriter().write({ data: "a" });
    await readable.cancel();
  });
});

describe("EventParserStream", () => {
  it("takes events though nobody reads yet", async () => {
    const { readable, writable } = new EventParserStream();
    const writer = writable.getWriter();
    for (let i = 0; i < 10; i++) await writer.write(new TextEncoder().encode(`data: ${i}\n\n`));
    void writer.close();
    assertEquals((await Array.fromAsync(readable)).length, 10);
  });
});
