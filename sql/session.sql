-- Sessions: cq.session over any rows, and in continuous views, which come to the same whatever the order and the batches.
CREATE SCHEMA sessions;
SET search_path = sessions;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
SET IntervalStyle = postgres;

-- ---- over any rows ----
CREATE FUNCTION minutes(VARIADIC m int[]) RETURNS SETOF timestamptz LANGUAGE sql AS $$ SELECT '2026-01-01 00:00Z'::timestamptz + n * interval '1 min' FROM unnest(m) n $$;
SELECT at, cq.session(at, '10 min') OVER (ORDER BY at) FROM minutes(5, 0, 9, 19, 18, 29, 40, NULL, 49) at;
-- To the gap exactly they are two, which touch.
SELECT x, cq.session(x, 3) OVER (ORDER BY x) FROM unnest('{1,4,6,8,11}'::bigint[]) x;
SELECT x, cq.session(x, 1) OVER (ORDER BY x) FROM unnest('{1,1,2}'::bigint[]) x;
SELECT k, x, cq.session(x, '1 day 12:00') OVER (PARTITION BY k ORDER BY x, k) FROM (VALUES ('a', timestamp '2026-01-01'), ('b', '2026-01-02'), ('a', '2026-01-02'), (NULL, '2026-01-05'), (NULL, '2026-01-06')) v(k, x);
SELECT x, cq.session(x, 3) OVER (ORDER BY x NULLS FIRST) FROM unnest('{9,NULL,1,NULL}'::bigint[]) x;
-- Whatever the frame.
SELECT x, cq.session(x, 3) OVER (ORDER BY x ROWS BETWEEN CURRENT ROW AND CURRENT ROW), row_number() OVER (ORDER BY x DESC) FROM unnest('{1,2,9}'::bigint[]) x ORDER BY x;
SELECT DISTINCT cq.session(x, g) OVER (PARTITION BY g ORDER BY x) FROM generate_series(1, 20, 2) x, (VALUES (2), (3)) v(g) ORDER BY 1;
SELECT x, cq.session(x, '1 min') OVER (ORDER BY x) FROM (VALUES (date '2026-01-01')) v(x);
SELECT count(*), count(DISTINCT s), min(lower(s)), max(upper(s)) FROM (SELECT cq.session(x, 2) OVER (ORDER BY x) s FROM (SELECT generate_series(1, 10000) UNION ALL SELECT generate_series(20000, 30000, 2)) v(x)) y;
SELECT count(*) FROM (SELECT cq.session(x, 2) OVER (ORDER BY x) FROM generate_series(1, 0) x) y;
-- At the end of the type.
SELECT cq.session(x, 1) OVER (ORDER BY x) FROM unnest('{-9223372036854775808,9223372036854775806}'::bigint[]) x;
SELECT cq.session(x, 1) OVER (ORDER BY x) FROM unnest('{9223372036854775807}'::bigint[]) x;
SELECT cq.session(x, 9223372036854775807) OVER (ORDER BY x) FROM unnest('{-9223372036854775808,0}'::bigint[]) x;
SELECT cq.session(x, '1 h') OVER (ORDER BY x) FROM (VALUES (timestamp '294276-12-31 23:00')) v(x);
SELECT cq.session(x, '1 h') OVER (ORDER BY x) FROM (VALUES (timestamptz 'infinity')) v(x);
SELECT cq.session(x, '1 h') OVER (ORDER BY x) FROM (VALUES (timestamptz '-infinity'), ('2026-01-01')) v(x);
-- Gaps that are none.
SELECT cq.session(x, 0) OVER (ORDER BY x) FROM generate_series(1, 2) x;
SELECT cq.session(x, NULL) OVER (ORDER BY x) FROM generate_series(1, 2) x;
SELECT cq.session(x, x) OVER (ORDER BY x) FROM generate_series(1, 2) x;
SELECT cq.session(x, '-1 s') OVER (ORDER BY x) FROM minutes(1) x;
SELECT cq.session(x, '1 day') OVER (ORDER BY x) FROM minutes(1) x;
SELECT cq.session(x, '1 month') OVER (ORDER BY x::timestamp) FROM minutes(1) x;
SELECT cq.session(x, make_interval(mins => extract(minute FROM x)::int)) OVER (ORDER BY x) FROM minutes(1, 2) x;
-- An order that is none.
SELECT cq.session(x, 3) OVER (ORDER BY x DESC) FROM generate_series(1, 2) x;
SELECT cq.session(x, 3) OVER () FROM generate_series(1, 2) x;
SELECT cq.session(x, 3) OVER (ORDER BY x / 10) FROM generate_series(1, 2) x;
SELECT cq.session(x, 3) OVER (ORDER BY -x) FROM (VALUES (1), (1)) v(x);
SELECT cq.session(x, 3) FROM generate_series(1, 2) x;

