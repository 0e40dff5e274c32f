import { FUNCTIONS } from "./functions.ts";

/** Steps from each version of the tables to the next; a version whose functions alone are others has an empty one. */
const MIGRATIONS: readonly string[] = [
  `
CREATE TABLE freshet_logs (
  id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  name text NOT NULL UNIQUE,
  epoch text NOT NULL,               -- the random part of its IDs
  incarnation timestamptz NOT NULL DEFAULT 'epoch', -- when the server started: another has another, and so has the next
  newest bigint NOT NULL DEFAULT 0,
  oldest bigint NOT NULL DEFAULT 1,  -- the oldest that is retained; newest + 1 if none is
  oldest_time bigint NOT NULL DEFAULT 0, -- its time and upto, or less: whether it is worth looking at
  oldest_upto bigint NOT NULL DEFAULT 0,
  time bigint NOT NULL DEFAULT 0,    -- of the newest, in milliseconds
  bytes bigint NOT NULL DEFAULT 0,   -- of all events ever
  lost bigint NOT NULL DEFAULT 0,    -- the newest position at which a loss was told
  holes bigint[] NOT NULL DEFAULT '{}'  -- from, to, from, to: where no position was given out
);
CREATE TABLE freshet_events (
  log integer NOT NULL,
  position bigint NOT NULL,
  time bigint NOT NULL,
  upto bigint NOT NULL,    -- bytes of all events so far
  tells_loss boolean NOT NULL DEFAULT false,
  own_id text,
  keys text[] NOT NULL,    -- its topics, and what patterns that reach it begin with
  topics text NOT NULL,    -- JSON
  body text NOT NULL,      -- JSON
  PRIMARY KEY (log, position)
);
CREATE UNIQUE INDEX freshet_events_own_id ON freshet_events (log, own_id) WHERE own_id IS NOT NULL;
CREATE INDEX freshet_events_keys ON freshet_events USING gin (keys) WITH (fastupdate = off);
CREATE TABLE freshet_writers (
  log integer NOT NULL,
  writer text NOT NULL,
  batch bigint NOT NULL,
  first bigint NOT NULL,
  doubles integer[] NOT NULL,
  seen timestamptz NOT NULL,
  PRIMARY KEY (log, writer)
);
CREATE UNLOGGED TABLE freshet_nodes (
  log integer NOT NULL,
  node text NOT NULL,
  says text NOT NULL,
  till timestamptz NOT NULL,
  PRIMARY KEY (log, node)
);
`,
  "", // an append tells of holes
  // Own IDs belong to a set of topics. Topics beyond U+FFFF are sorted otherwise here: those of former events are free again
  `
ALTER TABLE freshet_events ADD COLUMN own_set bytea; -- the ID and the sorted topics, as a hash
UPDATE freshet_events SET own_set = substring(sha256(convert_to(own_id || E'\\n' || (
    SELECT string_agg(topic, E'\\n' ORDER BY topic COLLATE "C") FROM json_array_elements_text(topics::json) topic
  ), 'UTF8')) FOR 16) WHERE own_id IS NOT NULL;
DROP INDEX freshet_events_own_id;
CREATE UNIQUE INDEX freshet_events_own_set ON freshet_events (log, own_set) WHERE own_set IS NOT NULL;
CREATE INDEX freshet_events_own_id ON freshet_events (log, own_id, position) WHERE own_id IS NOT NULL;
`,
];

/** Makes or migrates the tables, one process at a time. */
export function migration(): string {
  const steps = MIGRATIONS.map((step, i) => `IF version < ${i + 1} THEN EXECUTE $step$${step}$step$; END IF;`);
  return `DO $migration$
DECLARE version integer;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('freshet_schema'));
  IF to_regclass('freshet_schema') IS NULL THEN
    CREATE TABLE freshet_schema (version integer NOT NULL);
    INSERT INTO freshet_schema VALUES (0);
  END IF;
  SELECT s.version INTO version FROM freshet_schema s;
  IF version > ${MIGRATIONS.length} THEN
    RAISE EXCEPTION 'a newer version made the tables: got schema %, expected at most ${MIGRATIONS.length}', version
      USING ERRCODE = 'FRE02';
  END IF;
  ${steps.join("\n  ")}
  IF version < ${MIGRATIONS.length} THEN
    EXECUTE $functions$${FUNCTIONS}$functions$;
    UPDATE freshet_schema SET version = ${MIGRATIONS.length};
  END IF;
END $migration$`;
}
