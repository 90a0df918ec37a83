-- Dead letters are put through again, once each, with the reason of now where they fail again.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
CREATE SCHEMA retried;
SET search_path = retried;
CREATE TABLE limits (k int PRIMARY KEY, divisor int);
INSERT INTO limits VALUES (1, 1), (2, 0), (3, 0);
CREATE FUNCTION divided(k int, v int) RETURNS int LANGUAGE sql STABLE
  AS 'SELECT v / (SELECT divisor FROM retried.limits l WHERE l.k = divided.k)';
CREATE FOREIGN TABLE s (k int, v int) SERVER cq_log;
CREATE VIEW sums WITH (continuous) AS SELECT k, count(*) AS n, sum(divided(k, v)) FROM s GROUP BY k;
CREATE VIEW rows WITH (continuous) AS SELECT k, divided(k, v) AS d FROM s;
CREATE VIEW told WITH (continuous, changes = 'told_changes') AS
  SELECT k, sum(divided(k, v)) FROM s GROUP BY k;
CREATE VIEW chained WITH (continuous) AS SELECT count(*) AS n, sum((new).sum) FROM told_changes;
CREATE VIEW above WITH (continuous) AS SELECT sum, count(*) FROM told GROUP BY sum;
CREATE VIEW paired WITH (continuous) AS
  SELECT a.k, divided(a.k, a.v) AS d, b.v FROM s a LEFT JOIN s b ON b.k = a.k AND b.v > a.v;
CREATE FUNCTION letters() RETURNS TABLE (view text, n bigint) LANGUAGE sql
  AS 'SELECT view::text, count(*) FROM cq.errors GROUP BY view ORDER BY view::text COLLATE "C"';
INSERT INTO s SELECT i % 3 + 1, i FROM generate_series(1, 120) i;
SELECT cq.wait(view) FROM cq.views \g /dev/null
SELECT * FROM letters() WHERE view <> 'paired';
TABLE sums;
SELECT error_id AS first_error FROM cq.errors WHERE view = 'sums'::regclass
  ORDER BY error_id LIMIT 1 \gset

-- Not mended yet: all stay.
SELECT cq.retry_errors('sums');
SELECT count(*), min(error_id) = :first_error AS same, min(message) FROM cq.errors
    WHERE view = 'sums'::regclass;
-- Some are; others fail otherwise now.
UPDATE limits SET divisor = CASE k WHEN 2 THEN 2 END WHERE k > 1;
CREATE OR REPLACE FUNCTION divided(k int, v int) RETURNS int LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF k = 3 THEN
    RAISE EXCEPTION 'three' USING ERRCODE = 'data_exception';
  END IF;
  RETURN v / (SELECT divisor FROM retried.limits l WHERE l.k = divided.k);
END $$;
SELECT cq.retry_errors('sums', '"offset" < 60 -- of the first half');
SELECT * FROM sums ORDER BY k;
SELECT message, count(*), min(error_id) = :first_error AS first FROM cq.errors
    WHERE view = 'sums'::regclass GROUP BY message ORDER BY 1;
-- Rolled back, the message has not counted and the letter is there.
BEGIN;
SELECT cq.retry_errors('sums');
SELECT cq.retry_errors('sums');
SELECT * FROM sums ORDER BY k;
ROLLBACK;
SELECT * FROM sums ORDER BY k;
SELECT cq.retry_errors('sums'), cq.retry_errors('sums');
-- Whatever the view is made of; those that read it follow.
CREATE OR REPLACE FUNCTION divided(k int, v int) RETURNS int LANGUAGE sql STABLE
  AS 'SELECT v / coalesce((SELECT divisor FROM retried.limits l WHERE l.k = divided.k), 3)';
SELECT v, cq.retry_errors(v) > 0 AS passed FROM unnest('{sums,rows,told,paired}'::regclass[]) v;
SELECT * FROM letters();
INSERT INTO s SELECT i % 3 + 1, i FROM generate_series(121, 130) i;
SELECT cq.wait(view) FROM cq.views \g /dev/null
CREATE FUNCTION wrong() RETURNS TABLE (view text, rows bigint) LANGUAGE plpgsql AS $$
BEGIN
  FOR view IN SELECT v.view FROM _cq.view v WHERE v.view::text <> 'chained' ORDER BY 1 LOOP
    EXECUTE format('WITH shown AS (SELECT x::text FROM %s x), '
                   'batch AS (SELECT x::text FROM (%s) x) SELECT count(*) FROM '
                   '((TABLE shown EXCEPT ALL TABLE batch) UNION ALL '
                   '(TABLE batch EXCEPT ALL TABLE shown)) x',
                   view, (SELECT query FROM _cq.view v WHERE v.view::text = wrong.view)) INTO rows;
    RETURN NEXT;
  END LOOP;
END $$;
SELECT * FROM wrong();
SELECT (SELECT sum FROM chained) = (SELECT sum((new).sum) FROM told_changes) AS chained_is_right,
       (SELECT sum(coalesce((new).sum, 0) - coalesce((old).sum, 0)) FROM told_changes)
       = (SELECT sum(sum) FROM told) AS told_is_right;
-- Tables that the session has made for itself are none of the view's.
CREATE TABLE scale (by int);
INSERT INTO scale VALUES (0);
CREATE FUNCTION scaled(v int) RETURNS int LANGUAGE plpgsql STABLE
  AS 'BEGIN RETURN v / (SELECT by FROM scale); END';
