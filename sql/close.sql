-- emit = 'close': windows' rows appear once, when the watermark has passed their end.
CREATE SCHEMA closing;
SET search_path = closing;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE FOREIGN TABLE s (id int, k text, v int, t timestamptz, z timestamp) SERVER cq_log OPTIONS (event_time 't', watermark '10 s');

-- Waits until all windows up to a time have been emitted.
CREATE PROCEDURE await(v regclass, upto timestamptz) LANGUAGE plpgsql AS $$
DECLARE
  emitted timestamptz;
BEGIN
  FOR i IN 1 .. 3000 LOOP
    SELECT emitted_through INTO emitted FROM _cq.closing WHERE view = v;
    EXIT WHEN emitted >= upto;
    COMMIT;
    PERFORM pg_sleep(0.02);
  END LOOP;
  IF emitted IS NULL OR emitted <> upto THEN
    RAISE WARNING '% is emitted through %', v, emitted;
  END IF;
END $$;
-- How many groups a view still keeps.
CREATE FUNCTION kept(v regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  n bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM %s', (SELECT relation FROM _cq.part WHERE view = v AND role = 'state')) INTO n;
  RETURN n;
END $$;

CREATE CONTINUOUS VIEW minutes WITH (emit = 'close', late = 'keep') AS
  SELECT window_start, k, count(*), sum(v) FROM s, cq.tumble(t, '1 min') GROUP BY 1, 2;
CREATE CONTINUOUS VIEW patient WITH (emit = 'close', allowed_lateness = '1 min', watermark = '0 s') AS
  SELECT window_start, window_end, count(*) FROM s, cq.tumble(t, '1 min') GROUP BY 1, 2 HAVING count(*) > 1 ORDER BY 1;
CREATE CONTINUOUS VIEW hops WITH (emit = 'close') AS
  SELECT window_start, window_end, sum(v) FROM s, cq.hop(t, '1 min', '3 min') GROUP BY 1, 2;
CREATE CONTINUOUS VIEW steps WITH (emit = 'close') AS
  SELECT window_end, max(v) - min(v) AS range FROM s, cq.cumulate(t, '1 min', '2 min') GROUP BY 1;
CREATE VIEW renamed AS SELECT k AS key, t AS at FROM s WHERE k <> 'never';
CREATE CONTINUOUS VIEW through WITH (emit = 'close') AS
  WITH c AS (SELECT key, at FROM renamed) SELECT w.window_end AS upto, count(*) FROM (SELECT at AS x FROM c) y CROSS JOIN LATERAL cq.tumble(y.x, '1 min') w GROUP BY 1;
\d minutes
SELECT cq.watermark('minutes');

INSERT INTO s VALUES (1, 'a', 1, '2026-01-01 00:00:05'), (2, 'b', 2, '2026-01-01 00:00:50'), (3, 'a', 4, '2026-01-01 00:01:09.999999');
SELECT cq.wait(view) FROM cq.views \g /dev/null
SELECT cq.watermark('minutes'), cq.watermark('patient');
SELECT event_time, watermark FROM cq.positions WHERE view = 'minutes'::regclass;
-- One microsecond later the first window closes; what comes for it then is late, though in the same batch.
TABLE minutes;
INSERT INTO s VALUES (4, 'a', 8, '2026-01-01 00:01:10'), (5, 'a', 16, '2026-01-01 00:00:59');
SELECT cq.wait('minutes');
CALL await('minutes', '2026-01-01 00:01:00');
CALL await('hops', '2026-01-01 00:01:00');
CALL await('steps', '2026-01-01 00:01:00');
CALL await('through', '2026-01-01 00:01:00');
SELECT * FROM minutes ORDER BY 1, 2;
SELECT kept('minutes');
-- Late as well: at its start and just before its end. Not late: at the end.
INSERT INTO s VALUES (6, 'a', 32, '2026-01-01 00:00:00'), (7, 'b', 64, '2026-01-01 00:00:59.999999'), (8, 'b', 128, '2026-01-01 00:01:00');
SELECT cq.wait('minutes');
SELECT event_time, window_end, topic, partition, "offset" FROM cq.late WHERE view = 'minutes'::regclass ORDER BY 5;
SELECT late_rows FROM cq.stat_views WHERE view = 'minutes'::regclass;
-- Many windows at once; a time that is null, and one with no window at all.
INSERT INTO s VALUES (9, 'c', 256, '2026-01-01 00:05:00'), (10, 'c', 512, NULL), (11, 'c', 1024, '-infinity'), (12, 'd', 2048, '2026-01-01 00:10:00');
SELECT cq.wait(view) FROM cq.views \g /dev/null
CALL await('minutes', '2026-01-01 00:09:00');
CALL await('patient', '2026-01-01 00:09:00');
CALL await('hops', '2026-01-01 00:09:00');
CALL await('steps', '2026-01-01 00:09:00');
CALL await('through', '2026-01-01 00:09:00');
SELECT * FROM minutes ORDER BY 1, 2;
SELECT * FROM patient;
SELECT * FROM hops ORDER BY 1;
SELECT * FROM steps ORDER BY 1;
SELECT * FROM through ORDER BY 1;
SELECT view, kept(view) FROM cq.views ORDER BY 1;
SELECT view, message FROM cq.errors ORDER BY error_id;
-- What is closed stays, whoever would like to change it.
INSERT INTO minutes VALUES (now(), 'x', 1, 1);
DELETE FROM minutes;
-- The same as the query run as a batch, over the rows that were not late.
SELECT count(*) FROM (SELECT * FROM minutes EXCEPT ALL SELECT window_start, k, count(*), sum(v) FROM s, cq.tumble(t, '1 min') WHERE id NOT IN (5, 6, 7) AND isfinite(t) GROUP BY 1, 2) x;
SELECT count(*) FROM (SELECT window_start, k, count(*), sum(v) FROM s, cq.tumble(t, '1 min') WHERE id NOT IN (5, 6, 7) AND t < '2026-01-01 00:09' AND isfinite(t) GROUP BY 1, 2 EXCEPT ALL SELECT * FROM minutes) x;
CREATE INDEX ON minutes (window_start, k);
SELECT cq.reset('minutes');
SELECT cq.wait('minutes');
CALL await('minutes', '2026-01-01 00:09:00');
-- All came in one batch now, before anything was closed: what is late is the same.
SELECT * FROM minutes ORDER BY 1, 2;
SELECT count(*) FROM cq.late;

-- Far in the future.
INSERT INTO s VALUES (13, 'e', 1, clock_timestamp() + '2 days');
SELECT cq.wait('minutes');
SELECT cq.watermark('minutes');
SELECT message ~ '^event time .* is too far ahead of the clock$' FROM cq.errors WHERE view = 'minutes'::regclass AND error_id > 1;

-- Refused.
CREATE CONTINUOUS VIEW no WITH (emit = 'close') AS SELECT k FROM s;
CREATE CONTINUOUS VIEW no WITH (emit = 'close') AS SELECT k, count(*) FROM s GROUP BY k;
CREATE CONTINUOUS VIEW no WITH (emit = 'close') AS SELECT window_start, count(*) FROM s, cq.tumble(z, '1 min') GROUP BY 1;
CREATE CONTINUOUS VIEW no WITH (emit = 'close') AS SELECT window_start, count(*) FROM s, cq.tumble(t + '1 s', '1 min') GROUP BY 1;
CREATE CONTINUOUS VIEW no WITH (emit = 'close') AS SELECT k, count(*) FROM s, cq.tumble(t, '1 min') GROUP BY 1;
CREATE CONTINUOUS VIEW no WITH (emit = 'close') AS SELECT window_start, count(*) FROM s, cq.cumulate(t, '1 min', '2 min') GROUP BY 1;
CREATE CONTINUOUS VIEW no WITH (emit = 'close') AS SELECT window_start, count(*) FROM s, cq.tumble(t, make_interval(mins => v)) GROUP BY 1;
CREATE CONTINUOUS VIEW no WITH (emit = 'close') AS SELECT window_start, count(*) FROM s LEFT JOIN LATERAL cq.tumble(t, '1 min') ON true GROUP BY 1;
CREATE CONTINUOUS VIEW no WITH (emit = 'close') AS SELECT window_start, k, count(*) FROM s, cq.tumble(t, '1 min') GROUP BY GROUPING SETS ((1), (1, 2));
CREATE CONTINUOUS VIEW no WITH (emit = 'close') AS SELECT window_start, count(*) FROM s, cq.tumble(t, '1 min') GROUP BY 1 LIMIT 5;
CREATE CONTINUOUS VIEW no WITH (emit = 'close') AS SELECT window_start, rank() OVER (ORDER BY count(*)) FROM s, cq.tumble(t, '1 min') GROUP BY 1;
CREATE CONTINUOUS VIEW no WITH (emit = 'close') AS SELECT DISTINCT count(*) FROM s, cq.tumble(t, '1 min') GROUP BY window_start;
CREATE CONTINUOUS VIEW no WITH (emit = 'closed') AS SELECT window_start, count(*) FROM s, cq.tumble(t, '1 min') GROUP BY 1;
CREATE CONTINUOUS VIEW no WITH (emit = 'close', late = 'mend') AS SELECT window_start, count(*) FROM s, cq.tumble(t, '1 min') GROUP BY 1;
CREATE CONTINUOUS VIEW no WITH (emit = 'close', allowed_lateness = '-1 s') AS SELECT window_start, count(*) FROM s, cq.tumble(t, '1 min') GROUP BY 1;
CREATE CONTINUOUS VIEW no WITH (allowed_lateness = '1 s') AS SELECT window_start, count(*) FROM s, cq.tumble(t, '1 min') GROUP BY 1;
ALTER CONTINUOUS VIEW minutes SET (emit = 'change');
CREATE FOREIGN TABLE timeless (t timestamptz) SERVER cq_log;
CREATE CONTINUOUS VIEW no WITH (emit = 'close') AS SELECT window_start, count(*) FROM timeless, cq.tumble(t, '1 min') GROUP BY 1;
CREATE CONTINUOUS VIEW timeless_counts AS SELECT window_start, count(*) FROM timeless, cq.tumble(t, '1 min') GROUP BY 1;
SELECT cq.watermark('timeless_counts');
SELECT cq.watermark('timeless');

-- Times without a zone, days of a zone in which one has 23 hours.
CREATE FOREIGN TABLE plain (z timestamp, v int) SERVER cq_log OPTIONS (event_time 'z');
CREATE CONTINUOUS VIEW plain_hours WITH (emit = 'close') AS SELECT window_end, count(*) FROM plain, cq.hop(z, '1 hour', '2 hours') GROUP BY 1;
SET TimeZone = 'Europe/Berlin';
CREATE CONTINUOUS VIEW days WITH (emit = 'close') AS SELECT window_start, window_end, count(*) FROM s, cq.tumble(t, '1 day') GROUP BY 1, 2;
SET TimeZone = 'UTC';
INSERT INTO plain VALUES ('2026-01-01 00:30', 1), ('2026-01-01 01:30', 1), ('2026-01-01 03:00', 1);
CALL await('plain_hours', '2026-01-01 03:00:00+00');
SELECT * FROM plain_hours ORDER BY 1;
INSERT INTO s (t) VALUES ('2026-03-28 23:00'), ('2026-03-29 21:59:59'), ('2026-03-29 22:00:10');
CALL await('days', '2026-03-29 22:00+00');
SELECT * FROM days ORDER BY 1;

-- A view that cannot make its rows stops, and goes on when it can.
CREATE FUNCTION careful(n bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN IF n = 3 THEN RAISE 'three'; END IF; RETURN n; END $$;
CREATE CONTINUOUS VIEW careful WITH (emit = 'close') AS SELECT window_start, careful(count(*)) FROM plain, cq.tumble(z, '4 hours') GROUP BY 1;
INSERT INTO plain VALUES ('2026-01-01 04:00', 1);
DO $$ BEGIN FOR i IN 1 .. 3000 LOOP EXIT WHEN (SELECT status = 'failed' FROM cq.views WHERE view = 'closing.careful'::regclass); COMMIT; PERFORM pg_sleep(0.02); END LOOP; END $$;
SELECT status, status_detail FROM cq.views WHERE view = 'careful'::regclass;
CREATE OR REPLACE FUNCTION careful(n bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN n; END $$;
SELECT cq.resume('careful');
CALL await('careful', '2026-01-01 04:00+00');
TABLE careful;


-- Windows of another time beside those that are closed: panes of the one are not what the other closes.
CREATE FOREIGN TABLE two (t timestamptz, z timestamp, v int) SERVER cq_log OPTIONS (event_time 't');
CREATE CONTINUOUS VIEW pairs WITH (emit = 'close') AS
  SELECT a.window_end, b.window_end AS other, sum(v) FROM two, cq.tumble(t, '1 min') a, cq.hop(z, '1 min', '3 min') b GROUP BY 1, 2;
INSERT INTO two SELECT '2026-01-01 00:00' :: timestamptz + i * interval '7 s', '2026-01-01 00:00' :: timestamp - i % 5 * interval '1 hour', i FROM generate_series(0, 20) i;
SELECT cq.wait('pairs');
INSERT INTO two SELECT '2026-01-01 00:02:27' :: timestamptz + i * interval '7 s', '2026-01-01 00:00' :: timestamp - i % 5 * interval '1 hour', i FROM generate_series(0, 20) i;
SELECT cq.wait('pairs');
SELECT count(*) FROM pairs;
SELECT * FROM (TABLE pairs EXCEPT ALL SELECT a.window_end, b.window_end, sum(v) FROM two, cq.tumble(t, '1 min') a, cq.hop(z, '1 min', '3 min') b WHERE a.window_end <= '2026-01-01 00:04' GROUP BY 1, 2) x;
SELECT * FROM (SELECT a.window_end, b.window_end, sum(v) FROM two, cq.tumble(t, '1 min') a, cq.hop(z, '1 min', '3 min') b WHERE a.window_end <= '2026-01-01 00:04' GROUP BY 1, 2 EXCEPT ALL TABLE pairs) x;

-- What an owner does to the state, or raises, is the view's trouble and nobody else's.
CREATE CONTINUOUS VIEW ruled WITH (emit = 'close') AS SELECT window_start, count(*) FROM two, cq.tumble(t, '1 min') GROUP BY 1;
CREATE RULE nothing AS ON DELETE TO _cq.ruled_state DO INSTEAD NOTHING;
CREATE FUNCTION cancel(n bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE 'no more' USING ERRCODE = '57014'; END $$;
CREATE CONTINUOUS VIEW cancelled WITH (emit = 'close') AS SELECT window_start, cancel(count(*)) FROM two, cq.tumble(t, '1 min') GROUP BY 1;
CREATE CONTINUOUS VIEW harmless WITH (emit = 'close') AS SELECT window_start, count(*) FROM two, cq.tumble(t, '1 min') GROUP BY 1;
SELECT cq.wait('harmless');
SELECT count(*) FROM harmless;
DO $$ BEGIN FOR i IN 1 .. 3000 LOOP EXIT WHEN (SELECT count(*) = 2 FROM cq.views WHERE view::text ~ 'ruled|cancelled' AND status = 'failed'); COMMIT; PERFORM pg_sleep(0.02); END LOOP; END $$;
SELECT view, status, status_detail FROM cq.views WHERE view::text ~ 'ruled|cancelled' ORDER BY 1;
DROP RULE nothing ON _cq.ruled_state;
SELECT cq.resume('ruled');
SELECT cq.wait('ruled');
SELECT count(*) FROM ruled;

SET client_min_messages = warning;
DROP SCHEMA closing CASCADE;
SELECT count(*) FROM _cq.closing;
SELECT count(*) FROM _cq.late;
SELECT relname FROM pg_class WHERE relnamespace = '_cq'::regnamespace AND relname ~ 'minutes|careful|days';
