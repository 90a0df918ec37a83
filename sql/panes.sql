-- Overlapping windows are kept as panes: the view equals its definition run as a batch, and a row is counted once.
CREATE SCHEMA panes;
SET search_path = panes;
SET TimeZone = 'Europe/Berlin';
CREATE FOREIGN TABLE s (id int, g text, v bigint, t timestamptz, ts timestamp, n bigint) SERVER cq_log;

-- Says "equal: n rows" or how many differ, and how many rows the state has.
CREATE FUNCTION compare(v regclass) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  definition regclass := (SELECT relation FROM _cq.part WHERE view = v AND role = 'definition');
  state regclass := (SELECT relation FROM _cq.part WHERE view = v AND role = 'state');
  missing bigint; extra bigint; n bigint; kept bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM (TABLE %s EXCEPT ALL TABLE %s) x', definition, v) INTO missing;
  EXECUTE format('SELECT count(*) FROM (TABLE %s EXCEPT ALL TABLE %s) x', v, definition) INTO extra;
  EXECUTE format('SELECT count(*) FROM %s', v) INTO n;
  EXECUTE format('SELECT count(*) FROM %s', state) INTO kept;
  RETURN CASE WHEN missing + extra = 0 THEN format('equal, %s rows of %s', n, kept) ELSE format('%s missing, %s extra', missing, extra) END;
END $$;

-- Panes are kept.
CREATE CONTINUOUS VIEW hop AS SELECT g, window_start, window_end, count(*), sum(v) FROM s, cq.hop(t, '10 min', '1 hour') GROUP BY 1, 2, 3;
CREATE CONTINUOUS VIEW hop_end AS SELECT window_end, avg(v) FROM s, cq.hop(t, '10 min', '1 hour') AS w GROUP BY w.window_end;
CREATE CONTINUOUS VIEW hop_origin AS SELECT window_start, min(v) FROM s, cq.hop(t, '7 min', '35 min', '2025-03-30 01:02:03+01') GROUP BY 1;
CREATE CONTINUOUS VIEW hop_joined AS SELECT w.window_start, max(v) FROM s CROSS JOIN LATERAL cq.hop(ts, '1 day', '3 days') AS w GROUP BY 1 HAVING w.window_start > '2025-03-29' AND count(*) > 2;
CREATE CONTINUOUS VIEW hop_month AS SELECT w.window_start, count(*) FROM s, cq.hop(ts, '1 month', '1 year') AS w GROUP BY 1;
CREATE CONTINUOUS VIEW hop_bigint AS SELECT w.window_start / 10 AS tens, w.window_end - g::bigint AS odd, g, count(*) FROM s, cq.hop(n, 10, 50) AS w GROUP BY w.window_start, w.window_end, g ORDER BY w.window_end;
CREATE CONTINUOUS VIEW cumulate AS SELECT g, window_start, window_end, count(*) FROM s, cq.cumulate(t, '20 min', '2 hours') GROUP BY g, window_start, window_end;
CREATE CONTINUOUS VIEW cumulate_start AS SELECT window_start, sum(v) FROM s, cq.cumulate(n, 10, 30) GROUP BY window_start;
CREATE CONTINUOUS VIEW above AS SELECT window_start, count(*), rank() OVER (ORDER BY count(*) DESC, window_start), (SELECT max(x) FROM generate_series(1, 3) AS x WHERE x < extract(hour FROM w.window_start)) AS x
  FROM s, cq.hop(t, '30 min', '1 hour') AS w WHERE v > 3 GROUP BY window_start;
