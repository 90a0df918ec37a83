-- Where windows begin and end.
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';

-- Tumbling windows of fixed length: start included, end not.
SELECT ts, w.* FROM unnest(ARRAY['2025-01-01 00:00:00', '2025-01-01 00:00:09.999999', '2025-01-01 00:00:10', '1999-12-31 23:59:59.999999', '2001-01-01', '2000-12-31 23:59:59.999999']::timestamptz[]) AS ts, cq.tumble(ts, '10 s') AS w;
SELECT ts, w.* FROM unnest(ARRAY['2025-01-01 00:00:00', '2025-01-01 00:00:09.999999', '1999-12-31 23:59:59.999999']::timestamp[]) AS ts, cq.tumble(ts, '7 min') AS w;
SELECT n, w.* FROM unnest(ARRAY[0, 9, 10, -1, -10, -11, 9223372036854775799, -9223372036854775800]::bigint[]) AS n, cq.tumble(n, 10) AS w;
SELECT n, w.* FROM generate_series(-2, 2) AS n, cq.tumble(n, 3, 1) AS w;
-- An origin shifts them, from wherever it is.
SELECT o, w.* FROM unnest(ARRAY['2025-01-01 00:00:03', '2035-01-01 00:00:03', '1970-01-01 00:00:03', '2025-01-01 00:00:13']::timestamptz[]) AS o, cq.tumble(timestamptz '2025-06-01 12:00:05', '10 s', o) AS w;
SELECT w.* FROM cq.tumble(ts => timestamp '2025-06-01 12:34', size => '1 hour', origin => '2025-01-01 00:15') AS w;
-- Weeks begin on Monday; months, quarters and years with the calendar's.
SELECT size, w.* FROM unnest(ARRAY['1 week', '1 day', '1 month', '3 months', '1 year', '10 years', '2 weeks']::interval[]) AS size, cq.tumble(timestamptz '2025-02-28 23:59:59.999999', size) AS w;
SELECT size, w.* FROM unnest(ARRAY['1 week', '1 day', '1 month', '3 months', '1 year', '36 hours', '1 day 12 hours']::interval[]) AS size, cq.tumble(timestamp '2000-02-29', size) AS w;
-- Months from an origin that not every month has.
SELECT ts, w.* FROM unnest(ARRAY['2025-01-30', '2025-01-31', '2025-02-27', '2025-02-28', '2025-03-30', '2025-03-31', '2024-12-30 23:59', '2024-02-29']::timestamp[]) AS ts, cq.tumble(ts, '1 month', '2025-01-31') AS w;

-- Days where clocks change: Berlin 2025-03-30 (23 hours) and 2025-10-26 (25 hours), New York 2025-03-09 and 2025-11-02.
SET TimeZone = 'Europe/Berlin';
SELECT ts, w.*, window_end - window_start AS length FROM unnest(ARRAY['2025-03-29 23:59', '2025-03-30 00:00', '2025-03-30 03:30', '2025-03-30 23:59:59', '2025-03-31 00:00', '2025-10-26 02:30+02', '2025-10-26 02:30+01', '2025-10-26 23:59']::timestamptz[]) AS ts, cq.tumble(ts, '1 day') AS w;
SELECT ts, w.*, window_end - window_start AS length FROM unnest(ARRAY['2025-03-30 03:30', '2025-10-26 23:59']::timestamptz[]) AS ts, cq.tumble(ts, '24 hours') AS w;
SELECT ts, w.* FROM unnest(ARRAY['2025-03-30 01:59', '2025-03-30 03:00', '2025-10-26 02:30+02', '2025-10-26 02:30+01']::timestamptz[]) AS ts, cq.tumble(ts, '1 hour') AS w;
SELECT ts, w.*, window_end - window_start AS length FROM unnest(ARRAY['2025-03-30 03:30', '2025-10-26 23:59']::timestamptz[]) AS ts, cq.tumble(ts, '1 week') AS w;
SELECT ts, w.*, window_end - window_start AS length FROM unnest(ARRAY['2025-03-30 03:30', '2025-10-26 23:59']::timestamptz[]) AS ts, cq.tumble(ts, '1 month') AS w;
SET TimeZone = 'America/New_York';
SELECT ts, w.*, window_end - window_start AS length FROM unnest(ARRAY['2025-03-09 00:00', '2025-03-09 03:30', '2025-11-02 01:30-04', '2025-11-02 01:30-05']::timestamptz[]) AS ts, cq.tumble(ts, '1 day') AS w;
-- A day that begins at six, one whose midnight does not exist, one whose midnight comes twice.
SELECT ts, w.* FROM unnest(ARRAY['2025-03-09 05:59', '2025-03-09 06:00', '2025-03-10 05:59']::timestamptz[]) AS ts, cq.tumble(ts, '1 day', '2025-01-01 06:00') AS w;
SET TimeZone = 'America/Sao_Paulo';
SELECT ts, w.* FROM unnest(ARRAY['2018-11-03 23:59', '2018-11-04 01:00', '2018-11-04 12:00', '2018-11-05 00:00']::timestamptz[]) AS ts, cq.tumble(ts, '1 day') AS w;
SET TimeZone = 'America/Havana';
SELECT ts, w.* FROM unnest(ARRAY['2025-11-01 23:59', '2025-11-02 00:30-04', '2025-11-02 00:30-05', '2025-11-02 23:59']::timestamptz[]) AS ts, cq.tumble(ts, '1 day') AS w;
-- An hour begins with the zone's hours.
SET TimeZone = 'Asia/Kolkata';
SELECT w.* FROM cq.tumble(timestamptz '2025-01-01 10:20', '1 hour') AS w;
SELECT w.* FROM cq.tumble(timestamptz '2025-01-01 10:20', '1 hour', '2001-01-01 00:00Z') AS w;
SET TimeZone = 'UTC';

