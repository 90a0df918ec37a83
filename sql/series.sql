-- Forecasts and anomalies: the same in a view and in a batch, and over broken series.
CREATE SCHEMA series;
SET search_path = series, public;
SET timezone = 'UTC';
SET client_min_messages = warning;
\set VERBOSITY terse

-- 144 months, the classic of Box and Jenkins
CREATE TABLE air AS
SELECT timestamptz '1949-01-01 00:00:00+00' + make_interval(months => i::int - 1) AS month, v, i
FROM unnest('{112,118,132,129,121,135,148,148,136,119,104,118,115,126,141,135,125,149,170,170,158,
133,114,140,145,150,178,163,172,178,199,199,184,162,146,166,171,180,193,181,183,218,230,242,
209,191,172,194,196,196,236,235,229,243,264,272,237,211,180,201,204,188,235,227,234,264,
302,293,259,229,203,229,242,233,267,269,270,315,364,347,312,274,237,278,284,277,317,313,
318,374,413,405,355,306,271,306,315,301,356,348,355,422,465,467,404,347,305,336,340,318,
362,348,363,435,491,505,404,359,310,337,360,342,406,396,420,472,548,559,463,407,362,405,
417,391,419,461,472,535,622,606,508,461,390,432}'::float8[])
WITH ORDINALITY AS t(v, i);

-- ---- forecasts ----

-- which model, how good over the last year, and that bounds grow
SELECT cq.forecast_model(array_agg(v ORDER BY i)) ->> 'model' AS model,
  cq.forecast_model(array_agg(v ORDER BY i)) ->> 'season' AS season
FROM air WHERE i <= 132;
SELECT model, avg(200 * abs(f.value - a.v) / (f.value + a.v)) < bound AS good,
  bool_and(a.v BETWEEN f.lower - 30 AND f.upper + 30) AS near,
  bool_and(f.upper - f.lower > 0) AS has_bounds
FROM (VALUES ('auto', 5), ('ETS(A,A,A)', 8), ('arima(0,1,1)(0,1,1)', 9), ('arima', 9))
  m (model, bound),
  LATERAL cq.forecast(ARRAY(SELECT v FROM air WHERE i <= 132 ORDER BY i), 12, model, 12) f
  JOIN air a ON a.i = 132 + f.step
GROUP BY model, bound ORDER BY model COLLATE "C";
-- what is known in closed form: a random walk, and one with a season
SELECT step, value, round(((upper - lower) / 2 / 1.959964)::numeric, 4) AS deviation
FROM cq.forecast('{1,3,2,4,3,5,4,6,5,7,6,8,7,9}', 3, 'arima(0,2,0)');
SELECT step, value
FROM cq.forecast('{1,2,3,1,2,3,1,2,3,1,2,3,1,2,3,1,2,4}', 4, 'ARIMA(0,0,0)(0,1,0)', 3)
WHERE step = 1 OR value > 3;
SELECT DISTINCT value, lower = upper AS certain FROM cq.forecast('{5,5,5,5,5,5,5,5,5,5,5,5}', 3);
SELECT value, round(upper::numeric, 3) FROM cq.forecast('{1,2,3,4,5,6,7,8,9,10,1000}', 1, 'robust');

-- as a window function: of each row by the rows before; the time of what comes
SELECT i, (f[1]).ts AT TIME ZONE 'UTC' AS ts, (f[2]).ts AT TIME ZONE 'UTC' AS ts2, cardinality(f),
  (f[1]).value BETWEEN 100 AND 700 AS sane
FROM (SELECT i, cq.forecast(v, month, 2, season => 12) OVER (ORDER BY month) AS f FROM air) s
WHERE i IN (23, 24, 144);
-- the array and the window agree where both fit to the same values
SELECT round((f[1]).value::numeric, 6) = (SELECT round(value::numeric, 6)
    FROM cq.forecast(ARRAY(SELECT v FROM air ORDER BY i), 1, 'ets(m,a,m)', 12)) AS agree
FROM (SELECT i, cq.forecast(v, month, 1, 'ets(m,a,m)', 12, min_training => 144)
    OVER (ORDER BY month) AS f
  FROM air) s WHERE i = 144;
