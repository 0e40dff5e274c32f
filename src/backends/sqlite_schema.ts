import type { DatabaseSync } from "node:sqlite";
import { newEpoch } from "../broker/store_id.ts";
import { SseError } from "../errors.ts";

/** Steps from each version of the tables to the next. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE events (
     position INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice, also after the newest was removed
     own_id TEXT,
     topics TEXT NOT NULL, -- JSON
     body TEXT NOT NULL,   -- JSON: data, event, comment, retry; so that no runtime cuts it at a NUL
     time INTEGER NOT NULL,
     start INTEGER NOT NULL, -- bytes of all events before it, those removed too
     upto INTEGER NOT NULL   -- and of this one
   );
   CREATE UNIQUE INDEX events_own_id ON events (own_id) WHERE own_id IS NOT NULL;
   CREATE INDEX events_time ON events (time);
   CREATE INDEX events_start ON events (start);
   CREATE TABLE removed (topic TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
   CREATE TABLE store (epoch TEXT NOT NULL);`,
  `CREATE TABLE nodes (node TEXT PRIMARY KEY, says TEXT NOT NULL, till INTEGER NOT NULL) WITHOUT ROWID;`,
];

/** What an event takes beside its strings, in bytes. */
const EVENT_BYTES = 64;

/** What an event takes of `maxBytes`: UTF-16 code units of its strings, which is near its UTF-8, and a little more. */
export function sizeOf(topics: string, body: string, id = ""): number {
  return EVENT_BYTES + topics.length + body.length + id.length;
}

/**
 * Makes or migrates the tables.
 *
 * @returns The random part of the store's IDs, made with the file.
 * @throws {SseError} `backend-failed` if a newer version wrote the file.
 */
export function openSchema(db: DatabaseSync, durability: "process" | "disk"): string {
  // Waiting happens outside: never in SQLite, which would hold up the event loop. But for a moment, now
  db.exec("PRAGMA busy_timeout = 1000");
  db.exec("PRAGMA journal_mode = WAL");
  db.exec(`PRAGMA synchronous = ${durability === "disk" ? "FULL" : "NORMAL"}`);
  db.exec("PRAGMA wal_autocheckpoint = 200"); // pages: often and little
  db.exec("BEGIN IMMEDIATE");
  try {
    const { user_version: version } = db.prepare("PRAGMA user_version").get() as { user_version: number };
    if (version > MIGRATIONS.length) {
      throw new SseError(
        "backend-failed",
        `Cannot open the SQLite file as a newer version wrote it: got schema ${version}, expected at most ${MIGRATIONS.length}`,
      );
    }
    for (const step of MIGRATIONS.slice(version)) db.exec(step);
    if (version < MIGRATIONS.length) db.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
    if (version === 0) db.prepare("INSERT INTO store (epoch) VALUES (?)").run(newEpoch());
    const { epoch } = db.prepare("SELECT epoch FROM store").get() as { epoch: string };
    db.exec("COMMIT");
    return epoch;
  } catch (error) {
    db.exec("ROLLBACK");
    throw error;
  } finally {
    db.exec("PRAGMA busy_timeout = 0");
  }
}
