-- Sessions of sessions: in one query, and over views by their names, also of sessions that close.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE SCHEMA sessions_twice;
SET search_path = sessions_twice;
CREATE FOREIGN TABLE s (k int, v int, at timestamptz) SERVER cq_log OPTIONS (event_time 'at');
CREATE VIEW inner_ WITH (continuous) AS
    SELECT k, span, count(*) AS n FROM (
        SELECT k, cq.session(at, '1 min') OVER (PARTITION BY k ORDER BY at) AS span FROM s) x
    GROUP BY k, span;
CREATE VIEW over_view WITH (continuous) AS
    SELECT k, spans, count(*) AS sessions, sum(n) AS n FROM (
        SELECT k, n, cq.session(lower(span), '10 min')
            OVER (PARTITION BY k ORDER BY lower(span)) AS spans FROM inner_) y
    GROUP BY k, spans;
CREATE VIEW of_all WITH (continuous) AS
    SELECT spans, count(*) AS sessions, sum(n) AS n FROM (
        SELECT n, cq.session(lower(span), '3 min') OVER (ORDER BY lower(span)) AS spans
        FROM inner_) y
    GROUP BY spans;
CREATE VIEW at_once WITH (continuous) AS
    SELECT k, spans, count(*) AS sessions, sum(n) AS n FROM (
        SELECT k, n, cq.session(lower(span), '10 min')
            OVER (PARTITION BY k ORDER BY lower(span)) AS spans
        FROM (SELECT k, span, count(*) AS n FROM (
                  SELECT k, cq.session(at, '1 min') OVER (PARTITION BY k ORDER BY at) AS span
                  FROM s) w
              GROUP BY k, span) x) y
    GROUP BY k, spans;

-- Outer sessions do not close: what they are made of is no event time. Inner ones do.
CREATE VIEW bad WITH (continuous, emit = 'close') AS
    SELECT k, spans, count(*) FROM (
        SELECT k, cq.session(lower(span), '10 min')
            OVER (PARTITION BY k ORDER BY lower(span)) AS spans
        FROM (SELECT k, span FROM (
                  SELECT k, cq.session(at, '1 min') OVER (PARTITION BY k ORDER BY at) AS span
                  FROM s) w
              GROUP BY k, span) x) y
    GROUP BY k, spans;
CREATE FOREIGN TABLE c (k int, at timestamptz) SERVER cq_log OPTIONS (event_time 'at');
CREATE VIEW closed WITH (continuous, emit = 'close') AS
    SELECT k, span, count(*) AS n FROM (
        SELECT k, cq.session(at, '1 min') OVER (PARTITION BY k ORDER BY at) AS span FROM c) x
    GROUP BY k, span;
CREATE VIEW over_closed WITH (continuous) AS
    SELECT k, spans, count(*) AS sessions, sum(n) AS n FROM (
        SELECT k, n, cq.session(lower(span), '10 min')
            OVER (PARTITION BY k ORDER BY lower(span)) AS spans FROM closed) y
    GROUP BY k, spans;

-- The same over what has come. Sessions grow, and grow together.
CREATE FUNCTION differing() RETURNS TABLE (view text, missing bigint, unexpected bigint)
    LANGUAGE plpgsql AS $$
BEGIN
    CREATE TEMP TABLE batch_inner AS
        SELECT k, span, count(*) AS n FROM (
            SELECT k, cq.session(at, '1 min') OVER (PARTITION BY k ORDER BY at) AS span FROM s) x
        GROUP BY k, span;
    CREATE TEMP TABLE by_key AS
        SELECT k, spans, count(*) AS sessions, sum(n) AS n FROM (
            SELECT k, n, cq.session(lower(span), '10 min')
                OVER (PARTITION BY k ORDER BY lower(span)) AS spans FROM batch_inner) y
        GROUP BY k, spans;
    CREATE TEMP TABLE all_ AS
        SELECT spans, count(*) AS sessions, sum(n) AS n FROM (
            SELECT n, cq.session(lower(span), '3 min') OVER (ORDER BY lower(span)) AS spans
            FROM batch_inner) y
        GROUP BY spans;
    RETURN QUERY
        SELECT 'over_view', (SELECT count(*) FROM (TABLE by_key EXCEPT ALL TABLE over_view) x),
                            (SELECT count(*) FROM (TABLE over_view EXCEPT ALL TABLE by_key) x)
        UNION ALL
        SELECT 'at_once', (SELECT count(*) FROM (TABLE by_key EXCEPT ALL TABLE at_once) x),
                          (SELECT count(*) FROM (TABLE at_once EXCEPT ALL TABLE by_key) x)
        UNION ALL
        SELECT 'of_all', (SELECT count(*) FROM (TABLE all_ EXCEPT ALL TABLE of_all) x),
                         (SELECT count(*) FROM (TABLE of_all EXCEPT ALL TABLE all_) x);
    DROP TABLE batch_inner, by_key, all_;
END
$$;
CREATE FUNCTION t(i int) RETURNS timestamptz LANGUAGE sql AS
    $$SELECT '2026-01-01 00:00Z'::timestamptz + i * interval '10 s'$$;
INSERT INTO s SELECT i % 3, i, t(i * i) FROM generate_series(1, 30) i;
SELECT cq.wait('over_view'), cq.wait('at_once'), cq.wait('of_all');
SELECT * FROM differing();
SELECT count(*) > 10 AS has_some FROM over_view;
INSERT INTO s SELECT i % 3, i, t(i * i - i) FROM generate_series(1, 30) i;
INSERT INTO s VALUES (1, 0, t(150)), (1, 0, t(155));
SELECT cq.wait('over_view'), cq.wait('at_once'), cq.wait('of_all');
SELECT * FROM differing();
SELECT count(*) > 10 AS has_some FROM over_view;

-- All that is closed, in sessions.
INSERT INTO c SELECT k, at FROM s UNION ALL SELECT 9, t(10000) ORDER BY 2;
CREATE FUNCTION all_closed() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 3000 LOOP
        IF cq.wait('over_closed', '10 s') AND
           (SELECT sum(n) FROM over_closed) = (SELECT count(*) FROM s) THEN
            RETURN true;
        END IF;
        PERFORM pg_sleep(0.02);
    END LOOP;
    RETURN false;
END
$$;
SELECT all_closed();
SELECT count(*) FROM (TABLE over_closed EXCEPT ALL TABLE over_view) x;
SELECT count(*) FROM (TABLE over_view EXCEPT ALL TABLE over_closed) x;
DROP SCHEMA sessions_twice CASCADE;
