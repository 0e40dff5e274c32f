/** How many segments of a topic patterns can be found by; those that begin with more are found by these. */
const MAX_SEGMENTS = 8;

/**
 * What an index finds an event of these topics by: each topic, and for patterns each beginning of it, ended by `/`. A
 * pattern's own key is one of them if it reaches the topic.
 */
export function keysOf(topics: readonly string[]): string[] {
  const keys = new Set<string>();
  for (const topic of topics) {
    keys.add(topic);
    let end = -1;
    for (let segment = 0; segment < MAX_SEGMENTS; segment++) {
      end = topic.indexOf("/", end + 1);
      if (end < 0) {
        keys.add(`${topic}/`); // pets/** reaches pets
        break;
      }
      keys.add(topic.slice(0, end + 1));
    }
  }
  return [...keys];
}

/** The key to look for a topic or pattern by; `undefined` if it may reach anything. */
export function keyOf(pattern: string): string | undefined {
  const star = pattern.indexOf("*");
  if (star < 0) return pattern;
  const segments = pattern.slice(0, star).split("/").slice(0, -1);
  return segments.length === 0 ? undefined : segments.slice(0, MAX_SEGMENTS).join("/") + "/";
}
