import type { DatabaseSync } from "node:sqlite";

/** Says what a node says to the processes that have the file open, and what they say; see `ReplayStore.announce`. */
export function announceIn(
  db: DatabaseSync,
  node: string,
  says: string | undefined,
  ttl: number,
): ReadonlyMap<string, string> {
  const now = Date.now();
  db.exec("BEGIN IMMEDIATE");
  try {
    db.prepare("DELETE FROM nodes WHERE till < ? OR node = ?").run(now, node);
    if (says !== undefined) {
      db.prepare("INSERT INTO nodes (node, says, till) VALUES (?, ?, ?)").run(node, says, now + ttl);
    }
    const rows = db.prepare("SELECT node, says FROM nodes").all() as unknown as { node: string; says: string }[];
    db.exec("COMMIT");
    return new Map(rows.map(({ node, says }) => [node, says]));
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}