-- Windows serve for more than keys, or go by a calendar with clocks that change: they are kept themselves.
CREATE CONTINUOUS VIEW by_hour AS SELECT date_trunc('hour', window_start) AS hour, count(*) FROM s, cq.hop(t, '10 min', '1 hour') GROUP BY 1;
CREATE CONTINUOUS VIEW input AS SELECT window_start, max(window_end), count(*) FROM s, cq.hop(t, '10 min', '1 hour') GROUP BY 1;
CREATE CONTINUOUS VIEW filtered AS SELECT window_start, count(*) FROM s, cq.hop(t, '10 min', '1 hour') WHERE window_end > t + interval '20 min' GROUP BY 1;
CREATE CONTINUOUS VIEW lateral_use AS SELECT window_start, count(*) FROM s, cq.hop(t, '10 min', '1 hour') AS w, LATERAL (SELECT 1 WHERE w.window_start < t - interval '15 min') AS x GROUP BY 1;
CREATE CONTINUOUS VIEW outer_join AS SELECT window_start, count(*) FROM s LEFT JOIN LATERAL cq.hop(t, '10 min', '1 hour') ON true GROUP BY 1;
CREATE CONTINUOUS VIEW aliased AS SELECT j.window_start, count(*) FROM (s CROSS JOIN LATERAL cq.hop(t, '10 min', '1 hour')) AS j GROUP BY 1;
CREATE CONTINUOUS VIEW whole_join AS SELECT window_start, count(*) FROM (s CROSS JOIN LATERAL cq.hop(t, '10 min', '1 hour')) AS j, LATERAL (SELECT 1 WHERE (to_jsonb(j)->>'window_start')::timestamptz < j.t - interval '15 min') AS x GROUP BY 1;
CREATE CONTINUOUS VIEW whole_join_function AS SELECT x, window_end, count(*) FROM (s CROSS JOIN LATERAL cq.hop(t, '10 min', '1 hour')) AS j, LATERAL jsonb_extract_path_text(to_jsonb(j), 'window_start') AS x GROUP BY 1, 2;
CREATE CONTINUOUS VIEW numbered AS SELECT w.ordinality, window_start, count(*) FROM s, cq.hop(t, '10 min', '1 hour') WITH ORDINALITY AS w GROUP BY 1, 2;
CREATE CONTINUOUS VIEW sets AS SELECT g, window_start, count(*) FROM s, cq.hop(t, '10 min', '1 hour') GROUP BY GROUPING SETS ((g, window_start), (g));
CREATE CONTINUOUS VIEW by_row AS SELECT window_start, count(*) FROM s, cq.hop(t, '10 min', make_interval(mins => 10 * (1 + id % 2))) GROUP BY 1;
CREATE FUNCTION slide() RETURNS interval LANGUAGE sql IMMUTABLE AS $$ SELECT interval '10 min' $$;
CREATE CONTINUOUS VIEW by_function AS SELECT window_start, count(*) FROM s, cq.hop(t, slide(), '1 hour') GROUP BY 1;
CREATE DOMAIN length AS interval;
CREATE CONTINUOUS VIEW by_domain AS SELECT window_start, count(*) FROM s, cq.hop(t, '10 min', '1 hour'::length) GROUP BY 1;
CREATE CONTINUOUS VIEW days AS SELECT window_start, window_end, count(*) FROM s, cq.hop(t, '1 day', '2 days') GROUP BY 1, 2;

-- In the night to 2025-03-30 clocks go forward. Some rows lie in no window.
INSERT INTO s SELECT i, (i % 3)::text, i % 17, t, t AT TIME ZONE 'UTC', i - 50 FROM generate_series(1, 300) AS i, LATERAL (SELECT CASE WHEN i % 50 > 0 THEN timestamptz '2025-03-29 23:00:00+01' + i * interval '97 s' END AS t) AS x;
SELECT cq.wait(view) FROM cq.views \g /dev/null
SELECT view, compare(view) FROM cq.views ORDER BY view;
-- More of the same, late and out of order.
INSERT INTO s SELECT i, (i % 3)::text, i % 17, t, t AT TIME ZONE 'UTC', 1000 - i FROM generate_series(300, 1, -7) AS i, LATERAL (SELECT timestamptz '2025-03-29 20:00:00+01' + i * interval '197 s' AS t) AS x;
SELECT cq.wait(view) FROM cq.views \g /dev/null
SELECT view, compare(view) FROM cq.views ORDER BY view;

-- Where windows are is the view's, whoever reads: the hours of a zone that is half an hour off do not move them.
CREATE CONTINUOUS VIEW hours AS SELECT window_start, count(*) FROM s, cq.hop(t, '1 hour', '2 hours') GROUP BY 1;
SELECT cq.wait('hours');
CREATE TABLE seen AS SELECT * FROM hours;
SET TimeZone = 'Asia/Kolkata';
SELECT count(*) FROM (TABLE hours EXCEPT ALL TABLE seen) AS x;
SET TimeZone = 'Europe/Berlin';

-- A time at the end of what the type holds is that row's error, and does not harm the view.
INSERT INTO s (id, g, t, n) VALUES (1000, '0', '294276-12-31 23:55:00Z', 9223372036854775800), (1001, '0', 'infinity', -9223372036854775808), (1002, '0', '2025-03-30 12:00', 0);
SELECT cq.wait(view) FROM cq.views \g /dev/null
SELECT view, count(*), min(message COLLATE "C") FROM cq.errors WHERE view IN ('hop'::regclass, 'hop_bigint', 'cumulate', 'by_hour') GROUP BY view ORDER BY view;
SELECT count(*), sum(count) FROM hop;
SELECT count(*), sum(count) FROM hop_bigint;

-- Other keys can be indexed; the windows' bounds are made from the panes.
CREATE INDEX ON hop (g);
CREATE INDEX ON hop (window_start);
-- What is wrong with a window is said at once.
CREATE CONTINUOUS VIEW bad AS SELECT window_start, count(*) FROM s, cq.hop(t, '7 min', '1 hour') GROUP BY 1;
CREATE CONTINUOUS VIEW bad AS SELECT window_start, count(*) FROM s, cq.hop(t, '0', '1 hour') GROUP BY 1;
CREATE CONTINUOUS VIEW bad AS SELECT window_start, count(*) FROM s, cq.cumulate(t, '1 hour', NULL) GROUP BY 1;
SET client_min_messages = warning;
DROP SCHEMA panes CASCADE;