-- ---- in continuous views ----
CREATE FOREIGN TABLE s (id int, k text, n int, v numeric, at timestamptz, z timestamp, b bigint) SERVER cq_log;
CREATE TABLE dim (k text, name text);
INSERT INTO dim VALUES ('a', 'first'), ('b', 'second'), ('b', 'third');
CREATE CONTINUOUS VIEW by_key AS
  SELECT k, s, count(*), sum(v), max(id) - min(id) AS ids, upper(s) - lower(s) AS length
  FROM (SELECT id, k, v, cq.session(at, '10 min') OVER (PARTITION BY k ORDER BY at) AS s FROM s) q GROUP BY k, s;
CREATE CONTINUOUS VIEW of_all AS
  SELECT lower(s), upper(s), avg(v), count(*) FILTER (WHERE k = 'a') AS a FROM (SELECT v, k, cq.session(b, 5) OVER (ORDER BY b) FROM s WHERE n > 0) q(v, k, s) GROUP BY s HAVING count(*) > 1;
CREATE CONTINUOUS VIEW by_more AS
  SELECT s, n, count(*), sum(id) FROM (SELECT n, lower(k) AS l, id, cq.session(z, '1 day') OVER w AS s FROM s WINDOW w AS (PARTITION BY n, lower(k), n ORDER BY z), unused AS (ORDER BY n)) q GROUP BY s, l, n;
CREATE VIEW plain AS SELECT name, dim.k AS key, cq.session(b, 5) OVER (PARTITION BY dim.k, name ORDER BY b) AS session FROM s JOIN dim USING (k);
CREATE CONTINUOUS VIEW joined AS SELECT name, session, count(*) FROM plain WHERE key <> 'c' AND name IN (SELECT name FROM dim) GROUP BY key, name, session;
CREATE CONTINUOUS VIEW with_cte AS
  WITH q AS (SELECT k, cq.session(n, 2) OVER (PARTITION BY k ORDER BY n) AS session FROM s), d AS (SELECT DISTINCT k FROM dim)
  SELECT session, k, count(*), k IN (SELECT k FROM d) AS known FROM q GROUP BY 1, 2 ORDER BY 3 DESC;
CREATE CONTINUOUS VIEW nothing_else AS SELECT s FROM (SELECT cq.session(at, '1 min') OVER (ORDER BY at) AS s FROM s) q GROUP BY s;
CREATE CONTINUOUS VIEW wide AS
  SELECT k, s, min(repeat(k, 5000)) = repeat(k, 5000) AS is_it FROM (SELECT repeat(k, 100) AS k, cq.session(b, 100) OVER (PARTITION BY repeat(k, 100) ORDER BY b) AS s FROM s) q GROUP BY k, s;
\d by_key

-- All views against their definitions.
CREATE PROCEDURE compare() LANGUAGE plpgsql AS $$
DECLARE
  v record;
  one bigint;
  other bigint;
