-- cq.sliding: the last while before now, in steps. What a view shows is its definition run as a batch in the same transaction, whenever that is.
CREATE SCHEMA sliding;
SET search_path = sliding;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE FOREIGN TABLE s (id int, k text, v int, t timestamptz, z timestamp) SERVER cq_log;
CREATE TABLE names (k text, name text);
INSERT INTO names VALUES ('0', 'nil'), ('1', 'one'), ('2', 'two');

-- Says "equal: n rows" or how many differ.
CREATE FUNCTION compare(v regclass) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  definition regclass := (SELECT relation FROM _cq.part WHERE view = v AND role = 'definition');
  missing bigint; extra bigint; n bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM (TABLE %s EXCEPT ALL TABLE %s) x', definition, v) INTO missing;
  EXECUTE format('SELECT count(*) FROM (TABLE %s EXCEPT ALL TABLE %s) x', v, definition) INTO extra;
  EXECUTE format('SELECT count(*) FROM %s', v) INTO n;
  RETURN CASE WHEN missing + extra = 0 THEN format('equal: %s rows', n) ELSE format('%s missing, %s extra', missing, extra) END;
END $$;

CREATE CONTINUOUS VIEW groups AS SELECT k, count(*), avg(v), sum(v) FILTER (WHERE v > 3) FROM s WHERE cq.sliding(t, '5 hours', '1 hour') GROUP BY k;
CREATE CONTINUOUS VIEW total AS SELECT count(*), max(v) FROM s WHERE v % 2 = 0 AND (cq.sliding(t, '30 min', '1 min') AND v > 1);
CREATE CONTINUOUS VIEW nothing AS SELECT count(*), max(v) FROM s WHERE cq.sliding(t + interval '2 days', '5 hours', '1 hour', '2001-01-01 00:17Z');
CREATE CONTINUOUS VIEW above AS SELECT k, count(*) AS n, rank() OVER (ORDER BY count(*)) FROM s WHERE cq.sliding(t, '5 hours', '1 min') AND k IS NOT NULL
  GROUP BY k HAVING count(*) > 10 ORDER BY n DESC, k LIMIT 3;
CREATE CONTINUOUS VIEW plain AS SELECT k, min(z) FROM s WHERE cq.sliding(z, '1 day', '6 hours') GROUP BY k;
CREATE CONTINUOUS VIEW kept AS SELECT id, k FROM s WHERE cq.sliding(t, '100 min', '10 min') AND v > 2;
CREATE CONTINUOUS VIEW nobody AS SELECT sum(v) FROM s WHERE cq.sliding(t, '1 hour', '1 min') HAVING count(*) < 0;
CREATE CONTINUOUS VIEW by_step AS SELECT _cq.window_bound(t, '1 hour', NULL, 1, 0) AS hour, count(*) FROM s WHERE cq.sliding(t, '5 hours', '1 hour') GROUP BY 1;
CREATE CONTINUOUS VIEW windows AS SELECT window_start, k, count(*) FROM s, cq.tumble(t, '1 hour') WHERE cq.sliding(t, '5 hours', '10 min') GROUP BY 1, 2;
CREATE CONTINUOUS VIEW hops AS SELECT window_end, count(*) FROM s, cq.hop(t, '1 hour', '3 hours') WHERE cq.sliding(t, '5 hours', '1 hour') GROUP BY 1;
CREATE CONTINUOUS VIEW of_windows AS SELECT window_end, count(*) FROM s, cq.hop(t, '1 hour', '3 hours') WHERE cq.sliding(window_end, '5 hours', '1 hour') GROUP BY 1;
CREATE CONTINUOUS VIEW joined AS SELECT name, count(*) FROM s LEFT JOIN names USING (k) WHERE cq.sliding(t, '5 hours', '1 min') GROUP BY name;
CREATE CONTINUOUS VIEW using_key AS SELECT k, count(*) FROM (SELECT k, t AS at FROM s WHERE v > 1) x JOIN names USING (k) WHERE cq.sliding(at, '5 hours', '1 min') GROUP BY k;

CREATE CONTINUOUS VIEW named AS SELECT k, count(*) FROM s WHERE cq.sliding(step => '1 hour', size => '5 hours', ts => (SELECT max(x) FROM (VALUES (t), (t - interval '1 hour')) AS y (x))) GROUP BY k;
SELECT view, steps_kept FROM _cq.view ORDER BY view::text;

-- From 10 hours ago to 3 hours ahead, some without a time.
INSERT INTO s SELECT i, i % 5, i % 11, CASE WHEN i % 50 <> 7 THEN now() + (i * 13 % 780 - 600) * interval '1 min' END, (now() AT TIME ZONE 'UTC') - i * interval '3 min' FROM generate_series(0, 2000) i;
SELECT cq.wait(view) FROM cq.views \g /dev/null
SELECT view, substr(compare(view), 1, 5) AS compared, CASE WHEN view::text IN ('nothing', 'total', 'nobody', 'above') THEN substr(compare(view), 7) ELSE (compare(view) !~ ' 0 rows')::text END AS rows
FROM cq.views ORDER BY view::text;
INSERT INTO s SELECT i, i % 7, i % 10, now() + (i * 7 % 480 - 400) * interval '1 min', now() AT TIME ZONE 'UTC' FROM generate_series(0, 1000) i;
SELECT cq.wait(view) FROM cq.views \g /dev/null
SELECT view, substr(compare(view), 1, 5) AS compared FROM cq.views ORDER BY view::text;
SELECT * FROM cq.errors;

