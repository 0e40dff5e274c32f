import { assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { FOLLOWING } from "../../src/broker/subscriber_state.ts";

describe("The states of a subscriber", () => {
  it("follow each other as docs/architecture.md draws them", () => {
    const text = readFileSync("docs/architecture.md", "utf8");
    const drawn = Array.from(
      text.matchAll(/^ *(waiting|snapshot|catching_up|live) --> (\w+)/gm),
      ([, from, to]) => `${from} → ${to}`.replaceAll("_", "-"),
    );
    const meant = Object.entries(FOLLOWING).flatMap(([from, all]) => all.map((to) => `${from} → ${to}`));
    assertEquals([...new Set(drawn)].sort(), meant.sort());
  });

  it("end with one that nothing follows, and that follows every other", () => {
    const { ended, ...others } = FOLLOWING;
    assertEquals(ended, []);
    for (const [from, all] of Object.entries(others)) assertEquals(all.includes("ended"), true, from);
  });
});
