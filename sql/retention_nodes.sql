-- retention of rows that nodes make: by event time, each side of a join is kept as long as rows to
-- come may need it, and what comes later than that is late.
SET client_min_messages = warning;
CREATE SCHEMA retention_nodes;
SET search_path = retention_nodes;
CREATE FOREIGN TABLE a (k int, v int, at timestamptz) SERVER cq_log OPTIONS (event_time 'at', watermark '5 s');
CREATE FOREIGN TABLE b (k int, w int, at timestamptz) SERVER cq_log OPTIONS (event_time 'at');
CREATE FUNCTION at(seconds float8) RETURNS timestamptz LANGUAGE sql AS
    $$SELECT '2026-01-01 00:00Z'::timestamptz + seconds * interval '1 s'$$;
CREATE CONTINUOUS VIEW pairs WITH (retention = '20 s', retention_by = 'event_time') AS
    SELECT a.k, v, w, a.at FROM a JOIN b ON a.k = b.k AND b.at BETWEEN a.at - interval '3 s' AND a.at + interval '10 s';
CREATE CONTINUOUS VIEW self WITH (retention = '20 s', retention_by = 'event_time') AS
    SELECT x.k, x.v, y.v AS other, x.at FROM a x JOIN a y ON x.k = y.k AND y.at > x.at AND y.at <= x.at + interval '4 s';
CREATE CONTINUOUS VIEW both_ WITH (retention = '20 s', retention_by = 'event_time') AS
    SELECT k, v, at FROM a UNION ALL SELECT k, w, at FROM b;
-- By change rows of any join go; what is kept of the streams stays.
CREATE CONTINUOUS VIEW changed WITH (retention = '1 hour') AS SELECT k, v, w FROM a JOIN b USING (k);
CREATE FUNCTION check_rows(name text, query text) RETURNS TABLE (missing bigint, unexpected bigint) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('WITH answer AS (SELECT * FROM (%2$s) q WHERE at >= cq.watermark(%1$L::regclass) - interval ''20 s'') '
        'SELECT (SELECT count(*) FROM (TABLE answer EXCEPT ALL TABLE %1$I) x), (SELECT count(*) FROM (TABLE %1$I EXCEPT ALL TABLE answer) x)',
        name, query);
