import type { Statements } from "./statements.ts";

/** What this process wrote of one of its nodes last. */
interface Told {
  readonly says: string;
  readonly till: number;
  /** `PRAGMA data_version` then. */
  readonly version: number;
}

/**
 * What the nodes on a log say. A node whose words are the same writes them again when half of their time is over, and not at
 * all while no other connection writes: whoever comes writes first, and is answered.
 */
export class SqliteNodes {
  readonly #statements: Statements;
  readonly #told = new Map<string, Told>();

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  /** @param version `PRAGMA data_version`. */
  announce(node: string, says: string | undefined, ttl: number, version: number): ReadonlyMap<string, string> {
    const now = Date.now();
    const told = this.#told.get(node);
    const holds = told !== undefined && told.says === says && (told.version === version || told.till - now > ttl / 2);
    if (!holds) this.#write(node, says, now, now + ttl, version);
    const rows = this.#statements.prepare("SELECT node, says FROM {nodes} WHERE till >= ?").all(now);
    const nodes = new Map((rows as unknown as { node: string; says: string }[]).map(({ node, says }) => [node, says]));
    return says === undefined ? nodes : nodes.set(node, says);
  }

  #write(node: string, says: string | undefined, now: number, till: number, version: number): void {
    this.#statements.write(() => {
      this.#statements.prepare("DELETE FROM {nodes} WHERE till < ? OR node = ?").run(now, node);
      if (says === undefined) return;
      this.#statements.prepare("INSERT INTO {nodes} (node, says, till) VALUES (?, ?, ?)").run(node, says, till);
    });
    if (says === undefined) this.#told.delete(node);
    else this.#told.set(node, { says, till, version });
  }
}
