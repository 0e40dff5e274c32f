import { PatternTree } from "./pattern_tree.ts";

/** The longest topic or pattern, in UTF-8 bytes. */
const MAX_TOPIC_BYTES = 512;

/**
 * Refuses what is not a topic: a well-formed string of 1 to 512 UTF-8 bytes
 * without control characters and `*`, of which no segment is `.` or `..`.
 *
 * @throws {TypeError} If it is not a topic; the message says why.
 */
export function checkTopic(topic: string): void {
  checkName(topic, "topic");
  if (topic.includes("*")) throw refused("topic", topic, "must not hold * (only a subscription may name a pattern)");
}

/**
 * Refuses what is neither a topic nor a pattern. In a pattern a segment may be
 * `*`, which stands for one segment, and the last may be `**`, which stands for
 * any number of them, none included.
 *
 * @param maxSegments How many segments a pattern may have; a topic may have any number.
 * @throws {TypeError} If it is neither; the message says why.
 * @throws {RangeError} If it is a pattern of more segments.
 */
export function checkPattern(pattern: string, maxSegments: number = Infinity): void {
  checkName(pattern, "pattern");
  if (!pattern.includes("*")) return;
  const segments = pattern.split("/");
  if (segments.length > maxSegments) {
    const got = `${segments.length} in ${JSON.stringify(pattern.slice(0, 80))}`;
    throw new RangeError(`Cannot use pattern as it must have at most ${maxSegments} segments: got ${got}`);
  }
  segments.forEach((segment, i) => {
    if (segment === "*" || !segment.includes("*")) return;
    if (segment !== "**") throw refused("pattern", pattern, "must hold * and ** only as whole segments");
    if (i < segments.length - 1) throw refused("pattern", pattern, "must hold ** only as its last segment");
  });
}

/**
 * Whether a topic is reached by a topic or pattern. No pattern reaches a topic
 * whose first segment begins with `$`, unless it names that segment.
 */
export function matchesTopic(pattern: string, topic: string): boolean {
  if (!pattern.includes("*")) return pattern === topic;
  const wanted = pattern.split("/");
  const segments = topic.split("/");
  if (segments[0]!.startsWith("$") && wanted[0]!.startsWith("*")) return false;
  const deep = wanted[wanted.length - 1] === "**";
  const fixed = deep ? wanted.length - 1 : wanted.length;
  if (deep ? segments.length < fixed : segments.length !== fixed) return false;
  for (let i = 0; i < fixed; i++) if (wanted[i] !== "*" && wanted[i] !== segments[i]) return false;
  return true;
}

/** Whether an event of these topics is reached by any of these topics or patterns. */
export function matchesAny(patterns: readonly string[], topics: readonly string[]): boolean {
  for (const topic of topics) {
    for (const pattern of patterns) if (matchesTopic(pattern, topic)) return true;
  }
  return false;
}

/**
 * Whether every topic that a topic or pattern reaches is reached by another:
 * `pets/**` contains `pets/*`, and `pets/*` does not contain `pets/**`.
 */
export function containsPattern(outer: string, inner: string): boolean {
  const granted = outer.split("/");
  const wanted = inner.split("/");
  // Neither `*` nor `**` reaches a first segment of ours
  if (wanted[0]!.startsWith("$") && granted[0]!.startsWith("*")) return false;
  const deep = granted.at(-1) === "**";
  if (deep) granted.pop();
  const wantedDeep = wanted.at(-1) === "**";
  if (wantedDeep) wanted.pop();
  if (deep ? wanted.length < granted.length : wantedDeep || wanted.length !== granted.length) return false;
  return granted.every((segment, i) => segment === "*" || segment === wanted[i]);
}

/**
 * Topics and patterns, compiled: whether one of them reaches an event takes time
 * by the segments of the event's topics, not by how many topics and patterns
 * there are. Only patterns made for it, that part at each segment, make it look
 * at more nodes: two for each pattern at most.
 *
 * It is compiled when it is first asked, and keeps the array that it was given.
 */