END
$$;
CREATE FUNCTION kept(view regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    part regclass;
    n bigint;
    total bigint := 0;
BEGIN
    FOR part IN SELECT p.relation FROM _cq.part p WHERE p.view = kept.view AND node > 0 LOOP
        EXECUTE format('SELECT count(*) FROM %s', part) INTO n;
        total := total + n;
    END LOOP;
    RETURN total;
END
$$;
-- The keeper may be at a view just now, and then it is left out.
CREATE FUNCTION expire(of_pairs bigint, of_self bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    is_due boolean := true;
BEGIN
    FOR i IN 1 .. 600 LOOP
        PERFORM _cq.expire_rows();
        SELECT bool_or(due) INTO is_due FROM (
            SELECT EXISTS (SELECT FROM pairs WHERE at < cq.watermark('pairs') - interval '20 s')
                OR EXISTS (SELECT FROM self WHERE at < cq.watermark('self') - interval '20 s')
                OR EXISTS (SELECT FROM both_ WHERE at < cq.watermark('both_') - interval '20 s')) AS x (due);
        is_due := is_due OR kept('pairs') > of_pairs OR kept('self') > of_self;
        EXIT WHEN NOT is_due;
        PERFORM pg_sleep(0.1);
    END LOOP;
    RETURN NOT is_due;
END
$$;
INSERT INTO a SELECT i % 3, i, at(i) FROM generate_series(0, 99) i;
INSERT INTO b SELECT i % 3, i, at(i) FROM generate_series(0, 99) i;
SELECT cq.wait('pairs'), cq.wait('self'), cq.wait('both_'), cq.wait('changed');
SELECT expire(75, 60);
SELECT * FROM check_rows('pairs', $$SELECT a.k, v, w, a.at FROM a JOIN b ON a.k = b.k AND b.at BETWEEN a.at - interval '3 s' AND a.at + interval '10 s'$$);
SELECT * FROM check_rows('self', $$SELECT x.k, x.v, y.v AS other, x.at FROM a x JOIN a y ON x.k = y.k AND y.at > x.at AND y.at <= x.at + interval '4 s'$$);
SELECT * FROM check_rows('both_', $$SELECT k, v, at FROM a UNION ALL SELECT k, w, at FROM b$$);
SELECT kept('pairs'), kept('self'), kept('both_'), kept('changed');
SELECT (SELECT count(*) FROM changed) = (SELECT count(*) FROM a JOIN b USING (k)) AS agrees;
-- Out of order, as far as it may be: what is needed is there still.
INSERT INTO b SELECT i % 3, i, at(i) FROM generate_series(80, 120) i;
INSERT INTO a SELECT i % 3, -i, at(i) FROM generate_series(78, 125) i;
SELECT cq.wait('pairs'), cq.wait('self'), cq.wait('both_');
SELECT expire(93, 68);
SELECT * FROM check_rows('pairs', $$SELECT a.k, v, w, a.at FROM a JOIN b ON a.k = b.k AND b.at BETWEEN a.at - interval '3 s' AND a.at + interval '10 s'$$);
SELECT * FROM check_rows('self', $$SELECT x.k, x.v, y.v AS other, x.at FROM a x JOIN a y ON x.k = y.k AND y.at > x.at AND y.at <= x.at + interval '4 s'$$);
SELECT * FROM check_rows('both_', $$SELECT k, v, at FROM a UNION ALL SELECT k, w, at FROM b$$);
SELECT kept('pairs'), kept('self');
-- What comes later than that is late, and counted.
INSERT INTO a VALUES (0, 1000, at(10)), (0, 1001, at(50)), (0, 1002, at(124));
INSERT INTO b VALUES (0, 1000, at(10)), (0, 1001, at(50)), (0, 1002, at(119));
SELECT cq.wait('pairs'), cq.wait('self'), cq.wait('both_');
SELECT expire(200, 200);
SELECT view, late_rows FROM cq.views WHERE view::text ~ 'pairs|self|both_' ORDER BY view::text;
SELECT * FROM check_rows('pairs', $$SELECT a.k, v, w, a.at FROM a JOIN b ON a.k = b.k AND b.at BETWEEN a.at - interval '3 s' AND a.at + interval '10 s'$$);
SELECT count(*) FROM pairs WHERE v >= 1000 OR w >= 1000;
SELECT * FROM check_rows('both_', $$SELECT k, v, at FROM a UNION ALL SELECT k, w, at FROM b$$);
-- What says nothing of when a row is of no use.
CREATE CONTINUOUS VIEW x WITH (retention = '20 s', retention_by = 'event_time') AS SELECT a.k, v, w, a.at FROM a JOIN b USING (k);
CREATE CONTINUOUS VIEW x WITH (retention = '20 s', retention_by = 'event_time') AS SELECT a.k, v, w FROM a JOIN b ON a.k = b.k AND b.at = a.at;
CREATE CONTINUOUS VIEW x WITH (retention = '20 s') AS SELECT DISTINCT k, v FROM a;
CREATE CONTINUOUS VIEW x WITH (retention = '20 s', retention_by = 'event_time') AS SELECT k, count(*) FROM a JOIN b USING (k) GROUP BY k;
CREATE CONTINUOUS VIEW x WITH (retention = '20 s') AS SELECT count(*) FROM a JOIN b USING (k);
CREATE CONTINUOUS VIEW x WITH (retention = '20 s') AS SELECT k, count(*) FROM a LEFT JOIN b USING (k) GROUP BY k;
CREATE CONTINUOUS VIEW x WITH (retention = '20 s') AS SELECT k, count(*) FROM a JOIN b USING (k) GROUP BY ROLLUP (k);
-- Groups go by change where rows are only added to them. One that comes again begins anew, with
-- what is kept of the streams.
CREATE FOREIGN TABLE c (k int, v int) SERVER cq_log;
CREATE FOREIGN TABLE d (k int, w int) SERVER cq_log;
CREATE CONTINUOUS VIEW counts WITH (retention = '1 day') AS
    SELECT k, count(*), sum(v * w), min(w) FROM c JOIN d USING (k) GROUP BY k HAVING count(*) > 0;
CREATE CONTINUOUS VIEW united
    WITH (retention = '1 day', changes = 'united_told', on_expire = 'delete') AS
    SELECT k, count(*) FROM (SELECT k FROM c UNION ALL SELECT k FROM d) x GROUP BY k;
CREATE CONTINUOUS VIEW above AS SELECT k, count FROM counts WHERE count > 1;
INSERT INTO c SELECT i % 4, i FROM generate_series(1, 12) i;
INSERT INTO d SELECT i % 3, i FROM generate_series(1, 9) i;
SELECT cq.wait('counts'), cq.wait('united'), cq.wait('above');
SELECT count(*) FROM (TABLE counts EXCEPT ALL
    SELECT k, count(*), sum(v * w), min(w) FROM c JOIN d USING (k) GROUP BY k) x;
SELECT * FROM counts ORDER BY k;
SELECT * FROM united ORDER BY k;
TABLE above ORDER BY k;
SELECT expires, retention_by FROM _cq.view WHERE view = 'counts'::regclass;
ALTER CONTINUOUS VIEW counts SET (retention = '1 us');
ALTER CONTINUOUS VIEW united SET (retention = '1 us');
CREATE FUNCTION all_gone() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 3000 LOOP
        PERFORM _cq.expire_rows();
        IF NOT EXISTS (TABLE counts) AND NOT EXISTS (TABLE united) AND NOT EXISTS (TABLE above) THEN
            RETURN true;
        END IF;
        PERFORM pg_sleep(0.02);
    END LOOP;
    RETURN false;
END
$$;
SELECT all_gone();
ALTER CONTINUOUS VIEW counts SET (retention = '1 day');
ALTER CONTINUOUS VIEW united SET (retention = '1 day');
INSERT INTO c VALUES (1, 100);
INSERT INTO d VALUES (5, 5);
SELECT cq.wait('counts'), cq.wait('united'), cq.wait('above');
SELECT * FROM counts ORDER BY k;
SELECT * FROM united ORDER BY k;
TABLE above ORDER BY k;
SELECT (old).k, count(*) AS deleted FROM united_told WHERE new IS NULL GROUP BY 1 ORDER BY 1;
DROP SCHEMA retention_nodes CASCADE;
