import { assertEquals } from "@std/assert";
import postgres from "postgres";
import { after, before, describe, it } from "node:test";
import { PostgresReplayStore } from "../../../src/stores/postgres/postgres.ts";
import { type Engine, missing, postgresServer, startEngine } from "../../support/engines.ts";

/** The tables of the first version, with a log of three events, and stand-ins for its functions. */
const FIRST_VERSION = `
CREATE TABLE freshet_schema (version integer NOT NULL);
INSERT INTO freshet_schema VALUES (1);
CREATE TABLE freshet_logs (
  id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY, name text NOT NULL UNIQUE, epoch text NOT NULL,
  incarnation timestamptz NOT NULL DEFAULT 'epoch', newest bigint NOT NULL DEFAULT 0, oldest bigint NOT NULL DEFAULT 1,
  oldest_time bigint NOT NULL DEFAULT 0, oldest_upto bigint NOT NULL DEFAULT 0, time bigint NOT NULL DEFAULT 0,
  bytes bigint NOT NULL DEFAULT 0, lost bigint NOT NULL DEFAULT 0, holes bigint[] NOT NULL DEFAULT '{}'
);
CREATE TABLE freshet_events (
  log integer NOT NULL, position bigint NOT NULL, time bigint NOT NULL, upto bigint NOT NULL,
  tells_loss boolean NOT NULL DEFAULT false, own_id text, keys text[] NOT NULL, topics text NOT NULL, body text NOT NULL,
  PRIMARY KEY (log, position)
);
CREATE UNIQUE INDEX freshet_events_own_id ON freshet_events (log, own_id) WHERE own_id IS NOT NULL;
CREATE INDEX freshet_events_keys ON freshet_events USING gin (keys) WITH (fastupdate = off);
CREATE TABLE freshet_writers (
  log integer NOT NULL, writer text NOT NULL, batch bigint NOT NULL, first bigint NOT NULL, doubles integer[] NOT NULL,
  seen timestamptz NOT NULL, PRIMARY KEY (log, writer)
);
CREATE UNLOGGED TABLE freshet_nodes (
  log integer NOT NULL, node text NOT NULL, says text NOT NULL, till timestamptz NOT NULL, PRIMARY KEY (log, node)
);
CREATE FUNCTION freshet_now() RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint';
CREATE FUNCTION freshet_append(text, bigint) RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION freshet_state(text) RETURNS freshet_logs LANGUAGE sql AS 'SELECT * FROM freshet_logs';
INSERT INTO freshet_logs (name, epoch, incarnation, newest, time, bytes, holes)
  VALUES ('old', 'abcdefgh', pg_postmaster_start_time(), 1003, 1, 300, '{0,1000}');
INSERT INTO freshet_events (log, position, time, upto, own_id, keys, topics, body) VALUES
  (1, 1001, 1, 100, 'x', '{b,b/,a,a/}', '["b","a"]', E'\\none'),
  (1, 1002, 1, 200, NULL, '{a,a/}', '["a"]', E'\\ntwo'),
  (1, 1003, 1, 300, 'y', '{a,a/}', '["a"]', E'\\nthree');
`;

describe("PostgresReplayStore: its schema", { skip: missing(postgresServer) }, () => {
  let engine: Engine;
  let sql: postgres.Sql;

  before(async () => {
    engine = await startEngine(postgresServer);
    sql = postgres(engine.url, { onnotice: () => {}, fetch_types: false });
    while (!await sql`select 1`.then(() => true, () => false)); // it takes connections before it answers them
  });
  after(async () => {
    await sql.end({ timeout: 1 });
    await engine.stop();
  });

  it("migrates tables of the first version: own IDs belong to their topics, and are still known", async () => {
    await sql.unsafe(FIRST_VERSION);
    const store = new PostgresReplayStore(sql, { name: "old" });
    const read = async () => (await store.read(0, { limit: 9 })).events.map(({ data }) => data);
    assertEquals(await read(), ["one", "two", "three"]);
    assertEquals([await store.locate("x", ["b"]), await store.locate("y", ["a"])], [1001, 1003]);
    const again = await store.append([
      { topics: ["a", "b"], data: "one", id: "x" },
      { topics: ["a"], data: "three", id: "y" },
      { topics: ["a"], data: "four", id: "x" },
    ]);
    assertEquals(again, [{ id: "x" }, { id: "y" }, { id: "x" }]);
    const [taken] = await store.append([{ topics: ["a"], data: "other", id: "y" }]);
    assertEquals((taken!.error as { code?: string }).code, "id-taken");
    assertEquals(await read(), ["one", "two", "three", "four"]);
    await store.close();
  });
});