-- Each time lies in its window, windows meet, and all agree with date_bin and date_trunc.
CREATE FUNCTION windows_fail(zone text, size interval, times timestamptz[]) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('TimeZone', zone, true);
    RETURN (SELECT count(*) FROM unnest(times) AS ts LEFT JOIN LATERAL cq.tumble(ts, size) AS w ON true LEFT JOIN LATERAL cq.tumble(w.window_end, size) AS following ON true
                                                     LEFT JOIN LATERAL cq.tumble(w.window_end - interval '1 us', size) AS same ON true
            WHERE NOT COALESCE(w.window_start <= ts AND ts < w.window_end AND following.window_start = w.window_end AND same.window_start = w.window_start, false));
END $$;
SELECT zone, sum(windows_fail(zone, size, ARRAY(SELECT t FROM generate_series('2024-01-01Z'::timestamptz, '2025-12-31Z', '3 hours 7 min') AS t ORDER BY md5(t::text COLLATE "C")))) AS wrong
FROM unnest(ARRAY['UTC', 'Europe/Berlin', 'America/New_York', 'America/Havana', 'Asia/Beirut', 'Africa/Cairo', 'Australia/Lord_Howe', 'Asia/Kolkata']) AS zone,
     unnest(ARRAY['10 s', '7 min', '1 hour', '6 hours', '1 day', '3 days', '1 week', '1 month', '5 months', '1 year']::interval[]) AS size GROUP BY zone ORDER BY zone;
SET TimeZone = 'Europe/Berlin';
SELECT count(*) FILTER (WHERE h.window_start <> date_trunc('hour', t)) AS hour, count(*) FILTER (WHERE d.window_start <> date_trunc('day', t)) AS day, count(*) FILTER (WHERE w.window_start <> date_trunc('week', t)) AS week,
       count(*) FILTER (WHERE m.window_start <> date_trunc('month', t)) AS month, count(*) FILTER (WHERE q.window_start <> date_trunc('quarter', t)) AS quarter, count(*) FILTER (WHERE y.window_start <> date_trunc('year', t)) AS year,
       count(*) FILTER (WHERE b.window_start <> date_bin('13 min', t, '2001-01-01')) AS bin
FROM generate_series('1999-01-01'::timestamptz, '2003-01-01', '5 hours 11 min') AS t, cq.tumble(t, '1 hour') AS h, cq.tumble(t, '1 day') AS d, cq.tumble(t, '7 days') AS w, cq.tumble(t, '1 month') AS m, cq.tumble(t, '3 months') AS q, cq.tumble(t, '1 year') AS y,
     cq.tumble(t, '13 min') AS b;
SET TimeZone = 'UTC';

