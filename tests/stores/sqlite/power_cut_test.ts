import { assertEquals, assertLess } from "@std/assert";
import { copyFileSync } from "node:fs";
import { describe, it } from "node:test";
import { Broker } from "../../../mod.ts";
import { SqliteReplayStore, type SqliteReplayStoreOptions } from "../../../src/stores/sqlite/sqlite.ts";
import { dataOf, event, newFile } from "../../support/sqlite_files.ts";

/** What a power cut leaves of a file: as it was after the fifth of ten commits. Clients have seen all ten. */
async function cutOff(options: SqliteReplayStoreOptions): Promise<{ readonly file: string; readonly ids: string[] }> {
  const [file, left] = [newFile(), newFile()];
  const store = new SqliteReplayStore(file, options);
  const ids: string[] = [];
  for (let i = 1; i <= 10; i++) {
    ids.push((await store.append([event(String(i))]))[0]!.id!);
    if (i === 5) { for (const part of ["", "-wal"]) copyFileSync(file + part, left + part); }
  }
  await store.close();
  return { file: left, ids };
}

describe("SqliteReplayStore after a power cut", () => {
  it("gives out no position again that a client may have seen, and tells that client", async () => {
    const { file, ids } = await cutOff({ boot: "one" });
    const store = new SqliteReplayStore(file, { boot: "two" });
    const broker = new Broker({ store });
    const id = await broker.publish("a", { data: "new" });
    assertEquals(await dataOf(store), ["1", "2", "3", "4", "5", "new"]);
    const located = await Promise.all([...ids, id].map((id) => store.locate(id, ["a"])));
    assertEquals(located.slice(0, 10), [1, 2, 3, 4, 5, ...Array(5).fill(undefined)]);
    assertLess(1e15, located[10]!);
    for (const [lastEventId, first] of [[ids[7]!, "gap"], [ids[4]!, "new"]] as const) {
      for await (const { type, data } of broker.subscribe("a", { lastEventId })) {
        assertEquals(type === "gap" ? `gap ${JSON.parse(data).reason}` : data, first === "gap" ? "gap unknown" : first);
        break;
      }
    }
    await broker.close();
    await store.close();
    // It was closed, and goes on from there
    const again = new SqliteReplayStore(file, { boot: "three" });
    await again.append([event("next")]);
    assertEquals((await again.read(located[10]!, { limit: 9 })).events.map(({ position }) => position), [
      located[10]! + 1,
    ]);
    await again.close();
  });

  it("goes on as it was when only the process had ended, or when the file was closed", async () => {
    const { file: left } = await cutOff({ boot: "one" });
    const after = new SqliteReplayStore(left, { boot: "one" }); // as after a SIGKILL
    await after.append([event("6")]);
    assertEquals((await after.read(5, { limit: 9 })).events.map(({ position }) => position), [6]);
    await after.close();
    const file = newFile();
    for (const boot of ["one", "two"]) {
      const store = new SqliteReplayStore(file, { boot });
      await store.append([event("x")]);
      await store.close();
    }
    const store = new SqliteReplayStore(file);
    assertEquals((await store.read(0, { limit: 9 })).events.map(({ position }) => position), [1, 2]);
    await store.close();
  });

  it("takes a file that was not closed for cut off where the boot is unknown", async () => {
    const { file } = await cutOff({ boot: "" });
    const store = new SqliteReplayStore(file, { boot: "" });
    await store.append([event("new")]);
    assertLess(1e15, (await store.read(5, { limit: 9 })).events[0]!.position);
    await store.close();
  });

  it("leaves no such trace with durability disk, which loses nothing", async () => {
    const { file } = await cutOff({ boot: "one", durability: "disk" });
    const store = new SqliteReplayStore(file, { boot: "two" });
    await store.append([event("6")]);
    assertEquals((await store.read(5, { limit: 9 })).events.map(({ position }) => position), [6]);
    await store.close();
  });

  it("counts events and not positions when it removes, and tells of no gap where none is", async () => {
    const { file, ids } = await cutOff({ boot: "one" });
    const store = new SqliteReplayStore(file, { boot: "two", maxEvents: 4 });
    assertEquals(await dataOf(store), ["2", "3", "4", "5"]);
    const seen: string[] = [];
    const lost: number[] = [];
    await store.tail({
      onEvents: (events) => void seen.push(...events.map(({ data }) => data)),
      onError: (error) => {
        throw error;
      },
      onLost: (position) => void lost.push(position),
    });
    for (const [i, kept] of [["3", "4", "5"], ["4", "5"], ["5"], [], []].entries()) {
      await store.append([event(`new ${i}`)]);
      const { events, removed } = await store.read(0, { limit: 9 });
      const all = [...kept, ...["new 0", "new 1", "new 2", "new 3", "new 4"].slice(Math.max(0, i - 3), i + 1)];
      assertEquals(events.map(({ data }) => data), all);
      const oldest = kept.length > 0 ? 6 - kept.length : i === 3 ? 6 : undefined;
      if (oldest !== undefined) assertEquals([removed, await store.removed(["a"])], [oldest - 1, oldest - 1]);
    }
    assertEquals([seen.length, lost], [5, []]);
    assertEquals(await store.locate(ids[4]!, ["a"]), 5);
    await store.close();
  });
});
