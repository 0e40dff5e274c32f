import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { MemoryLog } from "../../src/stores/memory_log.ts";

describe("MemoryLog", () => {
  it("forgets, when it is cleared, what it has removed as well", () => {
    const log = new MemoryLog({ maxEvents: 0, maxAge: Infinity, maxBytes: Infinity });
    log.push({ topics: ["a"], data: "", id: "~1", position: 1, time: 0 }, false);
    log.removeOver(0, 10);
    assertEquals(log.removed.find(["a"]).newest, 1);
    log.clear();
    assertEquals(log.removed.find(["a"]).newest, 0);
  });
});