SELECT count(*) AS rows, count(m) AS with_model, count(DISTINCT m ->> 'fitted') AS fits
FROM (SELECT cq.forecast_model(v, month, 'ets(a,n,n)') OVER (ORDER BY month) AS m FROM air) s;
-- steps: what is missing in between takes its steps, what falls on one step is left out
SELECT i, f IS NULL AS left_out, round((f[1]).value::numeric, 3) AS next,
  (f[1]).ts
FROM (SELECT i, cq.forecast(i, timestamptz '2026-01-01 00:00:00+00' + make_interval(mins => i), 1,
    'arima(0,2,0)', step => '1 min', min_training => 8) OVER (ORDER BY i) AS f
  FROM unnest('{1,2,3,4,6,7,8,9,12,13}'::int[]) i) s WHERE i IN (1, 8, 9, 13);

-- ---- anomalies ----

CREATE TABLE noise AS
SELECT i, timestamptz '2026-01-01 00:00:00+00' + make_interval(mins => i) AS ts,
  100 + 10 * sin(i * 2 * pi() / 24) + ((i * 7919) % 101) / 25.0
  + CASE WHEN i IN (150, 151, 300) THEN 60 ELSE 0 END AS v
FROM generate_series(1, 400) i;
SELECT model, array_agg(i ORDER BY i) FILTER (WHERE (a).is_anomaly) AS found
FROM (SELECT model, i, cq.anomaly(v, ts, model, season => 24)
    OVER (PARTITION BY model ORDER BY ts) AS a
  FROM noise, unnest('{auto,"arima(1,0,0)(0,1,0)",robust}'::text[]) model) s
GROUP BY model ORDER BY model COLLATE "C";
SELECT i, (a).value IS NULL AS no_value, (a).score IS NULL AS no_score,
  (a).lower < (a).upper AS bounds
FROM (SELECT i, cq.anomaly(CASE i WHEN 50 THEN NULL WHEN 51 THEN 'NaN'
      WHEN 52 THEN 'infinity' ELSE v END, ts)
    OVER (ORDER BY ts) AS a FROM noise WHERE i < 60) s WHERE i IN (5, 50, 51, 52, 53);
-- more than half the same: anything else is infinitely far
SELECT (a).*
FROM (SELECT i, cq.anomaly(CASE WHEN i = 35 THEN 6 ELSE 5 END, ts, 'robust')
    OVER (ORDER BY ts) AS a
  FROM noise WHERE i < 40) s WHERE i IN (29, 34, 35, 36);
-- points: two numbers that go together, one pair that does not, one that is far away
SELECT model, array_agg(i ORDER BY i) FILTER (WHERE i >= 390) AS found,
  count(a) < 10 AS few
FROM (SELECT model, i, cq.anomaly(ARRAY[x, CASE i WHEN 390 THEN 100 - x WHEN 395 THEN 500
      ELSE x + (i * 31 % 17) / 10.0 END], ts, model, "window" => 100)
    OVER (PARTITION BY model ORDER BY ts) AS a
  FROM (SELECT i, ts, ((i * 7919) % 101)::float8 AS x FROM noise) n,
    unnest('{robust,half_space_trees}'::text[]) model) s
WHERE (a).is_anomaly GROUP BY model ORDER BY model COLLATE "C";

-- ---- parts of a series ----

SELECT i, round((d).trend::numeric, 3) AS trend, round((d).seasonal::numeric, 3) AS seasonal,
  round(((d).trend + (d).seasonal + (d).remainder - v)::numeric, 9) = 0 AS adds_up
FROM (SELECT i, v, cq.decompose(v, month, 12) OVER (ORDER BY month) AS d FROM air) s
WHERE i IN (1, 72, 144);
SELECT count(d)
FROM (SELECT cq.decompose(i, ts, 24) OVER (ORDER BY ts) AS d FROM noise WHERE i < 48) s;

-- ---- aggregates: combined in any order, in views ----

SELECT round(cq.ewma(v, t, '1 hour')::numeric, 6) AS mean,
  round(cq.ewm_stddev(v, t, '1 hour')::numeric, 6) AS sd
FROM (VALUES (10::float8, timestamptz '2026-01-01 00:00'), (20, '2026-01-01 01:00'),
  (NULL, '2026-01-01 02:00'), ('NaN', '2026-01-01 02:00'), (40, '2026-01-01 02:00'),
  (7, 'infinity')) x (v, t);
