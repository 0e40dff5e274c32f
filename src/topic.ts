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
 * @throws {TypeError} If it is neither; the message says why.
 */
export function checkPattern(pattern: string): void {
  checkName(pattern, "pattern");
  if (!pattern.includes("*")) return;
  const segments = pattern.split("/");
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

interface Node<T> {
  readonly children: Map<string, Node<T>>;
  /** Those whose pattern ends here. */
  readonly here: Set<T>;
  /** Those whose pattern ends in `**` below here. */
  readonly below: Set<T>;
}

/**
 * Values by the topics and patterns that they subscribe to. Finding those that
 * a topic reaches takes time by the topic's segments and by how many are found,
 * not by how many others there are. Removing leaves nothing behind.
 */
export class TopicTree<T> {
  readonly #exact = new Map<string, Set<T>>();
  readonly #patterns: Node<T> = node();

  /** Adds a value at a topic or pattern that `checkPattern` has let pass. */
  add(pattern: string, value: T): void {
    if (!pattern.includes("*")) {
      const values = this.#exact.get(pattern);
      if (values === undefined) this.#exact.set(pattern, new Set([value]));
      else values.add(value);
      return;
    }
    const { path, deep } = parts(pattern);
    let at = this.#patterns;
    for (const segment of path) {
      let next = at.children.get(segment);
      if (next === undefined) at.children.set(segment, next = node());
      at = next;
    }
    (deep ? at.below : at.here).add(value);
  }

  /** Removes a value, and every node that held nothing else. */
  delete(pattern: string, value: T): void {
    if (!pattern.includes("*")) {
      const values = this.#exact.get(pattern);
      if (values?.delete(value) && values.size === 0) this.#exact.delete(pattern);
      return;
    }
    const { path, deep } = parts(pattern);
    const nodes = [this.#patterns];
    for (const segment of path) {
      const next = nodes[nodes.length - 1]!.children.get(segment);
      if (next === undefined) return;
      nodes.push(next);
    }
    const last = nodes[nodes.length - 1]!;
    (deep ? last.below : last.here).delete(value);
    for (let i = nodes.length - 1; i > 0; i--) {
      const { children, here, below } = nodes[i]!;
      if (children.size + here.size + below.size > 0) break;
      nodes[i - 1]!.children.delete(path[i - 1]!);
    }
  }

  /** Calls for every value that a topic reaches; twice for one that it reaches by two patterns. */
  match(topic: string, visit: (value: T) => void): void {
    const exact = this.#exact.get(topic);
    if (exact !== undefined) { for (const value of exact) visit(value); }
    const { children, below } = this.#patterns;
    if (children.size === 0 && below.size === 0) return;
    const segments = topic.split("/");
    walk(this.#patterns, segments, 0, !segments[0]!.startsWith("$"), visit);
  }
}

function node<T>(): Node<T> {
  return { children: new Map(), here: new Set(), below: new Set() };
}

function parts(pattern: string): { path: string[]; deep: boolean } {
  const path = pattern.split("/");
  const deep = path[path.length - 1] === "**";
  if (deep) path.pop();
  return { path, deep };
}

function walk<T>(
  { children, here, below }: Node<T>,
  segments: readonly string[],
  at: number,
  wild: boolean,
  visit: (value: T) => void,
): void {
  if (wild) { for (const value of below) visit(value); }
  if (at === segments.length) {
    for (const value of here) visit(value);
    return;
  }
  const named = children.get(segments[at]!);
  if (named !== undefined) walk(named, segments, at + 1, true, visit);
  if (!wild) return;
  const any = children.get("*");
  if (any !== undefined) walk(any, segments, at + 1, true, visit);
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
