/** Steps from each version of the tables to the next. */
export const MIGRATIONS: readonly string[] = [
  `
CREATE TABLE freshet_logs (
  id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  name text NOT NULL UNIQUE,
  epoch text NOT NULL,               -- the random part of its IDs
  incarnation text NOT NULL DEFAULT '', -- of the server: it changes when that starts or is taken over
  newest bigint NOT NULL DEFAULT 0,
  oldest bigint NOT NULL DEFAULT 1,  -- the oldest that is retained; newest + 1 if none is
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

-- A server that starts anew or was taken over may lack what it acknowledged last (synchronous_commit = off, an asynchronous
-- replica). So the positions go on from the clock's microseconds then, and the hole is noted.
CREATE FUNCTION freshet_incarnation() RETURNS text LANGUAGE sql AS $$
  SELECT extract(epoch FROM pg_postmaster_start_time())::text || ' ' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)
$$;

-- The log's row, locked until the end of the transaction: whoever appends next waits for that, and then sees what was
-- committed. So positions become visible in their order, and none is missing: a sequence would promise neither.
CREATE FUNCTION freshet_lock(log_name text, new_epoch text) RETURNS freshet_logs LANGUAGE plpgsql AS $$
DECLARE
  l freshet_logs;
  incarnation_now text := freshet_incarnation();
  upto bigint;
BEGIN
  SELECT * INTO l FROM freshet_logs WHERE name = log_name FOR UPDATE;
  IF NOT FOUND THEN
    INSERT INTO freshet_logs (name, epoch) VALUES (log_name, new_epoch) ON CONFLICT DO NOTHING;
    SELECT * INTO l FROM freshet_logs WHERE name = log_name FOR UPDATE;
  END IF;
  IF l.incarnation <> incarnation_now THEN
    upto := greatest(l.newest + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
    IF l.oldest > l.newest THEN l.oldest := upto + 1; END IF;
    l.holes := l.holes || l.newest || upto;
    l.holes := l.holes[greatest(1, cardinality(l.holes) - 63):];
    l.newest := upto;
    l.incarnation := incarnation_now;
    UPDATE freshet_logs SET oldest = l.oldest, newest = l.newest, holes = l.holes, incarnation = l.incarnation WHERE id = l.id;
  END IF;
  RETURN l;
END $$;

CREATE FUNCTION freshet_state(log_name text, new_epoch text) RETURNS freshet_logs LANGUAGE plpgsql AS $$
DECLARE l freshet_logs;
BEGIN
  SELECT * INTO l FROM freshet_logs WHERE name = log_name;
  IF NOT FOUND OR l.incarnation <> freshet_incarnation() THEN l := freshet_lock(log_name, new_epoch); END IF;
  RETURN l;
END $$;

-- Stores a batch once: one that comes again is answered as the first time, one that comes late is refused.
CREATE FUNCTION freshet_append(log_name text, new_epoch text, batch_writer text, batch_number bigint, max_events bigint,
  max_age bigint, max_bytes bigint, ids text[], topic_lists text[], key_lists text[], bodies text[],
  OUT epoch text, OUT first bigint, OUT doubles integer[]) LANGUAGE plpgsql AS $$
DECLARE
  l freshet_logs;
  done freshet_writers;
  ms bigint;
  added bigint;
  cut bigint := -1;
  span bigint;
BEGIN
  l := freshet_lock(log_name, new_epoch);
  epoch := l.epoch;
  SELECT * INTO done FROM freshet_writers w WHERE w.log = l.id AND w.writer = batch_writer;
  IF done.batch > batch_number THEN RAISE EXCEPTION 'late batch' USING ERRCODE = 'FRE01'; END IF;
  IF done.batch = batch_number THEN
    first := done.first;
    doubles := done.doubles;
    RETURN;
  END IF;
  ms := greatest(l.time, (extract(epoch FROM clock_timestamp()) * 1000)::bigint); -- a clock set back must not unsort them
  first := l.newest + 1;
  doubles := '{}';
  IF array_to_string(ids, '') <> '' THEN
    UPDATE freshet_events e SET own_id = NULL
      WHERE e.log = l.id AND e.own_id = ANY (ids) AND (e.position < l.oldest OR e.time < ms - max_age);
    SELECT coalesce(array_agg(i.n - 1), '{}') INTO doubles FROM unnest(ids) WITH ORDINALITY AS i (id, n)
      WHERE i.id <> '' AND (i.n > array_position(ids, i.id)
        OR EXISTS (SELECT FROM freshet_events e WHERE e.log = l.id AND e.own_id = i.id));
  END IF;
  INSERT INTO freshet_events (log, position, time, upto, own_id, keys, topics, body)
    SELECT l.id, l.newest + row_number() OVER (ORDER BY n), ms,
      l.bytes + sum(64 + octet_length(t) + octet_length(b) + octet_length(i)) OVER (ORDER BY n),
      nullif(i, ''), string_to_array(k, E'\\x1f'), t, b
    FROM unnest(ids, topic_lists, key_lists, bodies) WITH ORDINALITY AS e (i, t, k, b, n)
    WHERE n - 1 <> ALL (doubles);
  GET DIAGNOSTICS added = ROW_COUNT;
  IF added > 0 THEN
    l.newest := l.newest + added;
    SELECT e.upto INTO l.bytes FROM freshet_events e WHERE e.log = l.id AND e.position = l.newest;
    IF max_events IS NOT NULL THEN
      cut := l.newest;
      span := max_events;
      FOR i IN REVERSE cardinality(l.holes) / 2 .. 1 LOOP
        EXIT WHEN cut - span >= l.holes[2 * i];
        span := span - (cut - l.holes[2 * i]);
        cut := l.holes[2 * i - 1];
      END LOOP;
      cut := cut - span;
    END IF;
    -- Is the oldest too many, too old, or too much? Then some more than were added, so that a lower limit is reached in steps
    IF EXISTS (SELECT FROM freshet_events e WHERE e.log = l.id AND e.position = l.oldest
      AND (e.position <= cut OR e.time < ms - max_age OR e.upto <= l.bytes - max_bytes)) THEN
      SELECT max(o.position) INTO cut FROM (
        SELECT e.position, e.time, e.upto FROM freshet_events e
          WHERE e.log = l.id AND e.position >= l.oldest ORDER BY e.position LIMIT 2 * added + 100) o
        WHERE o.position <= cut OR o.time < ms - max_age OR o.upto <= l.bytes - max_bytes;
      DELETE FROM freshet_events e WHERE e.log = l.id AND e.position BETWEEN l.oldest AND cut;
      SELECT coalesce(min(e.position), l.newest + 1) INTO l.oldest FROM freshet_events e
        WHERE e.log = l.id AND e.position > cut;
    END IF;
    UPDATE freshet_logs f SET newest = l.newest, oldest = l.oldest, time = ms, bytes = l.bytes WHERE f.id = l.id;
    PERFORM pg_notify(rpad('freshet:' || log_name || ':', 63, '-'), l.newest::text);
  END IF;
  INSERT INTO freshet_writers VALUES (l.id, batch_writer, batch_number, first, doubles, now())
    ON CONFLICT (log, writer) DO UPDATE SET batch = excluded.batch, first = excluded.first, doubles = excluded.doubles,
      seen = excluded.seen;
  IF batch_number % 1000 = 1 THEN
    DELETE FROM freshet_writers w WHERE w.log = l.id AND w.seen < now() - interval '1 hour';
  END IF;
END $$;

-- Says to every reader that a hole took events with it, once.
CREATE FUNCTION freshet_tell_loss(log_name text, new_epoch text, hole bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE l freshet_logs;
BEGIN
  l := freshet_lock(log_name, new_epoch);
  IF l.lost >= hole THEN RETURN; END IF;
  INSERT INTO freshet_events (log, position, time, upto, tells_loss, keys, topics, body)
    VALUES (l.id, l.newest + 1, l.time, l.bytes, true, '{}', '[]', '[]');
  UPDATE freshet_logs SET newest = l.newest + 1, lost = l.newest + 1 WHERE id = l.id;
  PERFORM pg_notify(rpad('freshet:' || log_name || ':', 63, '-'), (l.newest + 1)::text);
END $$;
`,
];

/** Makes or migrates the tables, one process at a time. `$version` is the newest, `$steps` what leads there. */
export function migration(): string {
  const steps = MIGRATIONS.map((step, i) =>
    `IF version < ${i + 1} THEN EXECUTE $step$${step}$step$; UPDATE freshet_schema SET version = ${i + 1}; END IF;`
  );
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
END $migration$`;
}