CREATE SCHEMA no_pg_temp;
SET search_path = no_pg_temp, pg_temp, retried;
CREATE VIEW retried.to_scale WITH (continuous) AS SELECT scaled(v) FROM s WHERE v = 1;
SET search_path = retried;
SELECT cq.wait('to_scale');
UPDATE scale SET by = 1;
CREATE TEMP TABLE scale (by int);
INSERT INTO pg_temp.scale VALUES (-1);
SELECT cq.retry_errors('to_scale');
TABLE to_scale;
DROP TABLE pg_temp.scale;
DROP VIEW to_scale;
DROP SCHEMA no_pg_temp;

-- A view that would stop at its next bad row: what fails again stays.
CREATE VIEW careful WITH (continuous) AS SELECT count(10 / (v - 131)) FROM s;
INSERT INTO s VALUES (1, 131);
SELECT cq.wait('careful');
ALTER CONTINUOUS VIEW careful SET (on_error = 'pause');
SELECT cq.retry_errors('careful');
SELECT status, (SELECT count(*) FROM cq.errors WHERE view = 'careful'::regclass) FROM _cq.view
    WHERE view = 'careful'::regclass;
SELECT cq.pause('careful');
SELECT cq.retry_errors('careful');
SELECT cq.resume('careful');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT cq.retry_errors('careful');
ROLLBACK;
BEGIN READ ONLY;
SELECT cq.retry_errors('careful');
ROLLBACK;
SELECT cq.retry_errors('limits');
SELECT cq.retry_errors('careful', 'no_column = 1');
-- Nothing but a condition; and what its functions do to the view is seen.
SELECT cq.retry_errors('careful', 'true) HAVING (false');
SELECT cq.retry_errors('careful', 'true) LIMIT (0');
SELECT cq.retry_errors('careful', 'true) UNION ALL (SELECT NULL');
SELECT cq.retry_errors('careful', 'true); SELECT (repeat(''x'', 1000)');
SELECT cq.retry_errors('careful', 'cq.pause(''careful'')::text = ''''');
SELECT cq.retry_errors('careful', NULL) IS NULL AS nothing;
-- What is in the stream is not to be changed.
UPDATE cq.errors SET payload = 'x' WHERE view = 'careful'::regclass;
UPDATE cq.errors SET message = 'x' WHERE view = 'careful'::regclass;
-- Not from within.
CREATE FUNCTION within() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM cq.retry_errors('retried.careful');
  RETURN NEW;
END $$;
CREATE TABLE noted (v int);
CREATE TRIGGER within BEFORE INSERT ON noted FOR EACH ROW EXECUTE FUNCTION within();
CREATE VIEW noting WITH (continuous, sink = 'noted') AS SELECT v FROM s WHERE v = 131;
SELECT cq.wait('noting');
SELECT status, status_detail FROM cq.views WHERE view = 'noting'::regclass;
DROP VIEW noting;

-- It is its owner's call.
CREATE ROLE retrying;
GRANT USAGE ON SCHEMA retried TO retrying;
SET ROLE retrying;
SELECT cq.retry_errors('careful');
RESET ROLE;
CREATE VIEW theirs WITH (continuous) AS SELECT k, count(10 / (v - 131)) FROM s GROUP BY k;
GRANT SELECT ON s TO retrying;
GRANT CREATE ON SCHEMA retried TO retrying;
SELECT cq.wait('theirs');
ALTER VIEW theirs OWNER TO retrying;
SET ROLE retrying;
SELECT cq.retry_errors('theirs');
SELECT cq.retry_errors('theirs', 'session_user = current_user');
SELECT count(*), min(message) FROM cq.errors;
RESET ROLE;

-- Windows that were closed meanwhile: the row is late.
CREATE FOREIGN TABLE timed (at timestamptz, v int) SERVER cq_log OPTIONS (event_time 'at');
CREATE TABLE allowed (v int);
CREATE FUNCTION checked(v int) RETURNS int LANGUAGE sql STABLE
  AS 'SELECT 1 / (SELECT count(*)::int FROM retried.allowed a WHERE a.v = checked.v)';
CREATE VIEW windows WITH (continuous, emit = close, late = keep) AS
  SELECT window_start, count(*), sum(checked(v)) FROM timed, cq.tumble(at, '1 min')
  GROUP BY window_start;
INSERT INTO allowed VALUES (0);
INSERT INTO timed VALUES ('2025-01-01 00:00:10', 0), ('2025-01-01 00:00:20', 1),
    ('2025-01-01 00:01:10', 0),
  ('2025-01-01 00:02:10', 0), ('2025-01-01 00:02:30', 1), ('2025-01-01 00:02:20', 1);
SELECT cq.wait('windows');
INSERT INTO allowed VALUES (1);
SELECT cq.retry_errors('windows');
INSERT INTO timed VALUES ('2025-01-01 00:03:00', 0);
SELECT cq.wait('windows');
SELECT * FROM windows ORDER BY 1;
SELECT event_time, window_end FROM cq.late WHERE view = 'windows'::regclass;
SELECT count(*) FROM cq.errors WHERE view = 'windows'::regclass;

-- Out of its place, a message could undo a newer one.
CREATE FOREIGN TABLE latest (k text OPTIONS (metadata 'key'), v int)
    SERVER cq_log OPTIONS (mode 'upsert');
CREATE VIEW newest WITH (continuous) AS SELECT k, 10 / v AS d FROM latest;
INSERT INTO latest VALUES (1, 0), (2, 2);
SELECT cq.wait('newest');
SELECT * FROM newest;
SELECT cq.retry_errors('newest');
DROP SCHEMA retried CASCADE;
DROP ROLE retrying;
