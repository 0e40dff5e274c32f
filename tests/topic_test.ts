import { assertEquals, assertLessOrEqual, assertThrows } from "@std/assert";
import fc from "fast-check";
import { describe, it } from "node:test";
import {
  checkPattern,
  checkTopic,
  containsPattern,
  matchesAny,
  matchesTopic,
  TopicMatcher,
  TopicTree,
} from "../src/topic.ts";
import { type PatternNode, PatternTree } from "../src/pattern_tree.ts";
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
  it("refuses a pattern of more segments than it may have, and says how many it has", () => {
    checkPattern("a/*/c/**", 4);
    assertThrows(() => checkPattern("a/*/c/d/**", 4), RangeError, "at most 4 segments: got 5");
    checkPattern("a/b/c/d/e", 4); // a topic costs the same whatever its segments
  });
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

const segment = fc.constantFrom("a", "b", "", "$s", "pets", "petshop");
const topic = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join("/"));
const pattern = fc.tuple(
  fc.array(fc.oneof(segment, fc.constant("*")), { minLength: 0, maxLength: 4 }),
  fc.constantFrom([], ["**"]),
).map(([segments, deep]) => [...segments, ...deep].join("/")).filter((pattern) => pattern !== "");

describe("TopicTree", () => {
  it("finds what a naive matcher finds, and is empty when all have gone", () => {
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

describe("TopicMatcher", () => {
  it("reaches what one of its topics and patterns reaches", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(pattern, topic), { maxLength: 12 }),
        fc.array(fc.array(topic, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 6 }),
        (patterns, events) => {
          const matcher = new TopicMatcher(patterns);
          for (const topics of events) {
            const expected = patterns.some((pattern) => topics.some((topic) => naive(pattern, topic)));
            assertEquals(matcher.matches(topics), expected, `${topics} of ${patterns}`);
            assertEquals(matchesAny(patterns, topics), expected);
          }
        },
      ),
      { numRuns: 10_000, seed: SEED },
    );
  });

  it("looks at what the topic's segments lead to, not at every pattern", () => {
    const patterns = Array.from({ length: 10_000 }, (_, i) => i % 2 === 0 ? `a/${i}/*/c` : `a/*/${i}/**`);
    const matcher = new TopicMatcher(patterns);
    matcher.matches(["b"]);
    const compiled = matcher.steps;
    assertEquals([matcher.matches(["a/2/x/c"]), matcher.matches(["a/2/x/d"]), matcher.matches(["a/x/3"])], [
      true,
      false,
      true,
    ]);
    assertLessOrEqual(matcher.steps - compiled, 3 * 6);
  });

  it("looks at no more than two nodes a pattern, though the patterns part at each segment", () => {
    const patterns = Array.from(
      { length: 64 },
      (_, i) => [...i.toString(2).padStart(6, "0")].map((bit) => bit === "0" ? "a" : "*").join("/") + "/a/a/z",
    );
    const matcher = new TopicMatcher(patterns);
    assertEquals(matcher.matches(["a/a/a/a/a/a/a/a/a"]), false);
    assertLessOrEqual(matcher.steps, 64 + 2 * 64 + 1);
  });
});

describe("PatternTree", () => {
  const nodesOf = ({ children }: PatternNode<unknown>): number => {
    let nodes = 1;
    for (const child of children?.values() ?? []) nodes += nodesOf(child);
    return nodes;
  };
  const unitsOf = ({ path, children }: PatternNode<unknown>): number => {
    let units = path.length;
    for (const child of children?.values() ?? []) units += unitsOf(child);
    return units;
  };

  it("has two nodes a pattern at most, no longer than the patterns, and none when all have gone", () => {
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 20 }), fc.array(fc.nat(19), { maxLength: 20 }), (patterns, gone) => {
        const tree = new PatternTree<string>();
        const left = new Set<string>();
        const check = (): void => {
          assertLessOrEqual(nodesOf(tree.root), 1 + 2 * left.size);
          assertLessOrEqual(unitsOf(tree.root), [...left].reduce((units, { length }) => units + length + 1, 0));
          for (const pattern of patterns) assertEquals(tree.get(pattern), left.has(pattern) ? pattern : undefined);
        };
        for (const pattern of patterns) {
          tree.set(pattern, pattern);
          left.add(pattern);
          check();
        }
        for (const i of [...gone, ...patterns.keys()]) {
          if (i >= patterns.length) continue;
          tree.delete(patterns[i]!);
          left.delete(patterns[i]!);
          check();
        }
        assertEquals(tree.isEmpty, true);
        assertEquals(tree.root.children, undefined);
      }),
      { numRuns: 2_000, seed: SEED },
    );
  });

  it("holds 62 KB of patterns of 256 segments each in a few hundred nodes", () => {
    const tree = new PatternTree<true>();
    const text = (i: number): string =>
      [...i.toString(3).padStart(8, "0")].map((digit) => "ab*"[Number(digit)]).join("/");
    for (let i = 0; i < 122; i++) tree.set(`${text(i)}/${"a/".repeat(247)}*`, true);
    assertLessOrEqual(nodesOf(tree.root), 1 + 2 * 122);
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