BEGIN
  FOR v IN SELECT view, relation AS definition FROM _cq.part WHERE role = 'definition' ORDER BY view::text LOOP
    PERFORM cq.wait(v.view);
    COMMIT;
    EXECUTE format('SELECT count(*) FROM (SELECT * FROM %1$s EXCEPT ALL SELECT * FROM %2$s) x', v.view, v.definition) INTO one;
    EXECUTE format('SELECT count(*) FROM (SELECT * FROM %2$s EXCEPT ALL SELECT * FROM %1$s) x', v.view, v.definition) INTO other;
    IF one + other > 0 THEN
      RAISE WARNING '%: % rows too many, % too few', v.view, one, other;
    END IF;
  END LOOP;
END $$;

INSERT INTO s SELECT 1, 'a', 1, 1, m, m, 0 FROM minutes(0, 20) m;
CALL compare();
SELECT k, s, count, sum FROM by_key ORDER BY 1, 2;
-- A row that bridges them, and then some more around, in one batch: from two into one, from three into one, at both ends, apart.
INSERT INTO s SELECT 2, 'a', 1, 2, m, m, 7 FROM minutes(10) m;
SELECT cq.wait('by_key');
-- Just touching both.
SELECT k, s, count, sum FROM by_key ORDER BY 1, 2;
INSERT INTO s SELECT 3, 'a', 2, 4, m, m, 3 FROM minutes(9, 19, 40, 60, 80) m;
CALL compare();
SELECT k, s, count, sum FROM by_key ORDER BY 1, 2;
INSERT INTO s SELECT 4, 'a', 2, 8, m, m, 12 FROM minutes(69, 50, 75, 51, 65, 35, 29) m;
CALL compare();
SELECT k, s, count, sum FROM by_key ORDER BY 1, 2;
-- Keys and times that are null; duplicates; a stored session that two of one batch meet.
INSERT INTO s VALUES (5, NULL, NULL, 1, '2026-01-01 00:00', NULL, 2), (6, NULL, 0, NULL, '2026-01-01 00:10', NULL, NULL), (7, 'b', 3, 2, NULL, NULL, NULL), (8, 'b2', 3, 2, NULL, NULL, NULL);
INSERT INTO s SELECT i, 'c', 3, 4, '2026-01-02 00:09', NULL, 9 FROM generate_series(9, 12) i;
CALL compare();
INSERT INTO s VALUES (5, NULL, 0, 1, '2026-01-01 00:05', NULL, 2), (13, 'c', 3, 4, '2026-01-02 00:00', '2026-01-01', NULL), (14, 'c', 3, 4, '2026-01-02 00:18', '2026-01-02', -1), (15, 'b', 3, 2, NULL, NULL, NULL);
CALL compare();
SELECT k, s, count, sum, length FROM by_key ORDER BY 1, 2;
SELECT * FROM of_all ORDER BY 1;
SELECT * FROM joined ORDER BY 1, 2;
-- One row of the state for each, and none of what they were made of.
SELECT count(*) = (SELECT count(*) FROM by_key), bool_and(upper(k2) > lower(k2)) FROM _cq.by_key_state;
-- Rows that have no session are dead letters.
INSERT INTO s VALUES (16, 'd', 1, 1, '-infinity', NULL, 9223372036854775807), (17, 'd', 1, 1, '2026-01-03', NULL, 100);
SELECT cq.wait(view) FROM cq.views \g /dev/null
SELECT view, "offset", message FROM cq.errors ORDER BY view::text, error_id;
SELECT * FROM by_key WHERE k = 'd';
-- So are those whose key is too large for an index.
INSERT INTO s SELECT 18, string_agg(md5(i::text), ''), 1, 1, NULL, NULL, 200 FROM generate_series(1, 200) i;
SELECT cq.wait(view) FROM cq.views \g /dev/null
SELECT view, sqlstate FROM cq.errors WHERE "offset" = 29 ORDER BY view::text;
SELECT view, status FROM cq.views ORDER BY view::text;
-- Replaced by what keeps no sessions, and back.
CREATE OR REPLACE CONTINUOUS VIEW nothing_else AS SELECT tstzrange(at, at, '[]') AS s FROM s WHERE k = 'c';
SELECT cq.wait('nothing_else');
SELECT s, count(*) FROM nothing_else GROUP BY s ORDER BY s;
CREATE OR REPLACE CONTINUOUS VIEW nothing_else AS SELECT tstzrange(at, at, '[]') AS s FROM s WHERE k = 'c' GROUP BY 1;
SELECT cq.wait('nothing_else');
SELECT s, count(*) FROM nothing_else GROUP BY s ORDER BY s;
CREATE OR REPLACE CONTINUOUS VIEW nothing_else AS SELECT s FROM (SELECT cq.session(at, '9 min 1 s') OVER (ORDER BY at) AS s FROM s WHERE k = 'c') q GROUP BY s;
SELECT cq.wait('nothing_else');
SELECT s, count(*) FROM nothing_else GROUP BY s ORDER BY s;
-- An index for reading, and a new beginning.
CREATE INDEX ON by_key (s);
SELECT cq.reset('by_key');
SELECT cq.wait('by_key');
SELECT k, s, count, sum FROM by_key ORDER BY 1, 2;
-- The index by which sessions are found is the owner's to drop.
DROP INDEX _cq.of_all_state_sessions;
INSERT INTO s VALUES (18, 'e', 1, 1, NULL, NULL, 5);
SELECT cq.wait('of_all');
CREATE OR REPLACE CONTINUOUS VIEW of_all AS
  SELECT lower(s), upper(s), avg(v), count(*) FILTER (WHERE k = 'a') AS a FROM (SELECT v, k, cq.session(b, 6) OVER (ORDER BY b) FROM s WHERE b < 100) q(v, k, s) GROUP BY s;