SELECT cq.sketch(v) IS NULL, count(v) FROM (VALUES (NULL::float8)) x (v);
SELECT cq.sketch_count(k), cq.median(k), cq.mad(k), cq.quantile(k, 0), cq.quantile(k, 1),
  round(cq.robust_z(10, k)::numeric, 6) AS z, k::text::cq.sketch::text = k::text AS reads_back
FROM (SELECT cq.sketch(v) AS k FROM unnest('{-5,0,1,2,3,4,1000,NaN,infinity}'::float8[]) v) s;
SELECT (SELECT cq.sketch(exp(sin(i::float8) * 20) ORDER BY i)::text FROM generate_series(1, 5000) i)
  = (SELECT cq.sketch(k)::text FROM (SELECT cq.sketch(exp(sin(i::float8) * 20) ORDER BY -i) AS k
    FROM generate_series(1, 5000) i GROUP BY i % 7) s) AS same_in_any_order;
SELECT abs(cq.median(k) / 0.5 - 1) < 0.02 AS median, abs(cq.mad(k) / 0.25 - 1) < 0.02 AS mad,
  abs(cq.quantile(k, 0.99) / 0.99 - 1) < 0.02 AS quantile
FROM (SELECT cq.sketch(i / 100000.0) AS k FROM generate_series(1, 100000) i) s;
SELECT (m).count, (m).mean, (m).covariance,
  round(cq.mahalanobis('{3,4}', m)::numeric, 6) AS distance
FROM (SELECT cq.moments(p) AS m FROM (VALUES ('{1,2}'::float8[]), ('{3,4}'), ('{5,0}'), (NULL),
  ('{NaN,1}')) x (p)) s;

CREATE FOREIGN TABLE reading (k int, at timestamptz, v float8) SERVER cq_log;
CREATE VIEW sensor WITH (continuous) AS
SELECT k, count(*) AS n, cq.ewma(v, at, '10 s') AS ewma, cq.ewm_stddev(v, at, '10 s') AS sd,
  cq.sketch(v) AS sketch, cq.robust_z(max(v), cq.sketch(v)) AS z,
  (cq.moments(ARRAY[v, v * v])).mean AS mean
FROM reading GROUP BY k;
CREATE VIEW minute WITH (continuous) AS
SELECT k, window_start, avg(v) AS v,
  (cq.anomaly(avg(v), window_start, 'robust', min_training => 5)
    OVER (PARTITION BY k ORDER BY window_start)).*
FROM reading, cq.tumble(at, '1 min') GROUP BY k, window_start;
INSERT INTO reading
SELECT i % 3, timestamptz '2026-01-01 00:00:00+00' + make_interval(secs => i), (i * 7919) % 101
FROM generate_series(1, 700) i;
SELECT cq.wait('sensor');
INSERT INTO reading
SELECT i % 3, timestamptz '2026-01-01 00:00:00+00' + make_interval(secs => i), (i * 7919) % 103
FROM generate_series(1400, 701, -1) i;
SELECT cq.wait('sensor'), cq.wait('minute');
SELECT count(*), count(*) FILTER (WHERE v.n = b.n AND abs(v.ewma - b.ewma) < 1e-9
  AND abs(v.sd - b.sd) < 1e-9 AND v.sketch::text = b.sketch::text AND v.z = b.z
  AND abs(v.mean[2] / b.mean[2] - 1) < 1e-12) AS same
FROM sensor v JOIN (
  SELECT k, count(*) AS n, cq.ewma(v, at, '10 s') AS ewma, cq.ewm_stddev(v, at, '10 s') AS sd,
    cq.sketch(v) AS sketch, cq.robust_z(max(v), cq.sketch(v)) AS z,
  (cq.moments(ARRAY[v, v * v])).mean AS mean
  FROM reading GROUP BY k) b USING (k);
SELECT count(*) AS rows, count(score) AS scored FROM minute;
SELECT * FROM minute EXCEPT ALL
SELECT k, window_start, avg(v),
  (cq.anomaly(avg(v), window_start, 'robust', min_training => 5)
    OVER (PARTITION BY k ORDER BY window_start)).*
FROM reading, cq.tumble(at, '1 min') GROUP BY k, window_start;

-- ---- bad input ----

SELECT a, count(f) AS points
FROM unnest(ARRAY['{}', '{NULL}', '{1}', '{1,2}', '{NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN}']) a
  LEFT JOIN LATERAL cq.forecast(a::float8[], 3) f ON true GROUP BY a ORDER BY a COLLATE "C";
