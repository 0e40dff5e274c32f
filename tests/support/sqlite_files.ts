import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { SqliteReplayStore } from "../../src/stores/sqlite/sqlite.ts";

const folder = mkdtempSync(join(tmpdir(), "freshet-sqlite-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
let files = 0;

/** The path of a file that is not there yet, in a folder that is removed at the end. */
export const newFile = (): string => join(folder, `${++files}.db`);

/** An event to append. */
export const event = (data: string, topic = "a"): { topics: string[]; data: string } => ({ topics: [topic], data });

/** The data of all that a store retains. */
export const dataOf = async (store: SqliteReplayStore): Promise<string[]> =>
  (await store.read(0, { limit: 1_000 })).events.map(({ data }) => data);
