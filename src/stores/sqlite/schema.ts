import type { DatabaseSync } from "node:sqlite";
import { newEpoch } from "../store_id.ts";
import { SseError } from "../../errors.ts";
import { DEFAULT_NAME } from "../log/engine_options.ts";
import { holesOf } from "../log/state.ts";
import type { CheckedOptions } from "./options.ts";

/** Steps from each version of the tables to the next. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE {events} (
     position INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice, also after the newest was removed
     own_id TEXT,
     topics TEXT NOT NULL, -- JSON
     body TEXT NOT NULL,   -- event_body.ts
     time INTEGER NOT NULL,
     start INTEGER NOT NULL, -- bytes of all events before it, those removed too
     upto INTEGER NOT NULL   -- and of this one
   );
   CREATE UNIQUE INDEX {events_own_id} ON {events} (own_id) WHERE own_id IS NOT NULL;
   CREATE INDEX {events_time} ON {events} (time);
   CREATE INDEX {events_start} ON {events} (start);
   CREATE TABLE {removed} (topic TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
   CREATE TABLE {store} (epoch TEXT NOT NULL);`,
  `CREATE TABLE {nodes} (node TEXT PRIMARY KEY, says TEXT NOT NULL, till INTEGER NOT NULL) WITHOUT ROWID;`,
  // Position, time and bytes grow together: one tree serves all three. The newest row is never deleted, as the next
  // position comes from it; what is removed is noted instead
  `ALTER TABLE {store} ADD COLUMN removed INTEGER NOT NULL DEFAULT 0; -- the newest removed position
   ALTER TABLE {store} ADD COLUMN removed_upto INTEGER NOT NULL DEFAULT 0;
   UPDATE {store} SET
     removed = coalesce(
       (SELECT min(position) - 1 FROM {events}), (SELECT seq FROM sqlite_sequence WHERE name = '{events}'), 0
     ),
     removed_upto = coalesce((SELECT start FROM {events} ORDER BY position LIMIT 1), 0);
   CREATE TABLE {events_by_position} (
     position INTEGER PRIMARY KEY,
     own_id TEXT,
     topics TEXT NOT NULL, -- JSON
     body TEXT NOT NULL,   -- event_body.ts
     time INTEGER NOT NULL,
     upto INTEGER NOT NULL -- bytes of all events up to it, those removed too
   );
   INSERT INTO {events_by_position} SELECT position, own_id, topics, body, time, upto FROM {events};
   INSERT INTO {events_by_position}
     SELECT removed, NULL, '[]', char(10), 0, 0 FROM {store} WHERE removed > 0 AND NOT EXISTS (SELECT 1 FROM {events});
   DROP TABLE {events};
   ALTER TABLE {events_by_position} RENAME TO {events};
   CREATE UNIQUE INDEX {events_own_id} ON {events} (own_id) WHERE own_id IS NOT NULL;`,
  // Own IDs belong to a set of topics. Topics beyond U+FFFF are sorted otherwise here: those of former events are free again
  `ALTER TABLE {events} ADD COLUMN own_set TEXT; -- the ID and the sorted topics, in lines
   UPDATE {events} SET own_set = own_id || char(10) ||
     (SELECT group_concat(value, char(10)) FROM (SELECT value FROM json_each(topics) ORDER BY value))
     WHERE own_id IS NOT NULL;
   DROP INDEX {events_own_id};
   CREATE INDEX {events_own_id} ON {events} (own_id) WHERE own_id IS NOT NULL;
   CREATE UNIQUE INDEX {events_own_set} ON {events} (own_set) WHERE own_set IS NOT NULL;`,
  `ALTER TABLE {store} ADD COLUMN holes TEXT NOT NULL DEFAULT ''; -- from-to,from-to: where no position was given out
   CREATE TABLE {opens} (boot TEXT PRIMARY KEY, connections INTEGER NOT NULL) WITHOUT ROWID; -- and were not closed`,
];

/** To what size the write-ahead log shrinks again. */
const WAL_BYTES = 1 << 22;

/** How many holes are remembered. */
const MAX_HOLES = 32;

/** What a log is opened with. */
export type OpenOptions = Pick<CheckedOptions, "name" | "durability" | "boot">;

/** What an event takes beside its strings, in bytes. */
const EVENT_BYTES = 64;

/** What an event takes of `maxBytes`: UTF-16 code units of its strings, which is near its UTF-8, and a little more. */
export function sizeOf(topics: string, body: string, id = ""): number {
  return EVENT_BYTES + topics.length + body.length + id.length;
}