-- nothing at the beginning, and numbers whose squares overflow
SELECT model, bool_and(value BETWEEN 4 AND 7) AS sane, count(*)
FROM unnest('{auto,arima,robust}'::text[]) model, LATERAL cq.forecast(
  array_fill(NULL::float8, ARRAY[40]) || ARRAY(SELECT 5 + i % 2 FROM generate_series(1, 30) i), 2, model)
GROUP BY model ORDER BY model COLLATE "C";
SELECT count(*) FILTER (WHERE value = 'NaN') AS not_numbers
FROM cq.forecast('{1,1e308,1,1e308,1,1e308,1,1e308,1,1e308,1,1e308}', 3);
SELECT f FROM cq.forecast(NULL::float8[]) f;
SELECT cq.forecast_model(NULL::float8[]) IS NULL;
-- constant, with gaps, with infinity, a season longer than the series, huge and tiny numbers
SELECT name, count(f.value) AS points, bool_and(f.value BETWEEN lowest AND highest) AS sane
FROM (VALUES ('constant', '{7,7,7,7,7,7,7,7,7,7,7,7}'::float8[], NULL::int, 7, 7),
  ('gaps', '{1,NULL,3,NULL,5,6,7,NULL,NULL,10,11,12,13,14}', NULL, 10, 30),
  ('infinite', '{1,2,infinity,4,5,-infinity,7,8,9,10,11,12,13}', NULL, 10, 30),
  ('long season', '{1,2,1,2,1,2,1,2,1,2,1,2,1,2}', 10000, 0, 3),
  ('zeros', '{0,0,0,0,0,0,0,0,0,0,0,0,0,0}', NULL, 0, 0),
  ('huge', '{1e300,2e300,1e300,2e300,1e300,2e300,1e300,2e300,1e300,2e300,1e300}', NULL, 0, 1e301),
  ('tiny', '{1e-300,2e-300,1e-300,2e-300,1e-300,2e-300,1e-300,2e-300,1e-300,2e-300}', NULL, 0, 1)
  ) c (name, series, season, lowest, highest), LATERAL cq.forecast(series, 3, 'auto', season) f
GROUP BY name ORDER BY name COLLATE "C";
SELECT count(*) FROM cq.forecast('{1,2,3,4,5,6,7,8,9,10}', 0);
SELECT count(*) FROM cq.forecast('{1,2,3,4,5,6,7,8,9,10}', 1000000);
SELECT count(*) FROM cq.forecast('{1,2,3,4,5,6,7,8,9,10}', 1, 'prophet');
SELECT count(*) FROM cq.forecast('{1,2,3,4,5,6,7,8,9,10}', 1, 'ets(a,n,m)');
SELECT count(*) FROM cq.forecast('{1,2,3,4,5,6,7,8,9,10}', 1, 'arima(9,0,0)');
SELECT count(*) FROM cq.forecast('{1,2,3,4,5,6,7,8,9,10}', 1, 'ets', 0);
SELECT count(*) FROM cq.forecast('{1,2,3,4,5,6,7,8,9,10}', 1, 'ets', 1, 1);
SELECT count(*) FROM cq.forecast('{1,2,3,4,5,6,7,8,9,10}', 1, 'ets', 1, 'NaN');
SELECT count(*) FROM cq.forecast('{{1,2},{3,4}}');
SELECT count(*) FROM cq.forecast(array_fill(1.0::float8, ARRAY[100001]));
SELECT cq.forecast(i, ts) OVER (ORDER BY ts DESC) FROM noise;
SELECT cq.decompose(i, ts) OVER (ORDER BY ts DESC) FROM noise;
SELECT cq.forecast(i, ts, step => '0 s') OVER (ORDER BY ts) FROM noise;
SELECT cq.forecast(i, ts, step => '1 month 1 day') OVER (ORDER BY ts) FROM noise;
SELECT cq.forecast(i, ts, step => '213503982 days') OVER (ORDER BY ts) FROM noise;
SELECT cq.forecast(i, ts, step => '1 day -24 hours') OVER (ORDER BY ts) FROM noise;
SELECT DISTINCT cq.forecast(i, ts, step => '1 day -23 hours') OVER (ORDER BY ts)
  IS NOT DISTINCT FROM cq.forecast(i, ts, step => '1 hour') OVER (ORDER BY ts) AS same FROM noise;