-- What came too long ago to be asked for is not kept, and neither is what has no time: the oldest is within two sizes and two steps.
SELECT min(_cq_step) > now() - interval '63 min' FROM _cq.total_state;
SELECT _cq.expire_rows() \g /dev/null
SELECT min(_cq_step) >= now() - interval '33 min', max(_cq_step) > now() FROM _cq.total_state;
SELECT min(_cq_step) >= now() - interval '121 min' FROM _cq.kept_state;
SELECT view, substr(compare(view), 1, 5) AS compared FROM cq.views ORDER BY view::text;

-- As a batch it is a plain condition.
SELECT count(*) FROM generate_series(0, 100) i WHERE cq.sliding(now() - i * interval '1 min', '1 hour', '1 min', now());
SELECT cq.sliding(NULL::timestamptz, '1 hour', '1 min'), cq.sliding(now() + interval '59 s', '1 hour', '1 min', now()), cq.sliding(now() + interval '1 min 1 s', '1 hour', '1 min', now());
SELECT cq.sliding(now(), '1 hour', '7 min');
SELECT cq.sliding(now(), '1 hour', '-1 min');

-- Refused.
CREATE CONTINUOUS VIEW no AS SELECT count(*) FROM s WHERE cq.sliding(t, '1 hour', make_interval(mins => v));
CREATE CONTINUOUS VIEW no AS SELECT count(*) FROM s WHERE cq.sliding(t, NULL, '1 min');
CREATE CONTINUOUS VIEW no AS SELECT count(*) FROM s WHERE cq.sliding(t, '1 hour', '0');
CREATE CONTINUOUS VIEW no AS SELECT count(*) FROM s WHERE cq.sliding(t, '-1 hour', '1 min');
CREATE CONTINUOUS VIEW no AS SELECT count(*) FROM s WHERE cq.sliding(t, '1 hour', '7 min');
CREATE CONTINUOUS VIEW no AS SELECT count(*) FROM s WHERE cq.sliding(t, '1 month', '1 month');
CREATE CONTINUOUS VIEW no AS SELECT count(*) FROM s WHERE cq.sliding(z, '1 month', '1 month');
CREATE CONTINUOUS VIEW no AS SELECT count(*) FROM s WHERE cq.sliding(t, '7 days', '1 day');
CREATE CONTINUOUS VIEW no AS SELECT count(*) FROM s WHERE cq.sliding(t, '1000 hours', '1 ms');
CREATE CONTINUOUS VIEW no AS SELECT count(*) FROM s WHERE cq.sliding(z, '2000000000 days', '2000000000 days');
CREATE CONTINUOUS VIEW no AS SELECT count(*) FROM s WHERE cq.sliding(t, '1 hour', '1 min', 'infinity');
CREATE CONTINUOUS VIEW no AS SELECT count(*) FROM s WHERE cq.sliding(t, '1 hour', '1 min') OR v = 1;
CREATE CONTINUOUS VIEW no AS SELECT count(*) FROM s WHERE NOT cq.sliding(t, '1 hour', '1 min');
CREATE CONTINUOUS VIEW no AS SELECT count(*) FROM s WHERE cq.sliding(t, '1 hour', '1 min') AND cq.sliding(z, '1 hour', '1 min');
CREATE CONTINUOUS VIEW no AS SELECT count(*) FILTER (WHERE cq.sliding(t, '1 hour', '1 min')) FROM s;
CREATE CONTINUOUS VIEW no AS SELECT k, count(*) FROM s GROUP BY k HAVING cq.sliding(max(t), '1 hour', '1 min');
CREATE CONTINUOUS VIEW no AS SELECT cq.sliding(t, '1 hour', '1 min') FROM s;
CREATE CONTINUOUS VIEW no AS SELECT count(*) FROM (SELECT k FROM s WHERE cq.sliding(t, '1 hour', '1 min')) x;
CREATE VIEW below AS SELECT k FROM s WHERE cq.sliding(t, '1 hour', '1 min');
CREATE CONTINUOUS VIEW no AS SELECT count(*) FROM below;
CREATE CONTINUOUS VIEW no AS SELECT count(*) FROM s JOIN names n ON s.k = n.k AND cq.sliding(t, '1 hour', '1 min');
CREATE CONTINUOUS VIEW no AS SELECT count(*) FROM s WHERE t > _cq.ago('1 hour');
CREATE CONTINUOUS VIEW no AS SELECT k, count(*) FROM s WHERE cq.sliding(t, '1 hour', '1 min') GROUP BY ROLLUP (k);
ALTER FOREIGN TABLE s OPTIONS (event_time 't');
CREATE CONTINUOUS VIEW no WITH (emit = 'close') AS SELECT window_start, count(*) FROM s, cq.tumble(t, '1 min') WHERE cq.sliding(t, '1 hour', '1 min') GROUP BY 1;

-- Another query begins again, and slides no more.
CREATE OR REPLACE CONTINUOUS VIEW total AS SELECT count(*), max(v) FROM s;
SELECT steps_kept FROM _cq.view WHERE view = 'total'::regclass;
SET client_min_messages = warning;
DROP SCHEMA sliding CASCADE;
