import { assertThrows } from "@std/assert";
import postgres from "postgres";
import { after, before, describe, it } from "node:test";
import { PostgresReplayStore, type PostgresReplayStoreOptions } from "../../../src/stores/postgres/postgres.ts";
import { engineStoreSuite } from "../../suites/engine_store_suite.ts";
import { replayStoreSuite } from "../../suites/replay_store_suite.ts";
import { type Engine, missing, postgresServer, startEngine } from "../../support/engines.ts";

const skip = missing(postgresServer);

describe("PostgresReplayStore on postgresql", { skip }, () => {
  let engine: Engine;
  let sql: postgres.Sql;
  let logs = 0;
  const open = (options: PostgresReplayStoreOptions = {}): PostgresReplayStore =>
    new PostgresReplayStore(sql, { name: `test-${++logs}`, ...options });

  before(async () => {
    engine = await startEngine(postgresServer);
    sql = postgres(engine.url, { onnotice: () => {}, fetch_types: false });
    for (;;) { // it takes connections before it answers them
      if (await sql`select 1`.then(() => true, () => false)) break;
    }
  });

  after(async () => {
    await sql.end({ timeout: 1 });
    await engine.stop();
  });

  replayStoreSuite("PostgresReplayStore", (limits) => Promise.resolve(open(limits)), {
    removedByTopic: false,
  });
  replayStoreSuite(
    "PostgresReplayStore without LISTEN",
    (limits) => Promise.resolve(open({ ...limits, listen: false })),
    { removedByTopic: false },
  );

  it("takes no options that it cannot keep to", () => {
    for (const wrong of [{ maxEvents: -1 }, { timeout: 0 }, { maxAge: NaN }, { pollInterval: 0 }]) {
      assertThrows(() => open(wrong), RangeError);
    }
    for (const wrong of [{ maxEventsPerTopic: 1 }, { name: "a:b" }, { retention: "all" }, { listen: "no" }]) {
      assertThrows(() => open(wrong as never), TypeError);
    }
    assertThrows(() => new PostgresReplayStore({} as never), TypeError);
  });
});

engineStoreSuite("PostgresReplayStore", postgresServer, async (url, log) => {
  const sql = postgres(url, { onnotice: () => {} });
  await sql`DELETE FROM freshet_events WHERE log = (SELECT id FROM freshet_logs WHERE name = ${log})`;
  await sql`DELETE FROM freshet_logs WHERE name = ${log}`;
  await sql.end();
});