SELECT cq.anomaly(i, ts, max_training => 5) OVER (ORDER BY ts) FROM noise;
SELECT cq.anomaly(i, NULL) OVER () AS no_time, cq.anomaly(i, 'infinity') OVER () AS never
FROM noise WHERE i = 1;
SELECT cq.anomaly('{{1,2}}'::float8[], now()) OVER ();
SELECT cq.anomaly('{}'::float8[], now()) OVER ();
SELECT cq.anomaly(array_fill(v, ARRAY[i]), ts) OVER (ORDER BY ts) FROM noise WHERE i < 4;
SELECT cq.anomaly('{1}'::float8[], now(), 'ets') OVER ();
SELECT cq.ewma(1, now(), '1 month');
SELECT cq.ewma(1, now(), '-1 s');
SELECT cq.ewma(i, ts, make_interval(secs => i)) FROM noise;
SELECT cq.moments(array_fill(v, ARRAY[i])) FROM noise WHERE i < 4;
SELECT cq.quantile(cq.sketch(i), 1.5) FROM noise;
SELECT '0;1:0'::cq.sketch;
SELECT '0;2:1,1:1'::cq.sketch;
SELECT '99;'::cq.sketch;
SELECT '0;1:9223372036854775807,2:1'::cq.sketch;
SELECT 'x'::cq.sketch;
SELECT cq.sketch_count('0;'), cq.median('0;') IS NULL AS no_median;
-- more than can be counted; distances that are no numbers; nothing but missing values in the window
SELECT cq.sketch(s) FROM unnest(ARRAY['0;1:9223372036854775807', '0;1:1']::cq.sketch[]) s;
SELECT cq.mad('0;-9218000000000000000:2305843009213693952,9218000000000000000:2305843009213693952');
SELECT model, expected IS NULL AS unknown
FROM (SELECT i, cq.forecast_model(v, to_timestamp(i), 'robust', max_training => 10) OVER w AS model,
    (cq.anomaly(v, to_timestamp(i), 'robust', min_training => 10, max_training => 10) OVER w).expected
      AS expected
  FROM generate_series(1, 30) i, LATERAL (VALUES (CASE WHEN i <= 10 THEN 1::float8 END)) l (v)
  WINDOW w AS (ORDER BY i)) s
WHERE i = 30;
SELECT _cq.ewma_mean('{1}');
SELECT _cq.moments_final('{1,99}');

-- ---- what is not known, one rule for each thing that is broken ----

-- rows of one time, and of times at both ends of what can be told: the next time is not known
SELECT name, (f[1]).value IS NOT NULL AS has_value, (f[1]).ts
FROM (SELECT name, i, cq.forecast(i, start + i * apart::interval, 1, 'robust', min_training => 3,
    step => step::interval) OVER (PARTITION BY name ORDER BY i) AS f
  FROM (VALUES ('one time', timestamptz '2026-01-01 00:00Z', '0 s', NULL),
    ('the last one', '294276-12-31 23:59:56Z', '1 s', NULL),
    ('the last but one', '294276-12-31 23:59:55Z', '1 s', NULL),
    ('beyond', '294245-01-01 00:00Z', '10 years', '10 years'),
    ('early', '4713-01-01 00:00Z BC', '1 year', NULL),
    ('far apart', '4713-01-01 00:00Z BC', '99000 years', '1 us')) c (name, start, apart, step),
    generate_series(1, 3) i WHERE i < 3 OR name <> 'far apart') s
WHERE i = 3 OR name = 'far apart' ORDER BY name COLLATE "C", i;
-- months and days are those of UTC; those of a clock somewhere, by its time taken as that of UTC
SET timezone = 'Asia/Tokyo';
SELECT kind, array_agg(((f[n]).ts AT TIME ZONE 'UTC')::date) AS dates
FROM (SELECT kind, month, cq.forecast(i, month::timestamp AT TIME ZONE 'UTC', 3, 'arima(0,1,0)',
      step => step) OVER (PARTITION BY kind ORDER BY month) AS f
  FROM (VALUES ('step', interval '1 month'), ('no step', NULL)) k (kind, step),
    LATERAL (SELECT i, date '2025-01-01' + make_interval(months => i) AS month
      FROM generate_series(1, 13) i) m) s, generate_series(1, 3) n
