import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import { SqliteReplayStore } from "../../../src/stores/sqlite/sqlite.ts";
import { dataOf, event, newFile } from "../../support/sqlite_files.ts";

describe("SqliteReplayStore: a file that is locked", () => {
  it(
    "waits for another process that writes, without holding up the event loop, and then fails",
    { timeout: 30_000 },
    async () => {
      const file = newFile();
      const store = new SqliteReplayStore(file);
      const other = new DatabaseSync(file);
      other.exec("BEGIN IMMEDIATE");
      const appended = store.append([event("1")]);
      let settled = false;
      void appended.then(() => settled = true);
      for (let turn = 0; turn < 40; turn++) { // were the event loop held, the lock would never be let go
        await new Promise((resolve) => setTimeout(resolve, 5));
        assert(!settled);
      }
      other.exec("COMMIT");
      assertEquals((await appended)[0]!.id, store.idAt(1));
      other.exec("BEGIN IMMEDIATE");
      assertEquals(await store.append([event("2")]).catch((error) => error.code), "backend-failed");
      other.exec("ROLLBACK");
      await store.append([event("3")]);
      assertEquals(await dataOf(store), ["1", "3"]);
      other.close();
      await store.close();
    },
  );

  for (const journal of ["delete", "wal"]) {
    it(`opens a file that another process has locked, once it may (journal ${journal})`, async () => {
      const file = newFile();
      const other = new DatabaseSync(file);
      other.exec(`PRAGMA journal_mode = ${journal}; BEGIN EXCLUSIVE`);
      const store = new SqliteReplayStore(file); // were the event loop held, it would never be unlocked
      const calls = [store.append([event("1")]), store.tail({ onEvents() {}, onError() {}, onLost() {} })];
      let settled = 0;
      for (const call of calls) void call.then(() => settled++);
      await new Promise((resolve) => setTimeout(resolve, 30));
      assertEquals(settled, 0);
      assertEquals((assertThrows(() => store.idAt(0)) as { code?: string }).code, "backend-failed");
      other.exec("COMMIT");
      await Promise.all(calls);
      assertEquals(await dataOf(store), ["1"]);
      assertEquals(await store.locate(store.idAt(1), ["a"]), 1);
      other.close();
      await store.close();
    });
  }

  it(
    "gives up what waits for a locked file, after five seconds or when it is closed",
    { timeout: 30_000 },
    async () => {
      const file = newFile();
      const other = new DatabaseSync(file);
      other.exec("BEGIN EXCLUSIVE");
      const store = new SqliteReplayStore(file);
      const errors = (): Promise<unknown[]> =>
        Promise.all(
          [store.append([event("1")]), store.removed(["a"])].map((call) =>
            call.catch(({ code, message }) => `${code}: ${message}`)
          ),
        );
      const before = performance.now();
      for (const error of await errors()) {
        assertMatch(String(error), /^backend-failed: .+ the SQLite file: got .*locked/);
      }
      assert(performance.now() - before >= 5_000);
      const waiting = errors();
      await store.close();
      for (const error of await waiting) assertMatch(String(error), /^backend-failed: .+ as the store is closed/);
      other.close();
    },
  );
});
