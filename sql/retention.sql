-- retention: what goes, by which time, and what cannot. Windows that have expired are not seen, whether or not their state is still there.
CREATE SCHEMA retaining;
SET search_path = retaining;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
SET IntervalStyle = postgres;
CREATE FOREIGN TABLE s (id int, k text, v int, t timestamptz, z timestamp) SERVER cq_log OPTIONS (event_time 't', watermark '10 s');

-- Waits until windows up to a time have expired, and their state has gone.
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
-- How many rows a view stores.
CREATE FUNCTION kept(v regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  n bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM %s', (SELECT relation FROM _cq.part WHERE view = v AND role IN ('result', 'state') ORDER BY role LIMIT 1)) INTO n;
  RETURN n;
END $$;
-- Expires until no more than so many are left: the keeper may be at it as well.
CREATE PROCEDURE expire(v regclass, n bigint) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. 3000 LOOP
    PERFORM _cq.expire_rows();
    COMMIT;
    EXIT WHEN kept(v) <= n;
    PERFORM pg_sleep(0.02);
  END LOOP;
END $$;
-- Compares a view with its definition, as far as windows end after a time.
CREATE FUNCTION compare(v regclass, upto timestamptz, condition text = 'true') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  definition regclass := (SELECT relation FROM _cq.part WHERE view = v AND role = 'definition');
  missing bigint; extra bigint; n bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM (SELECT * FROM %s d WHERE window_end > %L AND %s EXCEPT ALL TABLE %s) x', definition, upto, condition, v) INTO missing;
  EXECUTE format('SELECT count(*) FROM (TABLE %s EXCEPT ALL SELECT * FROM %s d WHERE window_end > %L AND %s) x', v, definition, upto, condition) INTO extra;
  EXECUTE format('SELECT count(*) FROM %s', v) INTO n;
  RETURN CASE WHEN missing + extra = 0 THEN format('equal: %s rows', n) ELSE format('%s missing, %s extra', missing, extra) END;
END $$;

CREATE CONTINUOUS VIEW minutes WITH (retention = '2 min', late = 'keep') AS
  SELECT window_end, k, count(*), sum(v) FROM s, cq.tumble(t, '1 min') GROUP BY 1, 2;
CREATE CONTINUOUS VIEW starts WITH (retention = '2 min', watermark = '0 s') AS
  SELECT window_start, count(*) FROM s, cq.tumble(t, '1 min') GROUP BY 1 HAVING count(*) > 0 ORDER BY 1 DESC LIMIT 10;
CREATE CONTINUOUS VIEW hops WITH (retention = '2 min') AS
  SELECT window_start, window_end, sum(v) FROM s, cq.hop(t, '1 min', '3 min') GROUP BY 1, 2;
CREATE CONTINUOUS VIEW steps WITH (retention = '2 min') AS
  SELECT window_end, max(v) FROM s, cq.cumulate(t, '1 min', '3 min') GROUP BY 1;
CREATE CONTINUOUS VIEW closed WITH (emit = 'close', retention = '2 min') AS
  SELECT window_start, k, count(*) FROM s, cq.tumble(t, '1 min') GROUP BY 1, 2;
CREATE CONTINUOUS VIEW closed_end WITH (emit = 'close', retention = '2 min') AS
  SELECT window_end, count(*) FROM s, cq.hop(t, '1 min', '2 min') GROUP BY 1;
CREATE CONTINUOUS VIEW keys WITH (retention = '1 day') AS SELECT k, count(*), max(v) FROM s GROUP BY k;
CREATE CONTINUOUS VIEW keys_by_time WITH (retention = '2 min', retention_by = 'event_time') AS SELECT k, count(*), max(t) FROM s GROUP BY k;
CREATE CONTINUOUS VIEW windows_by_change WITH (retention = '1 day', retention_by = 'change') AS SELECT window_end, count(*) FROM s, cq.tumble(t, '1 min') GROUP BY 1;
CREATE CONTINUOUS VIEW rows_by_change AS SELECT id FROM s;
CREATE VIEW below AS SELECT id AS number, t AS at FROM s WHERE k IS NOT NULL;
CREATE CONTINUOUS VIEW rows_by_time WITH (retention = '2 min', retention_by = 'event_time') AS SELECT number FROM below b;
SELECT view, retention, retention_by FROM cq.views ORDER BY view::text;
SELECT view, expires FROM _cq.view ORDER BY view::text;
SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = '_cq' AND tablename IN (SELECT relname FROM pg_class JOIN _cq.part ON oid = relation WHERE role IN ('state', 'result')) ORDER BY 1;

INSERT INTO s SELECT i, i % 3, i, '2026-01-01'::timestamptz + i * interval '1 s', '2026-01-01'::timestamp + i * interval '1 s' FROM generate_series(0, 600) i;
SELECT cq.wait(view) FROM cq.views \g /dev/null
SELECT cq.watermark('minutes');
CALL await('minutes', '2026-01-01 00:07:00');
CALL await('hops', '2026-01-01 00:07:00');
CALL await('steps', '2026-01-01 00:07:00');
CALL await('starts', '2026-01-01 00:08:00');
SELECT compare('minutes', '2026-01-01 00:07:00'), kept('minutes');
SELECT compare('hops', '2026-01-01 00:07:00'), kept('hops');
SELECT compare('steps', '2026-01-01 00:07:00'), kept('steps');
TABLE starts;
-- Late: all of its windows have expired. Not late: of hops the last has not.
INSERT INTO s VALUES (1000, '0', 1, '2026-01-01 00:06:59'), (1001, '0', 1, '2026-01-01 00:07:00'), (1002, 'new', 1, '2026-01-01 00:04:59');
SELECT cq.wait(view) FROM cq.views \g /dev/null
SELECT view, late_rows FROM cq.views WHERE late_rows > 0 ORDER BY view::text;
SELECT view, event_time, window_end FROM cq.late ORDER BY 2;
SELECT compare('minutes', '2026-01-01 00:07:00'), compare('hops', '2026-01-01 00:07:00'), compare('steps', '2026-01-01 00:07:00');
CALL expire('closed', 6);
CALL expire('closed_end', 2);
CALL expire('rows_by_time', 131);
CALL expire('keys_by_time', 3);
SELECT * FROM closed ORDER BY 1, 2;
SELECT * FROM closed_end ORDER BY 1;
SELECT count(*), min(number) FROM rows_by_time;
-- None of its rows is as young as that: the key has gone.
SELECT * FROM keys_by_time ORDER BY 1;
SELECT * FROM keys ORDER BY 1;
INSERT INTO s VALUES (2000, 'new', 1, '2026-01-01 00:07:50'), (2001, 'late', 1, '2026-01-01 00:07:49'), (2002, 'never', 1, NULL);
SELECT cq.wait(view) FROM cq.views \g /dev/null
CALL expire('keys_by_time', 5);
SELECT * FROM keys_by_time ORDER BY 1;

-- By change: all was just now.
SELECT kept('rows_by_change'), kept('keys'), kept('windows_by_change');
ALTER CONTINUOUS VIEW rows_by_change SET (retention = '1 us');
ALTER CONTINUOUS VIEW rows_by_change RESET (retention);
ALTER CONTINUOUS VIEW rows_by_change SET (retention = '1 us');
ALTER CONTINUOUS VIEW keys SET (retention = '1 us');
CALL expire('rows_by_change', 0);
CALL expire('keys', 0);
SELECT kept('rows_by_change'), kept('keys'), kept('windows_by_change');
ALTER CONTINUOUS VIEW keys RESET (retention);
INSERT INTO s VALUES (3000, 'again', 1, '2026-01-01 00:07:50');
SELECT cq.wait('keys');
SELECT _cq.expire_rows() \g /dev/null
TABLE keys;
ALTER CONTINUOUS VIEW minutes RESET (retention);
INSERT INTO s SELECT i, i % 3, i, '2026-01-01'::timestamptz + i * interval '1 s', NULL FROM generate_series(4000, 4100) i;
SELECT cq.wait('minutes'), cq.wait('hops');
CALL await('hops', '2026-01-01 01:06');
SELECT compare('minutes', '2026-01-01 00:07:00') ~ 'equal';
ALTER CONTINUOUS VIEW minutes SET (retention = '1 min');
CALL await('minutes', '2026-01-01 01:07');
TABLE minutes ORDER BY 1, 2;

-- A view of UTC timestamps, and one that begins anew.
CREATE FOREIGN TABLE plain (z timestamp, v int) SERVER cq_log OPTIONS (event_time 'z');
CREATE CONTINUOUS VIEW plain_hours WITH (retention = '1 hour') AS SELECT window_end, count(*) FROM plain, cq.hop(z, '1 hour', '2 hours') GROUP BY 1;
INSERT INTO plain VALUES ('2026-01-01 00:30', 1), ('2026-01-01 01:30', 1), ('2026-01-01 03:00', 1);
CALL await('plain_hours', '2026-01-01 02:00:00+00');
SELECT * FROM plain_hours ORDER BY 1;
INSERT INTO plain VALUES ('2026-01-01 00:45', 1);
SELECT cq.wait('plain_hours');
SELECT late_rows FROM cq.views WHERE view = 'plain_hours'::regclass;
SELECT cq.reset('plain_hours');
CALL await('plain_hours', '2026-01-01 02:00:00+00');
SELECT * FROM plain_hours ORDER BY 1;

-- Others may read what they are let to.
CREATE ROLE retention_reader;
GRANT USAGE ON SCHEMA retaining TO retention_reader;
GRANT SELECT ON minutes, plain_hours TO retention_reader;
SET ROLE retention_reader;
SELECT count(*) > 0 FROM minutes;
SELECT count(*) FROM plain_hours;
RESET ROLE;

-- Refused.
CREATE CONTINUOUS VIEW no WITH (retention = '1 day') AS SELECT count(*) FROM s;
CREATE CONTINUOUS VIEW no WITH (retention = '1 day') AS SELECT k, count(*) FROM s GROUP BY ROLLUP (k);
CREATE CONTINUOUS VIEW no WITH (retention = '1 day') AS SELECT k, count(*) FROM s WHERE cq.sliding(t, '1 hour', '1 min') GROUP BY k;
CREATE CONTINUOUS VIEW no WITH (retention = '1 day', retention_by = 'event_time') AS SELECT count(*) FROM (SELECT k FROM s) x GROUP BY k;
CREATE CONTINUOUS VIEW no WITH (retention = '1 day', retention_by = 'arrival') AS SELECT k, count(*) FROM s GROUP BY k;
CREATE CONTINUOUS VIEW no WITH (retention = '1 day', retention_by = 'change', emit = 'close') AS SELECT window_end, count(*) FROM s, cq.tumble(t, '1 min') GROUP BY 1;
CREATE CONTINUOUS VIEW no WITH (retention = '1 day', allowed_lateness = '1 min') AS SELECT window_end, count(*) FROM s, cq.tumble(t, '1 min') GROUP BY 1;
CREATE CONTINUOUS VIEW no WITH (retention = '1 day', late = 'keep') AS SELECT k, count(*) FROM s GROUP BY 1;
CREATE FOREIGN TABLE timeless (t timestamptz) SERVER cq_log;
CREATE CONTINUOUS VIEW no WITH (retention = '1 day', retention_by = 'event_time') AS SELECT t FROM timeless;
CREATE CONTINUOUS VIEW timeless_windows WITH (retention = '1 day') AS SELECT window_start, count(*) FROM timeless, cq.tumble(t, '1 min') GROUP BY 1;
SELECT retention_by FROM cq.views WHERE view = 'timeless_windows'::regclass;
CREATE CONTINUOUS VIEW unlimited AS SELECT k, count(*) FROM s GROUP BY k;
ALTER CONTINUOUS VIEW unlimited SET (retention = '1 day');
ALTER CONTINUOUS VIEW keys SET (retention_by = 'event_time');

SET client_min_messages = warning;
DROP SCHEMA retaining CASCADE;
DROP ROLE retention_reader;
SELECT count(*) FROM _cq.closing;