WHERE month = '2026-02-01' GROUP BY kind ORDER BY kind;
SET timezone = 'UTC';
SELECT i, (f[1]).ts
FROM (SELECT i, cq.forecast(i, ts AT TIME ZONE 'Europe/Berlin' AT TIME ZONE 'UTC', 1, 'robust',
      step => '1 day', min_training => 3) OVER (ORDER BY i) AS f
  FROM (VALUES (1, timestamptz '2026-03-27 00:00+01'), (2, '2026-03-28 00:00+01'),
    (3, '2026-03-29 00:00+01'), (4, '2026-03-30 00:00+02')) x (i, ts)) s WHERE i > 2;
-- nothing but missing values in the window of a median
SELECT i, f
FROM (SELECT i, cq.forecast(v, to_timestamp(i), 1, 'robust', min_training => 5, max_training => 10)
    OVER (ORDER BY i) AS f
  FROM generate_series(1, 40) i,
    LATERAL (VALUES (CASE WHEN i <= 10 OR i > 30 THEN 7::float8 END)) l (v)) s
WHERE i IN (5, 19, 20, 30, 31);
-- null is the default of each option; blanks and long names
SELECT a = b AS same, c = d AS closed_up
FROM (VALUES ('{1,2,4,3,5,6,8,7,9,10}'::float8[])) x (s), cq.forecast(s, NULL, NULL, NULL, NULL) a,
  cq.forecast(s) b, cq.forecast(s, 1, ' arima (0, 1, 0) ') c, cq.forecast(s, 1, 'ARIMA(0,1,0)') d;
SELECT bool_and(a IS NOT DISTINCT FROM b) AS same
FROM (SELECT cq.anomaly(v, ts, NULL, NULL, NULL) OVER w AS a, cq.anomaly(v, ts) OVER w AS b
  FROM noise WHERE i < 60 WINDOW w AS (ORDER BY ts)) s;
SELECT bool_and(a IS NOT DISTINCT FROM b) AS same
FROM (SELECT cq.anomaly(ARRAY[v], ts, NULL, NULL, NULL) OVER w AS a,
    cq.anomaly(ARRAY[v], ts) OVER w AS b
  FROM noise WHERE i < 60 WINDOW w AS (ORDER BY ts)) s;
SELECT cq.forecast('{1,2,3}', 1, repeat('ü', 1000));
SELECT cq.forecast('{1,2,3}', 1, 'arima(' || repeat(' ', 1000) || '1,0,0)');
SELECT cq.forecast('{1,2,3}', 1, 'arima(4294967297,0,0)');
SELECT cq.anomaly('{1}'::float8[], now(), repeat('x', 1000)) OVER ();
SELECT cq.anomaly(1, now(), min_training => 20, max_training => 19) OVER ();
SELECT count(f)
FROM (SELECT cq.forecast(v, ts, min_training => 600) OVER (ORDER BY ts) AS f FROM noise) s;
-- far from all values there are no parts; near them there are
SELECT season_window, trend, seasonal, min(i), max(i), count(remainder) AS remainders
FROM (SELECT season_window, i, (d).trend IS NOT NULL AS trend, (d).seasonal IS NOT NULL AS seasonal,
    (d).remainder, d
  FROM (SELECT season_window, i, cq.decompose(CASE WHEN i NOT BETWEEN 100 AND 299 THEN
        100 + i + 10 * sin(i * pi() / 6) END, ts, 12, season_window)
      OVER (PARTITION BY season_window ORDER BY ts) AS d
    FROM noise, unnest('{NULL,7}'::int[]) season_window) s) s
GROUP BY 1, 2, 3 ORDER BY 1, min(i);
SELECT DISTINCT i % 12 AS place, (d).seasonal IS NULL AS unknown, (d).trend IS NULL AS no_trend
FROM (SELECT i, cq.decompose(CASE WHEN i % 12 <> 5 THEN v END, ts, 12) OVER (ORDER BY ts) AS d
  FROM noise) s
WHERE i % 12 IN (4, 5, 6) ORDER BY place;
SELECT max(abs((d).trend - 100 - i)) < 2 AS near
FROM (SELECT i, cq.decompose(CASE WHEN i % 12 <> 5 THEN 100 + i + 10 * sin(i * pi() / 6) END, ts,
    12) OVER (ORDER BY ts) AS d FROM noise) s;
