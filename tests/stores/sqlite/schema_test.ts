import { assertEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import { SqliteReplayStore } from "../../../src/stores/sqlite/sqlite.ts";
import { dataOf, event, newFile } from "../../support/sqlite_files.ts";

/** What the first version made of a log, some of its events gone already, or all. */
function writeFirstVersion(file: string, suffix: string, positions: readonly number[]): void {
  const db = new DatabaseSync(file);
  const time = Date.now();
  const rows = positions.map((n) =>
    `(${n}, 'own-${n}', '["a"]', char(10) || ${n}, ${time}, ${n * 70}, ${n * 70 + 70})`
  );
  db.exec(`
    CREATE TABLE "events${suffix}" (
      position INTEGER PRIMARY KEY AUTOINCREMENT, own_id TEXT, topics TEXT NOT NULL, body TEXT NOT NULL,
      time INTEGER NOT NULL, start INTEGER NOT NULL, upto INTEGER NOT NULL
    );
    CREATE UNIQUE INDEX "events_own_id${suffix}" ON "events${suffix}" (own_id) WHERE own_id IS NOT NULL;
    CREATE INDEX "events_time${suffix}" ON "events${suffix}" (time);
    CREATE INDEX "events_start${suffix}" ON "events${suffix}" (start);
    CREATE TABLE "removed${suffix}" (topic TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE "store${suffix}" (epoch TEXT NOT NULL);
    INSERT INTO "store${suffix}" VALUES ('abcdefgh');
    INSERT INTO "removed${suffix}" VALUES ('a', 2);
    INSERT INTO "events${suffix}" VALUES ${rows.join(", ")};
    DELETE FROM "events${suffix}" WHERE position <= 2;
    PRAGMA user_version = 1`);
  db.close();
}

describe("SqliteReplayStore: its schema", () => {
  it("migrates a file that the first version wrote, with all its logs", async () => {
    const file = newFile();
    writeFirstVersion(file, "", [1, 2, 3, 4]);
    writeFirstVersion(file, ":chat-2", [1, 2]);
    for (
      const [name, kept] of [["freshet", ["3", "4"]], ["chat-2", []], ["new", []]] as const
    ) {
      const store = new SqliteReplayStore(file, { name, maxBytes: 213 });
      const newest = name === "new" ? 0 : 2 + kept.length;
      assertEquals([await dataOf(store), await store.locate(store.idAt(newest))], [[...kept], newest]);
      assertEquals((await store.read(0, { limit: 9 })).removed, name === "new" ? 0 : 2);
      assertEquals(await store.removed(["a"]), name === "new" ? 0 : 2);
      if (kept.length > 0) assertEquals([await store.locate("own-2"), await store.locate("own-4")], [undefined, 4]);
      assertEquals(await store.append([event("n")]), [{ id: store.idAt(newest + 1) }]);
      assertEquals([await dataOf(store), await store.removed(["a"])], [[...kept, "n"], name === "new" ? 0 : 2]);
      await store.append([event("n"), event("n")]); // three fit
      assertEquals([await dataOf(store), await store.removed(["a"])], [["n", "n", "n"], newest]);
      assertEquals((await store.announce("a", "one", 1_000)).get("a"), "one");
      await store.close();
    }
  });

  it("refuses a file that a newer version wrote, and changes nothing in it", () => {
    const file = newFile();
    const db = new DatabaseSync(file);
    db.exec("PRAGMA user_version = 99");
    db.close();
    const error = assertThrows(() => new SqliteReplayStore(file)) as { code?: string };
    assertEquals(error.code, "backend-failed");
  });
});
