/** What a JUnit report says. */
export interface Outcome {
  readonly passed: number;
  /** The names of those that failed. */
  readonly failed: readonly string[];
  /** Those that were skipped, with their reasons: only Node reports these. */
  readonly skipped: readonly string[];
}

const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

/** Counts the leaves of a JUnit report: the three runners count suites differently. */
export function readReport(xml: string): Outcome {
  const cases = Array.from(
    xml.matchAll(/<testcase\b[^>]*?\bname="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g),
    ([, name = "", body = ""]) => ({ name: textOf(name), body }),
  );
  // Deno counts the suites too: one is a name with which others begin
  const suites = new Set(cases.flatMap(({ name }) => {
    const parts = name.split(" > ");
    return parts.map((_, i) => parts.slice(0, i).join(" > "));
  }));
  let passed = 0;
  const failed: string[] = [];
  const skipped: string[] = [];
  for (const { name, body } of cases) {
    if (suites.has(name)) continue;
    if (/<(?:failure|error)\b/.test(body)) failed.push(name);
    else if (/<skipped\b/.test(body)) {
      skipped.push(`${name}: ${textOf(/<skipped[^>]*message="([^"]*)"/.exec(body)?.[1] ?? "see the test")}`);
    } else passed++;
  }
  return { passed, failed, skipped };
}

function textOf(attribute: string): string {
  return attribute.replace(/&(\w+);/g, (all, name) => entities[name] ?? all);
}
