-- Aggregates over series in views of each kind: what closes, is told, goes to a sink, and expires.
CREATE SCHEMA series_views;
SET search_path = series_views;
SET TimeZone = 'UTC';
SET client_min_messages = warning;
CREATE FOREIGN TABLE r (id int, k int, at timestamptz, v float8) SERVER cq_log
  OPTIONS (event_time 'at', watermark '10 s');

-- Waits until windows up to a time have been emitted, or have expired.
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

-- Numbers that are added up in another order differ in their last digits: some are cut off.
CREATE VIEW answer AS
SELECT k, window_start, round(cq.ewma(v, at, '10 s')::numeric, 9) AS ewma,
  round(cq.ewm_stddev(v, at, '10 s')::numeric, 9) AS spread, cq.sketch(v) AS sketch,
  round(cq.robust_z(max(v), cq.sketch(v))::numeric, 9) AS z,
  (cq.moments(ARRAY[v, id])).count AS n,
  round((cq.moments(ARRAY[v, id])).mean[1]::numeric, 9) AS mean,
  round(cq.mahalanobis(ARRAY[50, 50], cq.moments(ARRAY[v, id]))::numeric, 6) AS distance
FROM r, cq.tumble(at, '1 min') GROUP BY k, window_start;
SELECT replace(rtrim(pg_get_viewdef('answer'), ';'), E'\n', ' ') AS query \gset
CREATE TABLE copied (k int, window_start timestamptz, ewma numeric, spread numeric,
  sketch cq.sketch, z numeric, n bigint, mean numeric, distance numeric, UNIQUE (k, window_start));
CREATE CONTINUOUS VIEW plain AS :query;
CREATE CONTINUOUS VIEW closed WITH (emit = 'close', late = 'amend') AS :query;
CREATE CONTINUOUS VIEW told WITH (sink = 'copied', changes = 'told_changes') AS :query;
CREATE CONTINUOUS VIEW kept WITH (retention = '3 min') AS :query;
-- A chain: sketches are compared and grouped by.
CREATE CONTINUOUS VIEW alike AS
  SELECT (new).sketch AS sketch, count(*) AS times FROM told_changes
  WHERE (old).sketch IS DISTINCT FROM (new).sketch GROUP BY 1;

INSERT INTO r
SELECT i, i % 3, timestamptz '2026-01-01Z' + make_interval(secs => i * 2), (i * 7919) % 101
FROM generate_series(1, 200) i;
SELECT cq.wait('plain');
-- Out of order, null, infinite, too great.
INSERT INTO r
SELECT i, i % 3, timestamptz '2026-01-01Z' + make_interval(secs => i * 2),
  CASE i % 50 WHEN 7 THEN NULL WHEN 8 THEN 'NaN' WHEN 9 THEN 'infinity' WHEN 10 THEN 1e200
    ELSE (i * 7919) % 103 END
FROM generate_series(400, 201, -1) i;
SELECT cq.wait(view) FROM cq.views \g /dev/null
CALL await('closed', '2026-01-01 00:13:00Z');
CALL await('kept', '2026-01-01 00:10:00Z');
SELECT count(*), sum(n) AS points FROM plain;
TABLE plain EXCEPT ALL TABLE answer;
TABLE answer EXCEPT ALL TABLE plain;
TABLE told EXCEPT ALL TABLE copied;
TABLE copied EXCEPT ALL TABLE answer;
TABLE answer EXCEPT ALL TABLE copied;
-- Windows whose end the watermark, 00:13:10, has passed; those that are not three minutes older.
SELECT max(window_start), count(*) FROM closed;
SELECT * FROM closed EXCEPT ALL TABLE answer;
SELECT * FROM answer WHERE window_start < '2026-01-01 00:13Z' EXCEPT ALL TABLE closed;
SELECT min(window_start), count(*) FROM kept;
SELECT * FROM kept EXCEPT ALL TABLE answer;
SELECT * FROM answer WHERE window_start >= '2026-01-01 00:10Z' EXCEPT ALL TABLE kept;
SELECT cq.wait('alike');
SELECT count(*) > 0 AS some, sum(times) >= count(*) AS counted FROM alike;
TABLE alike EXCEPT ALL
SELECT (new).sketch, count(*) FROM told_changes
WHERE (old).sketch IS DISTINCT FROM (new).sketch GROUP BY 1;
SELECT view, message FROM cq.errors ORDER BY error_id;
-- Options that are constants are looked at when the view is made.
CREATE FOREIGN TABLE plainly (k int, at timestamptz, v float8) SERVER cq_log;
CREATE CONTINUOUS VIEW v AS SELECT cq.forecast(v, at, 0) OVER (PARTITION BY k ORDER BY at) FROM plainly;
CREATE CONTINUOUS VIEW v AS SELECT cq.forecast(v, at, 1000000) OVER (PARTITION BY k ORDER BY at) FROM plainly;
CREATE CONTINUOUS VIEW v AS SELECT k FROM (SELECT k, cq.anomaly(v, at, 'no such') OVER (ORDER BY at) AS a FROM plainly) x WHERE (a).is_anomaly;
CREATE CONTINUOUS VIEW v AS SELECT cq.anomaly(v, at, level => 95) OVER (PARTITION BY k ORDER BY at) FROM plainly;
CREATE CONTINUOUS VIEW v AS SELECT cq.anomaly(v, at, step => '-1 s') OVER (PARTITION BY k ORDER BY at) FROM plainly;
CREATE CONTINUOUS VIEW v AS SELECT cq.anomaly(v, at, min_training => 2 * 100, max_training => 100) OVER (ORDER BY at) FROM plainly;
CREATE CONTINUOUS VIEW v AS SELECT cq.anomaly(ARRAY[v, v], at, 'auto') OVER (PARTITION BY k ORDER BY at) FROM plainly;
CREATE CONTINUOUS VIEW v AS SELECT cq.decompose(v, at, 1) OVER (PARTITION BY k ORDER BY at) FROM plainly;
CREATE CONTINUOUS VIEW v AS SELECT cq.forecast_model(v, at, '') OVER (PARTITION BY k ORDER BY at) FROM plainly;
CREATE CONTINUOUS VIEW v AS SELECT k, cq.ewma(v, at, '0 s') FROM plainly GROUP BY k;
CREATE CONTINUOUS VIEW v AS SELECT k, cq.ewm_stddev(v, at, '1 month' ORDER BY v) FROM plainly GROUP BY k;
CREATE CONTINUOUS VIEW v AS SELECT cq.forecast(v, at, k) OVER (ORDER BY at), cq.anomaly(v, at, NULL) OVER (ORDER BY at),
  cq.forecast(v, at, step => '1 min', season => 7, model => 'ets') OVER (ORDER BY at) AS by_minute,
  cq.anomaly(ARRAY[v], at, 'half_space_trees', "window" => 20) OVER (ORDER BY at) AS trees,
  cq.decompose(v, at, 7, robust => true) OVER (ORDER BY at) FROM plainly;
DROP SCHEMA series_views CASCADE;