SELECT cq.wait('of_all');
SELECT * FROM of_all ORDER BY 1;

-- What is merged as rows arrive is by the session and its partition. All else is a window function.
CREATE CONTINUOUS VIEW no_1 AS SELECT k, cq.session(at, '1 min') OVER (PARTITION BY k ORDER BY at) FROM s;
CREATE CONTINUOUS VIEW no_2 AS SELECT * FROM (SELECT k, cq.session(at, '1 min') OVER (PARTITION BY k ORDER BY at) FROM s) q;
CREATE CONTINUOUS VIEW no_3 AS SELECT k, count(*) FROM (SELECT k, cq.session(at, '1 min') OVER (PARTITION BY k ORDER BY at) AS s FROM s) q GROUP BY k;
CREATE CONTINUOUS VIEW no_4 AS SELECT s, count(*) FROM (SELECT k, cq.session(at, '1 min') OVER (PARTITION BY k ORDER BY at) AS s FROM s) q GROUP BY s;
CREATE CONTINUOUS VIEW no_5 AS SELECT s, count(*) FROM (SELECT cq.session(at, '1 min') OVER (PARTITION BY k ORDER BY at) AS s FROM s) q GROUP BY s;
CREATE CONTINUOUS VIEW no_6 AS SELECT k, n, s, count(*) FROM (SELECT k, n, cq.session(at, '1 min') OVER (PARTITION BY k ORDER BY at) AS s FROM s) q GROUP BY k, n, s;
CREATE CONTINUOUS VIEW no_7 AS SELECT k, s, count(*) FROM (SELECT k, cq.session(at, '1 min') OVER (PARTITION BY k ORDER BY at) AS s FROM s) q GROUP BY k, s, upper(s);
CREATE CONTINUOUS VIEW no_8 AS SELECT s, count(*) FROM (SELECT cq.session(at, '1 min') OVER (ORDER BY at) AS s FROM s) q GROUP BY ROLLUP (s);
CREATE CONTINUOUS VIEW no_9 AS SELECT s, max(upper(s)) FROM (SELECT cq.session(at, '1 min') OVER (ORDER BY at) AS s FROM s) q GROUP BY s;
CREATE CONTINUOUS VIEW no_10 AS SELECT s, count(q) FROM (SELECT cq.session(at, '1 min') OVER (ORDER BY at) AS s FROM s) q GROUP BY s;
CREATE CONTINUOUS VIEW no_11 AS SELECT s, count(*) FROM (SELECT n, cq.session(at, '1 min') OVER (ORDER BY at) AS s FROM s) q WHERE n > 1 GROUP BY s;
CREATE CONTINUOUS VIEW no_12 AS SELECT s, count(*) FROM (SELECT cq.session(at, '1 min') OVER (ORDER BY at) AS s FROM s) q WHERE lower(s) > '2026-01-01' GROUP BY s;
CREATE CONTINUOUS VIEW no_13 AS SELECT k, s, count(*) FROM (SELECT k, cq.session(at, '1 min') OVER (PARTITION BY k ORDER BY at) AS s FROM s) q JOIN dim USING (k) GROUP BY k, s;
CREATE CONTINUOUS VIEW no_14 AS SELECT s, count(*) FROM (SELECT cq.session(at, '1 min') OVER (ORDER BY at DESC) AS s FROM s) q GROUP BY s;
CREATE CONTINUOUS VIEW no_15 AS SELECT s, count(*) FROM (SELECT cq.session(at, '1 min') OVER (ORDER BY id) AS s FROM s) q GROUP BY s;
CREATE CONTINUOUS VIEW no_16 AS SELECT s, count(*) FROM (SELECT cq.session(at, '1 min') OVER () AS s FROM s) q GROUP BY s;
CREATE CONTINUOUS VIEW no_17 AS SELECT s, count(*) FROM (SELECT cq.session(at, '1 min') OVER (ORDER BY at, id) AS s FROM s) q GROUP BY s;
CREATE CONTINUOUS VIEW no_18 AS SELECT s, count(*) FROM (SELECT cq.session(at, '1 min') OVER (ORDER BY at ROWS UNBOUNDED PRECEDING) AS s FROM s) q GROUP BY s;
CREATE CONTINUOUS VIEW no_19 AS SELECT s, count(*) FROM (SELECT cq.session(at, make_interval(mins => n)) OVER (ORDER BY at) AS s FROM s) q GROUP BY s;
CREATE CONTINUOUS VIEW no_20 AS SELECT s, count(*) FROM (SELECT cq.session(at, '1 day') OVER (ORDER BY at) AS s FROM s) q GROUP BY s;
CREATE CONTINUOUS VIEW no_21 AS SELECT s, count(*) FROM (SELECT cq.session(b, -1) OVER (ORDER BY b) AS s FROM s) q GROUP BY s;
CREATE CONTINUOUS VIEW no_22 AS SELECT s, count(*) FROM (SELECT cq.session(b, NULL) OVER (ORDER BY b) AS s FROM s) q GROUP BY s;
CREATE CONTINUOUS VIEW no_23 AS SELECT s, count(*) FROM (SELECT cq.session(b, 1) OVER (ORDER BY b) AS s, row_number() OVER (ORDER BY b) FROM s) q GROUP BY s;
CREATE CONTINUOUS VIEW no_24 AS SELECT s, count(*) FROM (SELECT upper(cq.session(b, 1) OVER (ORDER BY b)) AS s FROM s) q GROUP BY s;
CREATE CONTINUOUS VIEW no_25 AS SELECT s, count(*) FROM (SELECT cq.session(b, 1) OVER (ORDER BY b) AS s, generate_series(1, n) FROM s) q GROUP BY s;
CREATE CONTINUOUS VIEW no_26 AS SELECT s, count(DISTINCT n) FROM (SELECT n, cq.session(b, 1) OVER (ORDER BY b) AS s FROM s) q GROUP BY s;
CREATE CONTINUOUS VIEW no_27 AS SELECT k, s, count(*) FROM (SELECT k::xid AS k, cq.session(b, 1) OVER (PARTITION BY k::xid ORDER BY b) AS s FROM s) q GROUP BY k, s;
CREATE CONTINUOUS VIEW no_28 AS SELECT s, count(*) FROM (SELECT DISTINCT n, cq.session(b, 1) OVER (ORDER BY b) AS s FROM s) q GROUP BY s;

