/** The functions that work on the tables: each version makes its own, in place of those of the version before. */
export const FUNCTIONS: string = `
DROP FUNCTION IF EXISTS freshet_tell_loss, freshet_append, freshet_state, freshet_lock, freshet_set, freshet_now;

CREATE FUNCTION freshet_now() RETURNS bigint LANGUAGE sql AS $$
  SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint
$$;

-- What an own ID and the set of topics that it belongs to are found by, as one text
CREATE FUNCTION freshet_set(own text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
  SELECT substring(sha256(convert_to(own, 'UTF8')) FOR 16)
$$;

-- The log's row, locked until the end of the transaction: whoever appends next waits for that, and then sees what was
-- committed. So positions become visible in their order, and none is missing: a sequence would promise neither.
-- A server that starts anew or was taken over may lack what it acknowledged last (synchronous_commit = off, an asynchronous
-- replica). So the positions go on from the clock's microseconds then, and the hole is noted.
CREATE FUNCTION freshet_lock(log_name text, new_epoch text) RETURNS freshet_logs LANGUAGE plpgsql AS $$
DECLARE
  l freshet_logs;
  upto bigint;
BEGIN
  SELECT * INTO l FROM freshet_logs WHERE name = log_name FOR UPDATE;
  IF NOT FOUND THEN
    INSERT INTO freshet_logs (name, epoch) VALUES (log_name, new_epoch) ON CONFLICT DO NOTHING;
    SELECT * INTO l FROM freshet_logs WHERE name = log_name FOR UPDATE;
  END IF;
  IF l.incarnation <> pg_postmaster_start_time() THEN
    upto := greatest(l.newest + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
    IF l.oldest > l.newest THEN l.oldest := upto + 1; END IF;
    l.holes := l.holes || l.newest || upto;
    l.holes := l.holes[greatest(1, cardinality(l.holes) - 63):];
    l.newest := upto;
    l.incarnation := pg_postmaster_start_time();
    UPDATE freshet_logs SET oldest = l.oldest, newest = l.newest, holes = l.holes, incarnation = l.incarnation WHERE id = l.id;
  END IF;
  RETURN l;
END $$;

CREATE FUNCTION freshet_state(log_name text, new_epoch text) RETURNS freshet_logs LANGUAGE plpgsql AS $$
DECLARE l freshet_logs;
BEGIN
  SELECT * INTO l FROM freshet_logs WHERE name = log_name;
  IF NOT FOUND OR l.incarnation <> pg_postmaster_start_time() THEN l := freshet_lock(log_name, new_epoch); END IF;
  RETURN l;
END $$;

-- Stores a batch once: one that comes again is answered as the first time, one that comes late is refused. Who does not know
-- the last hole is told all with the answer: the events' positions are beyond them already. Of \`owns\`, each is an own ID and,
-- in the lines after it, its topics. \`others\` are the events that get no position: by their index if they are there, by
-- -1 - index if their ID is taken.
CREATE FUNCTION freshet_append(log_name text, new_epoch text, batch_writer text, batch_number bigint, max_events bigint,
  max_age bigint, max_bytes bigint, known_hole bigint, owns text[], topic_lists text[], key_lists text[], bodies text[],
  OUT epoch text, OUT holes bigint[], OUT first bigint, OUT others integer[]) LANGUAGE plpgsql AS $$
DECLARE
  l freshet_logs;
  done freshet_writers;
  kept freshet_events;
  has_owns boolean := array_to_string(owns, '') <> '';
  added bigint;
  size bigint;
  cut bigint := -1;
  span bigint;
BEGIN
  IF has_owns THEN
    l := freshet_lock(log_name, new_epoch);
    SELECT * INTO done FROM freshet_writers w WHERE w.log = l.id AND w.writer = batch_writer;
    IF done.batch IS NULL OR done.batch < batch_number THEN
      UPDATE freshet_events e SET own_id = NULL, own_set = NULL
        WHERE e.log = l.id AND e.own_set IN (SELECT freshet_set(own) FROM unnest(owns) own WHERE own <> '')
        AND (e.position < l.oldest OR e.time < greatest(l.time, freshet_now()) - max_age);
      SELECT coalesce(array_agg(CASE WHEN body = same THEN n - 1 ELSE -n END), '{}') INTO others FROM (
        SELECT own, body, n, coalesce(
          (SELECT e.body FROM freshet_events e WHERE e.log = l.id AND e.own_set = freshet_set(own)),
          CASE WHEN n > array_position(owns, own) THEN bodies[array_position(owns, own)] END) AS same
        FROM unnest(owns, bodies) WITH ORDINALITY AS e (own, body, n) WHERE own <> '') e WHERE same IS NOT NULL;
      SELECT array_agg(i), array_agg(t), array_agg(k), array_agg(b) INTO owns, topic_lists, key_lists, bodies
        FROM unnest(owns, topic_lists, key_lists, bodies) WITH ORDINALITY AS e (i, t, k, b, n)
        WHERE n - 1 <> ALL (others) AND -n <> ALL (others);
    END IF;
  END IF;
  others := coalesce(others, '{}');
  added := coalesce(cardinality(bodies), 0);
  size := 64 * added
    + coalesce(octet_length(array_to_string(topic_lists, '') || array_to_string(bodies, '') || array_to_string(owns, '')), 0);
  -- This locks the log, if that was not done: one statement does what most batches need
  FOR attempt IN 1 .. 2 LOOP
    UPDATE freshet_logs f SET newest = f.newest + added, bytes = f.bytes + size,
        time = CASE WHEN added > 0 THEN greatest(f.time, freshet_now()) ELSE f.time END, -- a clock set back must not unsort it
        oldest_time = CASE WHEN f.oldest > f.newest THEN f.time ELSE f.oldest_time END,
        oldest_upto = CASE WHEN f.oldest > f.newest THEN f.bytes ELSE f.oldest_upto END
      WHERE f.name = log_name AND f.incarnation = pg_postmaster_start_time() RETURNING * INTO l;
    EXIT WHEN FOUND;
    PERFORM freshet_lock(log_name, new_epoch);
  END LOOP;
  epoch := l.epoch;
  IF l.holes[cardinality(l.holes)] <> known_hole THEN holes := l.holes; END IF;
  first := l.newest - added + 1;
  UPDATE freshet_writers w
    SET batch = batch_number, first = freshet_append.first, doubles = freshet_append.others, seen = now()
    WHERE w.log = l.id AND w.writer = batch_writer AND w.batch < batch_number;
  IF NOT FOUND THEN
    SELECT * INTO done FROM freshet_writers w WHERE w.log = l.id AND w.writer = batch_writer;
    IF done.batch > batch_number THEN RAISE EXCEPTION 'late batch' USING ERRCODE = 'FRE01'; END IF;
    IF done.batch = batch_number THEN
      UPDATE freshet_logs f SET newest = l.newest - added, bytes = l.bytes - size WHERE f.id = l.id;
      first := done.first;
      others := done.doubles;
      RETURN;
    END IF;
    INSERT INTO freshet_writers VALUES (l.id, batch_writer, batch_number, first, others, now());
    DELETE FROM freshet_writers w WHERE w.log = l.id AND w.seen < now() - interval '1 hour';
  END IF;
  IF added > 0 THEN
    INSERT INTO freshet_events (log, position, time, upto, own_id, own_set, keys, topics, body)
      SELECT l.id, l.newest - added + n, l.time,
        l.bytes - size + sum(64 + octet_length(t) + octet_length(b) + octet_length(i)) OVER (ORDER BY n),
        nullif(split_part(i, E'\\n', 1), ''), CASE WHEN i <> '' THEN freshet_set(i) END, string_to_array(k, E'\\x1f'), t, b
      FROM unnest(owns, topic_lists, key_lists, bodies) WITH ORDINALITY AS e (i, t, k, b, n);
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
    IF l.oldest <= cut OR l.oldest_time < l.time - max_age OR l.oldest_upto <= l.bytes - max_bytes THEN
      SELECT coalesce(max(o.position), -1) INTO cut FROM (
        SELECT e.position, e.time, e.upto FROM freshet_events e
          WHERE e.log = l.id AND e.position >= l.oldest ORDER BY e.position LIMIT 2 * added + 100) o
        WHERE o.position <= cut OR o.time < l.time - max_age OR o.upto <= l.bytes - max_bytes;
      DELETE FROM freshet_events e WHERE e.log = l.id AND e.position BETWEEN l.oldest AND cut;
      SELECT * INTO kept FROM freshet_events e
        WHERE e.log = l.id AND e.position >= greatest(l.oldest, cut + 1) ORDER BY e.position LIMIT 1;
      UPDATE freshet_logs f SET oldest = coalesce(kept.position, l.newest + 1), oldest_time = coalesce(kept.time, 0),
        oldest_upto = coalesce(kept.upto, 0) WHERE f.id = l.id;
    END IF;
    PERFORM pg_notify(rpad('freshet:' || log_name || ':', 63, '-'), l.newest::text);
  END IF;
END $$;

-- Says to every reader that a hole took events with it, once. Returns the position of what says so, 0 if it was said.
CREATE FUNCTION freshet_tell_loss(log_name text, new_epoch text, hole bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE l freshet_logs;
BEGIN
  l := freshet_lock(log_name, new_epoch);
  IF l.lost >= hole THEN RETURN 0; END IF;
  INSERT INTO freshet_events (log, position, time, upto, tells_loss, keys, topics, body)
    VALUES (l.id, l.newest + 1, l.time, l.bytes, true, '{}', '[]', '[]');
  UPDATE freshet_logs SET newest = l.newest + 1, lost = l.newest + 1 WHERE id = l.id;
  PERFORM pg_notify(rpad('freshet:' || log_name || ':', 63, '-'), (l.newest + 1)::text);
  RETURN l.newest + 1;
END $$;
`;