SELECT count(d) FROM (SELECT cq.decompose(NULL, ts, 12) OVER (ORDER BY ts) AS d FROM noise) s;
-- points with a number that is null, infinite or too great: missing as a whole, everywhere
SELECT (m).count, (m).mean[2] AS mean, p, round(cq.mahalanobis(p, m)::numeric, 6) AS distance
FROM (SELECT cq.moments(p) AS m FROM (VALUES ('{1,2}'::float8[]), ('{3,NULL}'), ('{1e150,1}'),
    ('{3,5}'), ('{-infinity,1}'), ('{9,0}')) x (p)) s,
  (VALUES ('{4,4}'::float8[]), ('{4,NULL}'), ('{1e200,4}'), (NULL)) y (p);
SELECT i, (a).score IS NOT NULL AS scored
FROM (SELECT i, cq.anomaly(CASE i WHEN 30 THEN '{1,NULL}' WHEN 31 THEN '{1e200,1}' WHEN 32 THEN NULL
      ELSE ARRAY[v, i % 7] END, ts) OVER (ORDER BY ts) AS a FROM noise WHERE i < 40) s
WHERE i IN (20, 21, 29, 30, 31, 32, 33);
SELECT cq.moments(p) FROM (VALUES ('{1,2}'::float8[]), ('{3,NULL,4}')) x (p);
SELECT cq.moments('{}'::float8[]);
SELECT cq.mahalanobis('{1}', ROW(2, '{1,2}', '{{1,0},{0,1}}')::cq.moments);
SELECT cq.mahalanobis('{1,2}', ROW(2, '{1,2}', '{{1,0,0},{0,1,0}}')::cq.moments);
SELECT cq.mahalanobis('{1,2}', ROW(2, '{1,2}', NULL)::cq.moments),
  cq.mahalanobis('{1,2}', ROW(2, '{0,0}', '{{NaN,0},{0,1}}')::cq.moments),
  cq.mahalanobis('{1,2}', ROW(2, '{0,0}', '{{1,NULL},{0,1}}')::cq.moments);

-- ---- sketches: equal, in order, exact for few values, within bounds for many ----

SELECT k, count(*) FROM (SELECT cq.sketch(i % 3) AS k FROM generate_series(1, 12) i GROUP BY i % 4
  UNION ALL SELECT cq.sketch(1)) s GROUP BY k ORDER BY k;
SELECT count(DISTINCT k), count(*) FROM unnest('{0;1:1,0;1:1,"0;1:1,2:1",1;1:1}'::cq.sketch[]) k;
SELECT a = b AS eq, a <> b AS ne, a < b AS lt, a <= b AS le, a > b AS gt, a >= b AS ge,
  a IS DISTINCT FROM b AS apart, ROW(a) = ROW(b) AS rows, ARRAY[a] = ARRAY[b] AS arrays
FROM (VALUES ('0;1:1'::cq.sketch, '0;1:1'::cq.sketch), ('0;1:1', '0;2:1'),
  ('0;1:1', NULL)) x (a, b);
CREATE TABLE stored (k cq.sketch PRIMARY KEY);
INSERT INTO stored VALUES ('0;1:1'), ('0;2:1') ON CONFLICT DO NOTHING;
INSERT INTO stored VALUES ('0;2:1'), ('0;3:1') ON CONFLICT DO NOTHING;
SELECT count(*) FROM stored a JOIN stored b USING (k);
SELECT p, cq.quantile(k, p) = percentile_cont(p) WITHIN GROUP (ORDER BY v) AS same
FROM (SELECT cq.sketch(v) AS k FROM unnest('{1,2,3,10}'::float8[]) v) s,
  unnest('{1,2,3,10}'::float8[]) v, unnest('{0,0.1,0.25,0.5,0.75,1}'::float8[]) p
GROUP BY p, k ORDER BY p;
SELECT cq.median(cq.sketch(v)) AS median, cq.mad(cq.sketch(v)) AS mad
FROM unnest('{1,2,4,10}'::float8[]) v;
SELECT cq.median('0;9218868437227405311:1') AS greatest,
  cq.median('0;-9218868437227405311:1') AS least;
SELECT cq.robust_z('infinity', '0;0:1') AS far,
  cq.robust_z('infinity', '0;-9218868437227405311:2,9218868437227405311:2') IS NULL AS unknown;