-- Over groups, when the view is read, it is a window function like any other.
CREATE CONTINUOUS VIEW over_groups AS SELECT n, count(*), cq.session(n, 2) OVER (ORDER BY n) FROM s GROUP BY n;
SELECT cq.wait('over_groups');
SELECT * FROM over_groups ORDER BY n;

-- ---- emit = 'close' ----
CREATE FOREIGN TABLE e (id int, k text, at timestamptz, z timestamptz) SERVER cq_log OPTIONS (event_time 'at', watermark '1 min');
CREATE CONTINUOUS VIEW closed WITH (emit = 'close', late = 'keep') AS
  SELECT k, s, count(*), sum(id) FROM (SELECT id, k, cq.session(at, '10 min') OVER (PARTITION BY k ORDER BY at) AS s FROM e) q GROUP BY k, s;
CREATE CONTINUOUS VIEW patient WITH (emit = 'close', allowed_lateness = '1 h') AS
  SELECT lower(s) AS first, upper(s) AS end, count(*) FROM (SELECT cq.session(at, '10 min') OVER (ORDER BY at) AS s FROM e) q GROUP BY s HAVING count(*) > 1;
\d closed
INSERT INTO e SELECT 1, 'a', m FROM minutes(0, 5, 20) m;
SELECT cq.wait('closed');
-- Up to minute 19.
SELECT * FROM closed ORDER BY 1, 2;
SELECT closed_through, emitted_through, next_close FROM _cq.closing WHERE view = 'closed'::regclass;
-- Late, and not late: that one bridges nothing that was emitted.
INSERT INTO e SELECT 2, 'a', m FROM minutes(18) m;
INSERT INTO e SELECT 4, 'a', m FROM minutes(19) m;
INSERT INTO e VALUES (8, 'a', NULL), (16, 'a', '-infinity');
INSERT INTO e SELECT 32, 'b', m FROM minutes(24) m;
SELECT cq.wait('closed'), cq.wait('patient');
SELECT event_time, window_end, "offset" FROM cq.late ORDER BY late_id;
SELECT view, message FROM cq.errors WHERE stream = 'e'::regclass ORDER BY view::text;
SELECT * FROM closed ORDER BY 1, 2;
INSERT INTO e SELECT 64, 'b', m FROM minutes(33) m;
SELECT cq.wait('closed');
SELECT * FROM closed ORDER BY 1, 2;
-- a's ended at minute 30; b's goes on to 43.
INSERT INTO e SELECT 128, 'c', m FROM minutes(44) m;
SELECT cq.wait('closed');
SELECT * FROM closed ORDER BY 1, 2;
SELECT k1, k2 FROM _cq.closed_state;
INSERT INTO e SELECT 256, 'c', m FROM minutes(200) m;
SELECT cq.wait('closed'), cq.wait('patient');
SELECT * FROM closed ORDER BY 1, 2;
SELECT * FROM patient ORDER BY 1;
-- The same as the definition over the rows that were not late, but for what is open.
SELECT count(*) FROM (SELECT k, s, count(*), sum(id) FROM (SELECT id, k, cq.session(at, '10 min') OVER (PARTITION BY k ORDER BY at) AS s FROM e WHERE id <> 2 AND isfinite(at)) q GROUP BY k, s EXCEPT ALL TABLE closed) x;
CREATE CONTINUOUS VIEW no WITH (emit = 'close') AS SELECT s, count(*) FROM (SELECT cq.session(z, '10 min') OVER (ORDER BY z) AS s FROM e) q GROUP BY s;
CREATE CONTINUOUS VIEW no WITH (emit = 'close') AS SELECT s, count(*) FROM (SELECT cq.session(extract(epoch FROM at)::bigint, 10) OVER (ORDER BY extract(epoch FROM at)::bigint) AS s FROM e) q GROUP BY s;
CREATE CONTINUOUS VIEW no WITH (emit = 'close') AS SELECT DISTINCT count(*) FROM (SELECT cq.session(at, '10 min') OVER (ORDER BY at) AS s FROM e) q GROUP BY s;
SET client_min_messages = warning;
DROP SCHEMA sessions CASCADE;