-- Hopping windows.
SELECT w.* FROM cq.hop(timestamptz '2025-01-01 00:00:25', '10 s', '30 s') AS w;
SELECT w.* FROM cq.hop(timestamp '2025-01-01 00:00:30', '10 s', '30 s', '2025-01-01 00:00:05') AS w;
SELECT n, w.* FROM unnest(ARRAY[-1, 0, 7]::bigint[]) AS n, cq.hop(n, 5, 10) AS w;
SELECT w.* FROM cq.hop(timestamptz '2025-01-01 00:00:25', '10 s', '10 s') AS w;
SELECT w.* FROM cq.hop(timestamptz '2025-03-31 12:00', '1 month', '3 months') AS w;
SET TimeZone = 'Europe/Berlin';
SELECT w.*, window_end - window_start AS length FROM cq.hop(timestamptz '2025-03-30 12:00', '1 day', '2 days') AS w;
SET TimeZone = 'UTC';
-- Cumulating windows.
SELECT w.* FROM cq.cumulate(timestamptz '2025-01-01 00:00:25', '10 s', '40 s') AS w;
SELECT w.* FROM cq.cumulate(timestamptz '2025-01-01 00:00:40', '10 s', '40 s') AS w;
SELECT n, w.* FROM unnest(ARRAY[-1, 0, 7]::bigint[]) AS n, cq.cumulate(n, 5, 10) AS w;
SELECT w.* FROM cq.cumulate(timestamp '2025-11-15', '1 month', '1 year') AS w;
SELECT w.* FROM cq.cumulate(timestamp '2025-02-03', '1 day', '7 days', '2025-02-01') AS w;
-- They are what their definition says: every window of the grid that the time lies in.
SELECT count(*) FILTER (WHERE hops <> 6) AS hops, count(*) FILTER (WHERE hop_wrong) AS hop_wrong, count(*) FILTER (WHERE cumulations <> 6 - (n - 1) / 10 % 6) AS cumulations, count(*) FILTER (WHERE cumulate_wrong) AS cumulate_wrong
FROM (SELECT n, (SELECT count(DISTINCT window_start) FROM cq.hop(n - 1, 10, 60)) AS hops, (SELECT bool_or(window_start > n - 1 OR window_end <= n - 1 OR window_end - window_start <> 60 OR window_start % 10 <> 0) FROM cq.hop(n - 1, 10, 60)) AS hop_wrong,
             (SELECT count(DISTINCT window_end) FROM cq.cumulate(n - 1, 10, 60)) AS cumulations, (SELECT bool_or(window_start <> (n - 1) / 60 * 60 OR window_end <= n - 1 OR window_end > window_start + 60 OR window_end % 10 <> 0) FROM cq.cumulate(n - 1, 10, 60)) AS cumulate_wrong
      FROM generate_series(1::bigint, 200) AS n) AS x;

-- Null lies in no window; an outer join keeps its row.
SELECT count(*) FROM (VALUES (NULL::timestamptz)) AS v(ts), cq.tumble(ts, '10 s') AS w;
SELECT count(*) FROM (VALUES (NULL::timestamptz)) AS v(ts), cq.hop(ts, '10 s', '20 s') AS w;
SELECT count(*) FROM (VALUES (NULL::bigint)) AS v(n), cq.cumulate(n, 10, 20) AS w;
SELECT * FROM (VALUES (NULL::timestamptz), ('2025-01-01')) AS v(ts) LEFT JOIN LATERAL cq.tumble(ts, '10 s') AS w ON true;

