import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { COMMENT, encodeCheckpoint, encodeRetry } from "../../src/wire/idle.ts";

describe("The lines of an idle stream", () => {
  it("are a comment and a reconnection time without a blank line, and a checkpoint with one", () => {
    assertEquals(COMMENT, ":\n");
    assertEquals(encodeRetry(3_000), "retry: 3000\n");
    assertEquals(encodeCheckpoint("~abcdefgh.7"), "event: checkpoint\nid: ~abcdefgh.7\n\n");
  });
});