export class TopicMatcher {
  readonly #given: readonly string[];
  readonly #exact = new Set<string>();
  #patterns: PatternTree<true> | undefined;
  #steps = 0;

  /** Takes topics and patterns that `checkPattern` has let pass. */
  constructor(patterns: readonly string[]) {
    this.#given = patterns;
  }

  /** How many patterns it has compiled, and topics and nodes looked at: callers bound their work by it. */
  get steps(): number {
    return this.#steps;
  }

  /** Whether an event of these topics is reached. */
  matches(topics: readonly string[]): boolean {
    const patterns = this.#patterns ??= this.#compile();
    for (const topic of topics) {
      this.#steps++;
      if (this.#exact.has(topic)) return true;
      if (patterns.isEmpty) continue;
      const { steps, stopped } = patterns.find(topic, () => true);
      this.#steps += steps;
      if (stopped) return true;
    }
    return false;
  }

  #compile(): PatternTree<true> {
    const tree = new PatternTree<true>();
    this.#steps += this.#given.length;
    for (const pattern of this.#given) {
      if (pattern.includes("*")) tree.set(pattern, true);
      else this.#exact.add(pattern);
    }
    return tree;
  }
}

/**
 * Values by the topics and patterns that they subscribe to. Finding those that
 * a topic reaches takes time by the topic's segments and by how many are found,
 * not by how many others there are. Removing leaves nothing behind.
 */
export class TopicTree<T> {
  readonly #exact = new Map<string, Set<T>>();
  readonly #patterns = new PatternTree<Set<T>>();

  /** Adds a value at a topic or pattern that `checkPattern` has let pass. */
  add(pattern: string, value: T): void {
    const at = this.#at(pattern);
    const values = at.get(pattern);
    if (values === undefined) at.set(pattern, new Set([value]));
    else values.add(value);
  }

  /** Removes a value, and every node that held nothing else. */
  delete(pattern: string, value: T): void {
    const at = this.#at(pattern);
    const values = at.get(pattern);
    if (values?.delete(value) && values.size === 0) at.delete(pattern);
  }

  /** Calls for every value that a topic reaches; twice for one that it reaches by two patterns. */
  match(topic: string, visit: (value: T) => void): void {
    const exact = this.#exact.get(topic);
    if (exact !== undefined) { for (const value of exact) visit(value); }
    if (this.#patterns.isEmpty) return;
    this.#patterns.find(topic, (values) => {
      for (const value of values) visit(value);
      return false;
    });
  }

  #at(pattern: string): Map<string, Set<T>> | PatternTree<Set<T>> {
    return pattern.includes("*") ? this.#patterns : this.#exact;
  }
}

function checkName(name: string, kind: string): void {
  if (typeof name !== "string") throw new TypeError(`Cannot use ${kind} as it must be a string: got ${typeof name}`);
  if (name === "") throw refused(kind, name, "must not be empty");
  if (!name.isWellFormed()) throw refused(kind, name, "must be well-formed (no lone surrogate)");
  // deno-lint-ignore no-control-regex
  if (/[\u0000-\u001f\u007f-\u009f]/.test(name)) throw refused(kind, name, "must not hold control characters");
  // UTF-8 needs at most 3 bytes a code unit: only long names are worth encoding
  if (name.length * 3 > MAX_TOPIC_BYTES && new TextEncoder().encode(name).length > MAX_TOPIC_BYTES) {
    throw refused(kind, name, `must be at most ${MAX_TOPIC_BYTES} bytes of UTF-8`);
  }
  if (/(?:^|\/)\.\.?(?:\/|$)/.test(name)) throw refused(kind, name, "must not hold . or .. as a segment");
}

function refused(kind: string, name: string, why: string): TypeError {
  return new TypeError(`Cannot use ${kind} as it ${why}: got ${JSON.stringify(name.slice(0, 80))}`);
}