-- Errors.
\set VERBOSITY sqlstate
SELECT * FROM cq.tumble(timestamptz '2025-01-01', '0');
SELECT * FROM cq.tumble(timestamptz '2025-01-01', '-1 s');
SELECT * FROM cq.tumble(timestamptz 'infinity', '1 s');
SELECT * FROM cq.tumble(timestamp '-infinity', '1 day');
\set VERBOSITY default
SELECT * FROM cq.tumble(timestamptz '2025-01-01', '-1 day');
SELECT * FROM cq.tumble(1, 0);
SELECT * FROM cq.tumble(timestamptz '2025-01-01', '1 month 1 day');
SELECT * FROM cq.tumble(timestamp '2025-01-01', '1 month 1 hour');
SELECT * FROM cq.tumble(timestamptz '2025-01-01', '1 day 1 hour');
SELECT * FROM cq.tumble(timestamptz '2025-01-01', NULL);
SELECT * FROM cq.tumble(timestamptz '2025-01-01', '1 day', 'infinity');
SELECT * FROM cq.tumble(timestamptz 'infinity', '1 s');
SELECT * FROM cq.hop(timestamptz '2025-01-01', '0', '1 min');
SELECT * FROM cq.hop(timestamptz '2025-01-01', '7 s', '1 min');
SELECT * FROM cq.hop(timestamptz '2025-01-01', '2 min', '1 min');
SELECT * FROM cq.hop(timestamptz '2025-01-01', '1 hour', '1 day');
SELECT * FROM cq.hop(timestamp '2025-01-01', '8 hours', '1 day');
SELECT * FROM cq.hop(timestamptz '2025-01-01', '1 day', '1 month');
SELECT * FROM cq.hop(timestamptz '2025-01-01', NULL, '1 month');
SELECT * FROM cq.hop(1, 1, 10000000);
SELECT * FROM cq.cumulate(timestamptz '2025-01-01', '7 s', '1 min');
SELECT * FROM cq.cumulate(1, -5, 10);
-- The ends of time.
SELECT * FROM cq.tumble(9223372036854775807, 10);
SELECT * FROM cq.tumble((-9223372036854775808)::bigint, 10);
SELECT * FROM cq.tumble(timestamp '4714-11-24 BC', '1000 years');
SELECT * FROM cq.tumble(timestamp '294276-12-31 23:59:59', '1 hour');
SELECT window_start FROM cq.tumble(timestamp '294276-12-31 23:59:59', '1 hour');
SELECT * FROM cq.tumble(timestamptz '294276-12-31 23:59:59', '1 day');
SELECT _cq.window_bound(1, 1, 0, 0, 0);
-- Lengths that the server's numbers cannot hold.
SELECT * FROM cq.tumble(timestamp '2026-01-01', '213503983 days');
SELECT * FROM cq.tumble(timestamp '2026-01-01', '106751991 days 4:00:54.775807');
SELECT * FROM cq.tumble(timestamp '2026-01-01', '106751991 days 4:00:54.775808');
SELECT * FROM cq.tumble(timestamptz '2026-01-01', '213503983 days');
SELECT * FROM cq.tumble(timestamptz '2026-01-01', '2147483647 days');
SELECT * FROM cq.tumble(timestamp '2026-01-01', '2147483647 months');
SELECT * FROM cq.tumble(timestamptz '2026-01-01', '13333333 months');
SELECT * FROM cq.hop(timestamp '2026-01-01', '213503983 days', '213503983 days');
SELECT * FROM cq.cumulate(timestamp '2026-01-01', '1 day', '213503983 days');
SELECT cq.session(t, '213503983 days') OVER (ORDER BY t) FROM (VALUES (timestamp '2026-01-01')) AS v (t);
SELECT cq.session(t, '106751991 days') OVER (ORDER BY t) FROM (VALUES (timestamp '2026-01-01')) AS v (t);
SELECT cq.session(n, 9223372036854775807) OVER (ORDER BY n) FROM (VALUES (2::bigint)) AS v (n);

-- What the planner makes of them: no function scan of ours.
CREATE TABLE bid (auction bigint, at timestamptz);
CREATE FUNCTION plan_of(query text, OUT function_scans bigint, OUT project_sets bigint, OUT null_tests bigint) LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    SELECT 0, 0, 0 INTO function_scans, project_sets, null_tests;
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF, VERBOSE) ' || query LOOP
        function_scans := function_scans + (line ~ 'Function Scan')::int;
        project_sets := project_sets + (line ~ 'ProjectSet')::int;
        null_tests := null_tests + (line ~ 'Filter: \(bid.at IS NOT NULL\)')::int;
    END LOOP;
END $$;
SELECT * FROM plan_of($$SELECT w.window_start, auction, count(*) FROM bid, cq.tumble(at, '10 s') AS w GROUP BY 1, 2$$);
SELECT * FROM plan_of($$SELECT w.window_start, w.window_end, auction FROM bid, cq.hop(at, '10 s', '30 s') AS w$$);
SELECT * FROM plan_of($$SELECT w.window_start, w.window_end, auction FROM bid, cq.cumulate(at, '10 s', '30 s') AS w$$);
DROP TABLE bid;
DROP FUNCTION plan_of;
DROP FUNCTION windows_fail;
