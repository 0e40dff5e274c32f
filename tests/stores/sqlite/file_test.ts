import { assert, assertEquals, assertLess } from "@std/assert";
import { chmodSync, statSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import { SqliteReplayStore } from "../../../src/stores/sqlite/sqlite.ts";
import { dataOf, event, newFile } from "../../support/sqlite_files.ts";

const modeOf = (file: string): number => statSync(file).mode & 0o777;

describe("SqliteReplayStore: its files", () => {
  it("are made for their owner alone", async () => {
    const file = newFile();
    const store = new SqliteReplayStore(file);
    await store.append([event("1")]);
    assertEquals([file, `${file}-wal`, `${file}-shm`].map(modeOf), [0o600, 0o600, 0o600]);
    await store.close();
  });

  it("keep the rights that they have", async () => {
    const file = newFile();
    writeFileSync(file, "");
    chmodSync(file, 0o640);
    const store = new SqliteReplayStore(file);
    assertEquals(modeOf(file), 0o640);
    await store.close();
  });

  it("shrink again after a reader that held the write-ahead log for long", async () => {
    const file = newFile();
    const store = new SqliteReplayStore(file);
    await store.append([event("first")]);
    const other = new DatabaseSync(file);
    other.exec("BEGIN; SELECT count(*) FROM events");
    other.prepare("SELECT position FROM events").all();
    for (let i = 0; i < 20; i++) await store.append([event("x".repeat(1 << 20))]);
    const size = (): number => statSync(`${file}-wal`).size;
    assertLess(20 << 20, size());
    other.exec("COMMIT");
    other.close();
    for (let i = 0; i < 3; i++) await store.append([event("x".repeat(1 << 20))]);
    assertLess(size(), 8 << 20);
    await store.close();
  });

  it("are not written to by a node that says the same again, while no other process writes", async () => {
    const file = newFile();
    const [one, other] = [new SqliteReplayStore(file), new DatabaseSync(file)];
    const version = (): unknown => other.prepare("PRAGMA data_version").get()!["data_version"];
    await one.announce("one", "1", 1_000);
    const before = version();
    for (let i = 0; i < 10; i++) assertEquals([...await one.announce("one", "1", i)], [["one", "1"]]);
    assertEquals(version(), before);
    const two = new SqliteReplayStore(file);
    const told = new Map<string, string>();
    for (let i = 0; i < 2; i++) {
      for (const [node, says] of await two.announce("two", "2", 60_000)) told.set(node, says);
      for (const [node, says] of await one.announce("one", "1", 60_000)) told.set(node, says);
    }
    assertEquals(await two.announce("two", "2", 60_000), new Map([["one", "1"], ["two", "2"]]));
    await one.announce("one", "else", 60_000);
    assertEquals((await two.announce("two", "2", 60_000)).get("one"), "else");
    assert(version() !== before);
    assertEquals(await dataOf(one), []);
    for (const store of [one, two]) await store.close();
    other.close();
  });
});
