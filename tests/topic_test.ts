import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { describe, it } from "node:test";
import { checkPattern, checkTopic, containsPattern, matchesTopic, TopicTree } from "../src/topic.ts";
import { SEED } from "./support/seed.ts";

const valid = [
  "a",
  "pets/dogs",
  "/",
  "a//b",
  "/a",
  "a/",
  "ü/🌍",
  "a b",
  "x".repeat(512),
  "$x",
  "...",
  "a/...",
  "é".repeat(256),
];
const invalid = [
  "",
  ".",
  "..",
  "a/./b",
  "a/..",
  "../a",
  "a\n",
  "\0",
  "\u007f",
  "\u0085",
  "\ud800",
  "x".repeat(513),
  "é".repeat(257),
];

describe("checkTopic()", () => {
  for (const topic of valid) it(`takes ${JSON.stringify(topic).slice(0, 40)}`, () => checkTopic(topic));
  for (const topic of [...invalid, "*", "a/*", "a*b", "**"]) {
    it(`refuses ${JSON.stringify(topic).slice(0, 40)}`, () => void assertThrows(() => checkTopic(topic), TypeError));
  }
  it("refuses what is no string", () => void assertThrows(() => checkTopic(7 as never), TypeError, "got number"));
});

describe("checkPattern()", () => {
  for (const pattern of [...valid, "*", "**", "a/*", "*/b", "a/*/b/**"]) {
    it(`takes ${JSON.stringify(pattern).slice(0, 40)}`, () => checkPattern(pattern));
  }
  for (const pattern of [...invalid, "a*", "a/b*", "**/a", "a/**/b", "***", "a/***"]) {
    it(`refuses ${JSON.stringify(pattern).slice(0, 40)}`, () =>
      void assertThrows(() => checkPattern(pattern), TypeError));
  }
});

/** The definition, by a regular expression. */
function naive(pattern: string, topic: string): boolean {
  if (!pattern.includes("*")) return pattern === topic;
  if (topic.startsWith("$") && pattern.startsWith("*")) return false;
  if (pattern === "**") return true;
  const escaped = pattern.split("/").map((segment) =>
    segment === "*" ? "[^/]*" : segment === "**" ? "**" : segment.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
  );
  const source = escaped.join("/").replace(/\/\*\*$/, "(/.*)?");
  return new RegExp(`^${source}$`, "su").test(topic);
}

describe("TopicTree", () => {
  it("finds what a naive matcher finds, and is empty when all have gone", () => {
    const segment = fc.constantFrom("a", "b", "", "$s", "pets", "petshop");
    const topic = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join("/"));
    const pattern = fc.tuple(
      fc.array(fc.oneof(segment, fc.constant("*")), { minLength: 0, maxLength: 4 }),
      fc.constantFrom([], ["**"]),
    ).map(([segments, deep]) => [...segments, ...deep].join("/")).filter((pattern) => pattern !== "");
    fc.assert(
      fc.property(
        fc.array(pattern, { maxLength: 12 }),
        fc.array(topic, { minLength: 1, maxLength: 6 }),
        (patterns, topics) => {
          const tree = new TopicTree<number>();
          patterns.forEach((pattern, i) => tree.add(pattern, i));
          const check = (present: (i: number) => boolean): void => {
            for (const topic of topics) {
              const found = new Set<number>();
              tree.match(topic, (i) => found.add(i));
              const expected = patterns.flatMap((pattern, i) => present(i) && naive(pattern, topic) ? [i] : []);
              assertEquals([...found].sort((a, b) => a - b), expected, `${topic} of ${patterns}`);
              for (const pattern of patterns) {
                assertEquals(
                  matchesTopic(pattern, topic),
                  naive(pattern, topic),
                  `${pattern} ${topic}`,
                );
              }
            }
          };
          check(() => true);
          patterns.forEach((pattern, i) => i % 2 === 0 && tree.delete(pattern, i));
          check((i) => i % 2 === 1);
          patterns.forEach((pattern, i) => tree.delete(pattern, i));
          check(() => false);
        },
      ),
      { numRuns: 20_000, seed: SEED },
    );
  });

  it("never takes pets/catsup for pets/cat", () => {
    assertEquals(matchesTopic("pets/cat", "pets/catsup"), false);
    assertEquals(matchesTopic("pets/cat/**", "pets/catsup"), false);
    assertEquals(matchesTopic("pets/**", "pets"), true);
    assertEquals(matchesTopic("pets/**", "petshop"), false);
  });
});

describe("containsPattern()", () => {
  const contained: ReadonlyArray<readonly [outer: string, inner: string, is: boolean]> = [
    ["pets/**", "pets", true],
    ["pets/**", "pets/*", true],
    ["pets/**", "pets/*/**", true],
    ["pets/*", "pets/**", false],
    ["pets/*", "pets", false],
    ["pets", "pets/**", false],
    ["**", "a/*/c", true],
    ["**", "$x", false],
    ["*", "$x", false],
    ["$x/**", "$x/a", true],
    ["*/b", "a/b", true],
    ["a/*", "*/a", false],
  ];
  for (const [outer, inner, is] of contained) {
    it(`${is ? "" : "not "}${inner} in ${outer}`, () => assertEquals(containsPattern(outer, inner), is));
  }

  it("agrees with what the patterns reach", () => {
    const segment = fc.constantFrom("a", "b", "$a");
    const topics = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join("/"));
    const pattern = fc.tuple(fc.array(fc.constantFrom("a", "b", "$a", "*"), { maxLength: 3 }), fc.boolean())
      .filter(([segments, deep]) => segments.length > 0 || deep)
      .map(([segments, deep]) => [...segments, ...(deep ? ["**"] : [])].join("/"));
    fc.assert(
      fc.property(pattern, pattern, fc.array(topics, { minLength: 30, maxLength: 60 }), (outer, inner, topics) => {
        const escaped = topics.filter((topic) => matchesTopic(inner, topic) && !matchesTopic(outer, topic));
        if (containsPattern(outer, inner)) assertEquals(escaped, []);
      }),
      { numRuns: 3_000, seed: SEED },
    );
  });
});
