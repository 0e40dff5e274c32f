import { checkPattern, containsPattern } from "../topic.ts";

/** What somebody may do. */
export interface Grants {
  /** The topics and patterns that one may subscribe to, or to what they contain. */
  readonly subscribe: readonly string[];
  /** The topics that one may publish to, by patterns. */
  readonly publish: readonly string[];
  /** Whether one may see and end connections, and make tokens. */
  readonly admin: boolean;
}

const NO_GRANTS: Grants = { subscribe: [], publish: [], admin: false };

/** Whether a topic or pattern is granted, whole. */
export function isGranted(granted: readonly string[], wanted: string): boolean {
  return granted.some((pattern) => containsPattern(pattern, wanted));
}

/**
 * Reads a token's `freshet` claim: `{ subscribe: ["pets/**"], publish: ["pets/dogs"], admin: true }`, each member optional.
 *
 * @throws {TypeError} If it is of another shape, or a pattern is not valid.
 */
export function grantsOf(claim: unknown): Grants {
  if (claim === undefined) return NO_GRANTS;
  if (typeof claim !== "object" || claim === null || Array.isArray(claim)) {
    throw new TypeError("The claim freshet must be an object");
  }
  const { subscribe, publish, admin = false, ...others } = claim as Record<string, unknown>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new TypeError(`The claim freshet has no member ${JSON.stringify(unknown)}`);
  if (typeof admin !== "boolean") throw new TypeError("The claim freshet.admin must be true or false");
  return { subscribe: patternsOf("subscribe", subscribe), publish: patternsOf("publish", publish), admin };
}

/**
 * Refuses what cannot be granted: what is no pattern, and the topics that begin with `$`, by which nodes tell each other.
 *
 * @throws {TypeError} What was wrong, and what was got.
 */
export function checkGrant(pattern: unknown): void {
  if (typeof pattern !== "string") throw new TypeError(`A pattern must be text: got ${typeof pattern}`);
  checkPattern(pattern);
  if (pattern.startsWith("$")) {
    throw new TypeError(`Topics that begin with $ cannot be granted: got ${JSON.stringify(pattern)}`);
  }
}

/** A token with more would cost more to check than it can be worth. */
const MAX_PATTERNS = 256;

function patternsOf(name: string, patterns: unknown): readonly string[] {
  if (patterns === undefined) return [];
  if (!Array.isArray(patterns) || patterns.length > MAX_PATTERNS) {
    throw new TypeError(`The claim freshet.${name} must be a list of at most ${MAX_PATTERNS} patterns`);
  }
  for (const pattern of patterns) checkGrant(pattern);
  return patterns;
}
