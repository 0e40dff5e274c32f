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
      assertEquals([await dataOf(store), await store.locate(store.idAt(newest), ["a"])], [[...kept], newest]);
      assertEquals((await store.read(0, { limit: 9 })).removed, name === "new" ? 0 : 2);
      assertEquals(await store.removed(["a"]), name === "new" ? 0 : 2);
      if (kept.length > 0) {
        assertEquals([await store.locate("own-2", ["a"]), await store.locate("own-4", ["a"])], [undefined, 4]);
      }
      assertEquals(await store.append([event("n")]), [{ id: store.idAt(newest + 1) }]);
      assertEquals([await dataOf(store), await store.removed(["a"])], [[...kept, "n"], name === "new" ? 0 : 2]);
      await store.append([event("n"), event("n")]); // three fit
      assertEquals([await dataOf(store), await store.removed(["a"])], [["n", "n", "n"], newest]);
      assertEquals((await store.announce("a", "one", 1_000)).get("a"), "one");
      await store.close();
    }
  });

  it("migrates a file that the third version wrote: its own IDs belong to their topics, and are still known", async () => {
    const file = newFile();
    const db = new DatabaseSync(file);
    const time = Date.now();
    db.exec(`
      CREATE TABLE "removed" (topic TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE "store" (
        epoch TEXT NOT NULL, removed INTEGER NOT NULL DEFAULT 0, removed_upto INTEGER NOT NULL DEFAULT 0
      );
      CREATE TABLE "nodes" (node TEXT PRIMARY KEY, says TEXT NOT NULL, till INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE "events" (
        position INTEGER PRIMARY KEY, own_id TEXT, topics TEXT NOT NULL, body TEXT NOT NULL, time INTEGER NOT NULL,
        upto INTEGER NOT NULL
      );
      CREATE UNIQUE INDEX "events_own_id" ON "events" (own_id) WHERE own_id IS NOT NULL;
      INSERT INTO "store" (epoch) VALUES ('abcdefgh');
      INSERT INTO "events" VALUES
        (1, 'x', '["b","a/\u00e9","a"]', char(10) || 'one', ${time}, 100),
        (2, NULL, '["a"]', char(10) || 'two', ${time}, 200),
        (3, 'y', '["a"]', char(10) || 'three', ${time}, 300);
      PRAGMA user_version = 3`);
    db.close();
    const store = new SqliteReplayStore(file);
    assertEquals(await dataOf(store), ["one", "two", "three"]);
    assertEquals([await store.locate("x", ["a/*"]), await store.locate("y", ["a"])], [1, 3]);
    const again = await store.append([
      { topics: ["a", "b", "a/\u00e9"], data: "one", id: "x" },
      { topics: ["a"], data: "three", id: "y" },
      { topics: ["a"], data: "four", id: "x" },
    ]);
    assertEquals(again, [{ id: "x" }, { id: "y" }, { id: "x" }]);
    assertEquals(await dataOf(store), ["one", "two", "three", "four"]);
    const [taken] = await store.append([{ topics: ["a"], data: "other", id: "y" }]);
    assertEquals((taken!.error as { code?: string }).code, "id-taken");
    await store.close();
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