-- how far from the value at its rank: by the range of the values
SELECT exponents, max(greatest(x / exact, exact / x)) <= bound AS within
FROM (SELECT exponents, bound, cq.sketch(v) AS k, array_agg(v ORDER BY v) AS vs
  FROM (VALUES (1, 1 + 1 / 500.0), (40, 1.15), (200, 1.5), (1000, 2.1), (2000, 4.1))
      r (exponents, bound),
    LATERAL (SELECT 2.0::float8 ^ (((i * 7919) % 20011) / 20011.0 * exponents - exponents / 2) AS v
      FROM generate_series(0, 20010) i) l
  GROUP BY exponents, bound) s, generate_series(0, 20010, 500) rank,
  LATERAL (SELECT vs[rank + 1], cq.quantile(k, rank / 20010.0)) q (exact, x)
GROUP BY exponents, bound ORDER BY exponents;
SELECT '0;9218868437227405312:1'::cq.sketch;
SELECT '0;9221120237041090560:1'::cq.sketch;
SELECT '0;-9218868437227405312:1'::cq.sketch;
SELECT '55;255:1'::cq.sketch, cq.median('55;255:1') AS greatest;
SELECT '55;256:1'::cq.sketch;
SELECT repeat('ü', 1000)::cq.sketch;

-- ---- states that no aggregate made, and aggregates that move ----

SELECT _cq.moments_combine('{1,2,0,0,0,0,0}', '{1,1,0,0}');
SELECT _cq.moments_combine('{1,1,0,0}', '{1,NULL,0,0}');
SELECT _cq.moments_combine('{NaN,1,0,0}', '{1,1,0,0}');
SELECT _cq.moments_final('{-1,1,0,0}');
SELECT _cq.moments_final('{1,NaN,0,0}');
SELECT _cq.moments_final('{1e300,1,0,0}');
SELECT _cq.moments_final('{{1,1},{0,0}}');
SELECT _cq.moments_transition('{}', '{1}');
SELECT _cq.moments_transition('{1,1,0,0}', '{1,2}');
SELECT _cq.ewma_combine('{1,2,3}', '{0,0,0,0,0}');
SELECT _cq.ewma_combine('{0,0,0,0,0}', '{{0,0,0,0,0}}');
SELECT _cq.ewma_combine('{60,1,1,1,0}', '{61,1,1,1,0}');
SELECT _cq.ewma_mean('{60,1,NULL,1,0}');
SELECT _cq.ewma_mean('{NaN,NaN,NaN,NaN,NaN}'), _cq.ewma_stddev('{1,infinity,2,1,-5}');
SELECT i, round((cq.ewma(v, ts, '1 min') OVER w)::numeric, 6) AS ewma,
  cq.sketch_count(cq.sketch(v) OVER w) AS n, cq.median(cq.sketch(v) OVER w) AS median,
  (cq.moments(ARRAY[i, v]) OVER w).mean[1] AS mean
FROM (SELECT i, ts, i % 5 AS v FROM noise WHERE i <= 8) s
WINDOW w AS (ORDER BY i ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING);
-- in parallel: as in one process
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
CREATE TABLE many AS SELECT i, i % 3 AS k, (i * 7919) % 1009 AS v FROM generate_series(1, 20000) i;
ANALYZE many;
SELECT query AS parallel FROM (SELECT $$SELECT k, cq.sketch(v) AS sketch,
  round(cq.ewma(v, to_timestamp(i), '1 h')::numeric, 6) AS ewma, (cq.moments(ARRAY[v, i])).count,
  round((cq.moments(ARRAY[v, i])).mean[1]::numeric, 6) AS mean
FROM many GROUP BY k$$) q (query) \gset
CREATE FUNCTION is_parallel(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
    IF line LIKE '%Partial%' THEN RETURN true; END IF;
  END LOOP;
  RETURN false;
END $$;
SELECT is_parallel(:'parallel');
CREATE TEMP TABLE one AS :parallel;
SET max_parallel_workers_per_gather = 0;
SELECT is_parallel(:'parallel');
TABLE one EXCEPT ALL :parallel;
SELECT count(*) FROM one;
-- one state for each group: 8 kB of 563 numbers
SET work_mem = '256MB';
CREATE FUNCTION hash_memory(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  plan json;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, FORMAT json) ' || query INTO plan;
  RETURN plan #>> '{0,Plan,Peak Memory Usage}';
END $$;
SELECT hash_memory($$SELECT cq.moments(array_fill(i::float8, ARRAY[32]))
  FROM generate_series(1, 4000) i GROUP BY i % 2000$$) < 24000 AS one_for_each;

DROP SCHEMA series CASCADE;