/** What makes `{events}` in a statement the table of a log, and `'{events}'` its name. The default log's have no suffix. */
export function tablesOf(log: string): (sql: string) => string {
  const suffix = log === DEFAULT_NAME ? "" : `:${log}`;
  return (sql) => sql.replaceAll(/'\{(\w+)\}'/g, `'$1${suffix}'`).replaceAll(/\{(\w+)\}/g, `"$1${suffix}"`);
}

/**
 * Makes or migrates the tables: a log's own, and those of every other log in the file, as one version counts for all.
 * If another process has the file, it throws what SQLite throws, and may be called again.
 *
 * @returns The random part of the log's IDs, made with it.
 * @throws {SseError} `backend-failed` if a newer version wrote the file.
 */
export function openSchema(db: DatabaseSync, { name, durability, boot }: OpenOptions): string {
  // Waiting happens outside: never in SQLite, which would hold up the event loop
  db.exec("PRAGMA busy_timeout = 0");
  db.exec("PRAGMA journal_mode = WAL");
  db.exec("PRAGMA synchronous = FULL"); // that it is open must not be lost with what is written then
  db.exec("PRAGMA wal_autocheckpoint = 200"); // pages: often and little
  db.exec(`PRAGMA journal_size_limit = ${WAL_BYTES}`); // what a long reader made of it is given back
  db.exec("BEGIN IMMEDIATE");
  try {
    const { user_version: version } = db.prepare("PRAGMA user_version").get() as { user_version: number };
    if (version > MIGRATIONS.length) {
      throw new SseError(
        "backend-failed",
        `Cannot open the SQLite file as a newer version wrote it: got schema ${version}, expected at most ${MIGRATIONS.length}`,
      );
    }
    const logs = logsIn(db);
    for (const log of logs) for (const step of MIGRATIONS.slice(version)) db.exec(tablesOf(log)(step));
    const tables = tablesOf(name);
    if (!logs.includes(name)) {
      for (const step of MIGRATIONS) db.exec(tables(step));
      db.prepare(tables("INSERT INTO {store} (epoch) VALUES (?)")).run(newEpoch());
    }
    if (version < MIGRATIONS.length) db.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
    goOnBehindHole(db, tables, boot);
    if (durability === "process") {
      const count = "INSERT INTO {opens} VALUES (?, 1) ON CONFLICT (boot) DO UPDATE SET connections = connections + 1";
      db.prepare(tables(count)).run(boot);
    }
    const { epoch } = db.prepare(tables("SELECT epoch FROM {store}")).get() as { epoch: string };
    db.exec("COMMIT");
    if (durability === "process") db.exec("PRAGMA synchronous = NORMAL");
    return epoch;
  } catch (error) {
    db.exec("ROLLBACK");
    throw error;
  }
}

/**
 * After a power cut, what was committed last may be gone, and clients may have seen it: its positions are not given out
 * again.
 */
function goOnBehindHole(db: DatabaseSync, tables: (sql: string) => string, boot: string): void {
  const other = "boot <> ?1 OR ?1 = ''";
  if (db.prepare(tables(`SELECT 1 FROM {opens} WHERE ${other}`)).get(boot) === undefined) return;
  db.prepare(tables(`DELETE FROM {opens} WHERE ${other}`)).run(boot);
  const { holes, newest } = db.prepare(
    tables("SELECT holes, coalesce((SELECT max(position) FROM {events}), 0) AS newest FROM {store}"),
  ).get() as { holes: string; newest: number };
  const before = holesOf(holes);
  const from = Math.max(newest, before.at(-1)?.to ?? 0);
  const all = [...before.slice(1 - MAX_HOLES), { from, to: Math.max(from + 1, Date.now() * 1_000) }];
  db.prepare(tables("UPDATE {store} SET holes = ?")).run(all.map(({ from, to }) => `${from}-${to}`).join());
}

/** Notes that a connection which had the log open has closed it. */
export function closeSchema(db: DatabaseSync, { name, durability, boot }: OpenOptions): void {
  if (durability === "disk") return;
  const tables = tablesOf(name);
  db.exec("BEGIN IMMEDIATE");
  try {
    db.prepare(tables("UPDATE {opens} SET connections = connections - 1 WHERE boot = ?")).run(boot);
    db.exec(tables("DELETE FROM {opens} WHERE connections <= 0"));
    db.exec("COMMIT");
  } catch (error) {
    db.exec("ROLLBACK");
    throw error;
  }
}

function logsIn(db: DatabaseSync): string[] {
  const tables = db.prepare(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND (name = 'events' OR name LIKE 'events:%')",
  );
  return (tables.all() as { name: string }[]).map(({ name }) =>
    name === "events" ? DEFAULT_NAME : name.slice("events:".length)
  );
}
