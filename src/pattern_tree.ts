const STAR = 0x2a;

/** A place in the tree: the patterns that begin with the segments on the way to it. */
export interface PatternNode<V> {
  /** The segments from the node above to this one, each followed by a slash. */
  path: string;
  /** The nodes below, by the first segment of their path. */
  children: Map<string, PatternNode<V>> | undefined;
  /** The value of the pattern that ends here. */
  here: V | undefined;
  /** The value of the pattern that goes on with `**` and ends. */
  below: V | undefined;
}

/**
 * A value for each pattern. A node stands only where a pattern ends or two part,
 * so a pattern costs two nodes at most, however many segments it has.
 */
export class PatternTree<V> {
  readonly root: PatternNode<V> = node("");

  get isEmpty(): boolean {
    return this.root.children === undefined && this.root.below === undefined;
  }

  get(pattern: string): V | undefined {
    const { path, deep } = parts(pattern);
    const at = this.#way(path)?.at(-1);
    return deep ? at?.below : at?.here;
  }

  set(pattern: string, value: V): void {
    const { path, deep } = parts(pattern);
    const at = this.#make(path);
    if (deep) at.below = value;
    else at.here = value;
  }

  /** Removes the value of a pattern, and every node that stood for nothing else. */
  delete(pattern: string): void {
    const { path, deep } = parts(pattern);
    const way = this.#way(path);
    if (way === undefined) return;
    const last = way[way.length - 1]!;
    if (deep) last.below = undefined;
    else last.here = undefined;
    // Only the last two can have become superfluous: what is above them still parts, or ends a pattern
    for (let i = way.length - 1; i > 0 && i >= way.length - 2; i--) tidy(way[i]!, way[i - 1]!);
  }

  /**
   * Calls for the values of the patterns that reach a topic, until one call returns true.
   *
   * @returns How many nodes were looked at, and whether a call returned true.
   */
  find(topic: string, found: (value: V) => boolean): { readonly steps: number; readonly stopped: boolean } {
    const text = topic + "/"; // as in paths: each segment is followed by a slash
    let steps = 0;
    const visit = (node: PatternNode<V>, at: number, wild: boolean): boolean => {
      steps++;
      const { children, here, below } = node;
      if (below !== undefined && wild && found(below)) return true;
      if (at === text.length) return here !== undefined && found(here);
      if (children === undefined) return false;
      const named = children.get(text.slice(at, text.indexOf("/", at)));
      if (named !== undefined && follow(named, at)) return true;
      const any = wild ? children.get("*") : undefined;
      return any !== undefined && follow(any, at);
    };
    const follow = (node: PatternNode<V>, from: number): boolean => {
      const at = advance(node.path, text, from);
      return at !== -1 && visit(node, at, true);
    };
    // A first segment that begins with `$` must be named
    const stopped = visit(this.root, 0, !topic.startsWith("$"));
    return { steps, stopped };
  }

  /** The node of a path, with those above it. */
  #way(path: string): PatternNode<V>[] | undefined {
    const way = [this.root];
    for (let rest = path; rest !== "";) {
      const child = way[way.length - 1]!.children?.get(firstOf(rest));
      if (child === undefined || !rest.startsWith(child.path)) return undefined;
      way.push(child);
      rest = rest.slice(child.path.length);
    }
    return way;
  }

  #make(path: string): PatternNode<V> {
    let at = this.root;
    for (let rest = path; rest !== "";) {
      const first = firstOf(rest);
      at.children ??= new Map();
      let child = at.children.get(first);
      if (child === undefined) at.children.set(first, child = node(rest));
      const shared = sharedLength(child.path, rest);
      if (shared < child.path.length) {
        const parting: PatternNode<V> = node(child.path.slice(0, shared));
        child.path = child.path.slice(shared);
        parting.children = new Map([[firstOf(child.path), child]]);
        at.children.set(first, child = parting);
      }
      at = child;
      rest = rest.slice(shared);
    }
    return at;
  }
}

function node<V>(path: string): PatternNode<V> {
  return { path, children: undefined, here: undefined, below: undefined };
}

/** Removes a node that ends no pattern and has none below; joins it with the only one below. */
function tidy<V>({ path, children, here, below }: PatternNode<V>, above: PatternNode<V>): void {
  if (here !== undefined || below !== undefined || (children !== undefined && children.size > 1)) return;
  const first = firstOf(path);
  if (children !== undefined) {
    for (const child of children.values()) {
      child.path = path + child.path;
      above.children!.set(first, child);
    }
  } else if (above.children!.size === 1) {
    above.children = undefined;
  } else {
    above.children!.delete(first);
  }
}

/** Where in the topic the segments of a path end, -1 if they are others. */
function advance(path: string, topic: string, from: number): number {
  let at = from;
  for (let i = 0; i < path.length; i++) {
    const unit = path.charCodeAt(i);
    if (unit === STAR) {
      at = topic.indexOf("/", at);
      if (at === -1) return -1;
    } else if (topic.charCodeAt(at++) !== unit) {
      return -1;
    }
  }
  return at;
}

/** The length of the segments that two paths begin with. */
function sharedLength(a: string, b: string): number {
  let shared = 0;
  for (let i = 0; i < a.length && a.charCodeAt(i) === b.charCodeAt(i); i++) if (a[i] === "/") shared = i + 1;
  return shared;
}

function firstOf(path: string): string {
  return path.slice(0, path.indexOf("/"));
}

function parts(pattern: string): { readonly path: string; readonly deep: boolean } {
  if (pattern === "**") return { path: "", deep: true };
  return pattern.endsWith("/**") ? { path: pattern.slice(0, -2), deep: true } : { path: pattern + "/", deep: false };
}
