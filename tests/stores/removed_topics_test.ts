import { assertEquals, assertGreater, assertLessOrEqual } from "@std/assert";
import fc from "fast-check";
import { describe, it } from "node:test";
import { RemovedTopics } from "../../src/stores/removed_topics.ts";
import { matchesTopic } from "../../src/topic.ts";
import { SEED } from "../support/seed.ts";

const segment = fc.constantFrom("a", "b", "", "$s", "pets");
const topic = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join("/"));
const pattern = fc.tuple(fc.array(fc.oneof(segment, fc.constant("*")), { maxLength: 3 }), fc.constantFrom([], ["**"]))
  .map(([segments, deep]) => [...segments, ...deep].join("/")).filter((pattern) => pattern !== "");
const patterns = fc.array(fc.oneof(pattern, topic), { maxLength: 4 });

/** The newest removed position, by looking at everything that was removed. */
function naive(removed: readonly string[], patterns: readonly string[]): number {
  return 1 + removed.findLastIndex((topic) => patterns.some((pattern) => matchesTopic(pattern, topic)));
}

describe("RemovedTopics", () => {
  it("answers as somebody who looks at everything that was removed", () => {
    fc.assert(
      fc.property(fc.array(topic, { maxLength: 30 }), fc.array(patterns, { maxLength: 8 }), (removed, asked) => {
        const topics = new RemovedTopics();
        removed.forEach((topic, i) => topics.add(topic, i + 1));
        for (const patterns of asked) {
          assertEquals(topics.find(patterns).newest, naive(removed, patterns), patterns.join());
        }
      }),
      { numRuns: 10_000, seed: SEED },
    );
  });

  it("is never too early where it has forgotten topics, and exact for those removed last", () => {
    fc.assert(
      fc.property(fc.array(topic, { maxLength: 60 }), fc.array(patterns, { maxLength: 8 }), (removed, asked) => {
        const topics = new RemovedTopics(3_000); // two to ten topics
        removed.forEach((topic, i) => topics.add(topic, i + 1));
        for (const patterns of asked) {
          assertLessOrEqual(naive(removed, patterns), topics.find(patterns).newest, patterns.join());
        }
        for (const topic of removed.slice(-2)) {
          assertEquals(topics.find([topic]).newest, naive(removed, [topic]), topic);
        }
      }),
      { numRuns: 10_000, seed: SEED },
    );
  });

  it("forgets the topics of which nothing was removed for the longest time, and no others", () => {
    const topics = new RemovedTopics(100 * 300);
    topics.add("busy", 1);
    for (let position = 2; position < 20_000; position += 2) {
      topics.add(`user/${position}/x`, position);
      topics.add("busy", position + 1);
    }
    const forgotten = topics.find(["never"]).newest;
    assertGreater(forgotten, 19_500);
    assertLessOrEqual(forgotten, 19_999 - 2 * 40);
    assertEquals(topics.find(["user/19950/x", "never"]).newest, 19_950);
    assertEquals(topics.find(["user/19950/**"]).newest, 19_950);
    assertEquals(topics.find(["user/**"]).newest, 19_998);
    assertEquals(topics.find(["busy"]).newest, 19_999);
    assertEquals(topics.find(["user/100/x"]).newest, forgotten); // too late
  });

  it("looks at a bounded number of 100,000 topics for a pattern, and is then too late", () => {
    const topics = new RemovedTopics(1 << 27);
    for (let i = 1; i <= 100_000; i++) topics.add(`a/${i}/b`, i);
    topics.add("a/x/c", 100_001);
    // Exact would be 100,000: whoever answers this has not looked at everything
    assertEquals(topics.find(["a/*/b"]).newest, 100_001);
    assertEquals(topics.find(["a/*/d", "*/*/*", "b"]), { newest: 100_001, looked: 1_003 });
    assertEquals([topics.find(["a/777/*"]).newest, topics.find(["a/777/**"]).newest, topics.find(["b/**"]).newest], [
      777,
      777,
      0,
    ]);
  });
});
