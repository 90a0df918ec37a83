-- emit = 'close' of queries that keep what they read: windows over joins, set operations, aggregates
-- without a combine function, Top-N. A view has what the query gives as a batch over rows that were
-- not late, of windows whose end all watermarks have passed.
SET client_min_messages = warning;
CREATE SCHEMA close_nodes;
SET search_path = close_nodes;
CREATE FOREIGN TABLE a (k int, v int, at timestamptz) SERVER cq_log OPTIONS (event_time 'at', watermark '2 s');
CREATE FOREIGN TABLE b (k int, w int, at timestamptz) SERVER cq_log OPTIONS (event_time 'at');

CREATE TABLE shape (name text, lag interval, query text);
INSERT INTO shape VALUES
    ('cd', '0', $$select window_end, k, count(distinct v) as n, string_agg(v::text, ',' order by v) as vs
            from a, cq.tumble(at, '10 s') group by window_end, k$$),
    ('hop', '0', $$select window_start, count(distinct v) as n from a, cq.hop(at, '5 s', '10 s') group by window_start$$),
    ('cum', '0', $$select window_end, count(distinct v) as n from a, cq.cumulate(at, '5 s', '20 s') group by window_end$$),
    ('top', '0', $$select * from (select window_end, k, sum(v) as sum, row_number() over
            (partition by window_end order by sum(v) desc, k) as n
            from a, cq.tumble(at, '10 s') group by window_end, k) x where n <= 2$$),
    ('wj', '0', $$select x.window_end, k, x.n, y.n as m
            from (select window_end, k, count(*) as n from a, cq.tumble(at, '10 s') group by 1, 2) x
            join (select window_end, k, count(*) as n from b, cq.tumble(at, '10 s') group by 1, 2) y using (window_end, k)$$),
    ('wl', '0', $$select x.window_start, x.k, x.n, y.n as m
            from (select window_start, k, count(*) as n from a, cq.tumble(at, '10 s') group by 1, 2) x
            left join (select window_start, k, count(*) as n from b, cq.tumble(at, '10 s') group by 1, 2) y
            on y.window_start = x.window_start and x.k = y.k$$),
    ('wf', '0', $$select window_end, k, x.n, y.n as m
            from (select window_end, k, count(*) as n from a, cq.tumble(at, '10 s') group by 1, 2) x
            full join (select window_end, k, count(*) as n from b, cq.tumble(at, '10 s') group by 1, 2) y using (window_end, k)$$),
    ('rows', '0', $$select x.window_end, count(*) as n, sum(v * w) as sum
            from (select a.*, window_end from a, cq.tumble(at, '10 s')) x
            join (select b.*, window_end from b, cq.tumble(at, '10 s')) y using (window_end, k) group by x.window_end$$),
    ('iv', '5 s', $$select window_end, count(*) as n, sum(w) as sum
            from a join b on a.k = b.k and b.at between a.at and a.at + interval '5 s', cq.tumble(a.at, '10 s')
            group by window_end$$),
    ('ivb', '3 s', $$select window_end, a.k, count(*) as n
            from a join b on a.k = b.k and a.at >= b.at - interval '3 s' and b.at >= a.at - interval '3 s', cq.tumble(b.at, '10 s')
            group by window_end, a.k$$),
    ('un', '0', $$select window_end, k, count(*) as n from (select k, at from a union all select k, at from b) x,
            cq.tumble(at, '10 s') group by window_end, k$$),
    ('ex', '0', $$select window_end, k from a, cq.tumble(at, '10 s') except select window_end, k from b, cq.tumble(at, '10 s')$$),
    ('gg', '0', $$select window_end, max(n) as most, count(*) as keys from (select window_end, k, count(*) as n
            from a, cq.tumble(at, '10 s') group by window_end, k) x group by window_end$$);
DO $$
DECLARE
    s shape;
BEGIN
    FOR s IN TABLE shape LOOP
        EXECUTE format('CREATE VIEW %I WITH (continuous, emit = ''close'', late = ''keep'', changes = %L) AS %s', s.name || '_v', s.name || '_c', s.query);
    END LOOP;
END
$$;
-- The streams less the rows that are late for a view, as tables of these names; the query over them.
CREATE FUNCTION wrong() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    s shape;
    n bigint;
    mine text;
BEGIN
    FOR s IN TABLE shape LOOP
        mine := s.name || '_v';
        PERFORM cq.wait(format('close_nodes.%I', mine)::regclass);
        EXECUTE format($q$
            CREATE TEMP TABLE a AS SELECT k, v, at FROM raw_a r WHERE NOT EXISTS
                (SELECT FROM cq.late l WHERE l.view = %1$L::regclass AND l.stream = 'close_nodes.a'::regclass AND l."offset" = r.o);
            CREATE TEMP TABLE b AS SELECT k, w, at FROM raw_b r WHERE NOT EXISTS
                (SELECT FROM cq.late l WHERE l.view = %1$L::regclass AND l.stream = 'close_nodes.b'::regclass AND l."offset" = r.o)$q$, mine);
        EXECUTE format('CREATE TEMP TABLE answer AS SELECT * FROM (%s) q WHERE %s <= cq.watermark(%L::regclass) - %L::interval', s.query,
            CASE WHEN s.query ~ '^select (x[.])?window_start' THEN 'window_start + interval ''10 s''' ELSE 'window_end' END, mine, s.lag);
        EXECUTE format('SELECT count(*) FROM ((TABLE answer EXCEPT ALL TABLE %1$I) UNION ALL (TABLE %1$I EXCEPT ALL TABLE answer)) x', mine) INTO n;
        IF n > 0 THEN
            RETURN NEXT format('%s: %s rows', s.name, n);
        END IF;
        EXECUTE format('SELECT count(*) FROM ((SELECT (new).* FROM %2$I EXCEPT ALL TABLE %1$I) UNION ALL (TABLE %1$I EXCEPT ALL SELECT (new).* FROM %2$I)) x', mine, s.name || '_c') INTO n;
        IF n > 0 THEN
            RETURN NEXT format('%s: %s changes', s.name, n);
        END IF;
        DROP TABLE a, b, answer;
    END LOOP;
END
$$;
CREATE VIEW raw_a AS SELECT *, row_number() OVER () - 1 AS o FROM a;
CREATE VIEW raw_b AS SELECT *, row_number() OVER () - 1 AS o FROM b;
CREATE FUNCTION at(seconds float8) RETURNS timestamptz LANGUAGE sql AS
    $$SELECT '2026-01-01 00:00Z'::timestamptz + seconds * interval '1 s'$$;
INSERT INTO a SELECT i % 3, i % 7, at(i) FROM generate_series(0, 29) i;
-- Nothing is closed before both streams have come so far.
SELECT wrong();
SELECT (SELECT count(*) FROM cd_v) AS of_one, (SELECT count(*) FROM wj_v) AS of_both;
INSERT INTO b SELECT i % 4, i, at(i * 1.5) FROM generate_series(0, 10) i;
SELECT wrong();
SELECT (SELECT count(*) FROM cd_v) AS of_one, (SELECT count(*) FROM wj_v) AS of_both;
SELECT * FROM wf_v ORDER BY 1, 2;
-- Late rows: of either stream, by its own watermark.
INSERT INTO a VALUES (0, 1, at(3)), (1, 1, at(15)), (2, 1, at(27.5)), (1, 1, NULL), (2, 2, at(41)), (0, 9, at(29)), (0, 8, at(38));
INSERT INTO b VALUES (0, 1, at(9)), (1, 1, at(14)), (1, 1, at(31)), (2, 1, at(21)), (2, 1, at(27)), (0, 1, at(26)), (0, 1, at(29)), (2, 1, at(44));
SELECT wrong();
SELECT view, stream, count(*) FROM cq.late GROUP BY 1, 2 ORDER BY view::text, stream::text;
INSERT INTO a SELECT i % 3, i % 7, at(40 + i) FROM generate_series(0, 60) i;
INSERT INTO b SELECT i % 4, i, at(40 + i) FROM generate_series(0, 50) i;
SELECT wrong();
SELECT (SELECT count(*) FROM cd_v) AS of_one, (SELECT count(*) FROM wj_v) AS of_both, (SELECT count(*) FROM iv_v) AS bound;
-- What is kept is of windows that are open, or may be of use for those.
CREATE FUNCTION kept(OUT name text, OUT rows bigint) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    part regclass;
    n bigint;
BEGIN
    FOR name IN SELECT s.name FROM shape s ORDER BY 1 LOOP
        rows := 0;
        FOR part IN SELECT p.relation FROM _cq.part p WHERE p.view = format('close_nodes.%I', name || '_v')::regclass
            AND role IN ('input', 'output', 'state') LOOP
            EXECUTE format('SELECT count(*) FROM %s', part) INTO n;
            rows := rows + n;
        END LOOP;
        RETURN NEXT;
    END LOOP;
END
$$;
SELECT * FROM kept();
INSERT INTO a SELECT i % 3, i % 7, at(1000 + i % 2) FROM generate_series(0, 600) i;
INSERT INTO b SELECT i % 4, i, at(1000 + i % 2) FROM generate_series(0, 600) i;
SELECT wrong();
INSERT INTO a VALUES (0, 0, at(2000)), (0, 1, at(2001));
INSERT INTO b VALUES (0, 0, at(2000)), (0, 1, at(2001));
SELECT wrong();
SELECT * FROM kept();
-- Late rows go on to be late for what is kept no more.
INSERT INTO a VALUES (0, 0, at(1000)), (0, 0, at(1975)), (0, 0, at(1996.5)), (0, 0, at(2030));
INSERT INTO b VALUES (0, 0, at(1000)), (0, 0, at(1975)), (0, 0, at(1996.5)), (0, 0, at(2030));
SELECT wrong();

-- An origin may be anything that does not change, under the settings of CREATE.
SET timezone = 'Europe/Berlin';
CREATE CONTINUOUS VIEW day WITH (emit = 'close') AS
    SELECT window_end, count(*) AS n FROM a, cq.tumble(at, '10 min', date '2026-01-01') GROUP BY window_end;
CREATE CONTINUOUS VIEW day_nodes WITH (emit = 'close') AS
    SELECT window_end, count(DISTINCT k) AS n FROM a, cq.hop(at, '5 min', '10 min', '2026-01-01'::timestamptz + interval '1 min') GROUP BY window_end;
RESET timezone;
SELECT cq.wait('day'), cq.wait('day_nodes');
SELECT * FROM day ORDER BY window_end;
SELECT * FROM day_nodes ORDER BY window_end;

-- Windows that are retained for a time.
CREATE TABLE retained (name text, query text);
INSERT INTO retained VALUES
    ('rj', $$select x.window_end, k, x.n, y.n as m
            from (select window_end, k, count(*) as n from a, cq.tumble(at, '10 s') group by 1, 2) x
            left join (select window_end, k, count(*) as n from b, cq.tumble(at, '10 s') group by 1, 2) y using (window_end, k)$$),
    ('rd', $$select window_end, count(distinct k) as n from a, cq.hop(at, '5 s', '10 s') group by window_end$$);
DO $$
DECLARE
    s retained;
BEGIN
    FOR s IN TABLE retained LOOP
        EXECUTE format('CREATE VIEW %I WITH (continuous, retention = ''1 min'', late = ''keep'') AS %s', s.name || '_v', s.query);
    END LOOP;
END
$$;
SELECT cq.wait('rj_v'), cq.wait('rd_v');
SELECT * FROM rj_v ORDER BY window_end, k;
SELECT * FROM rd_v ORDER BY window_end;
INSERT INTO a SELECT i % 3, i, at(2040 + i) FROM generate_series(0, 90) i;
INSERT INTO b SELECT i % 3, i, at(2040 + i) FROM generate_series(0, 40) i;
INSERT INTO a VALUES (1, 1, at(2060)), (1, 1, at(2100));
SELECT cq.wait('rj_v'), cq.wait('rd_v');
SELECT * FROM rj_v WHERE k = 1 ORDER BY window_end, k;
SELECT * FROM rd_v ORDER BY window_end;

-- What windows cannot be closed of, and what to write instead.
CREATE FOREIGN TABLE timeless (k int, v int) SERVER cq_log;
CREATE FOREIGN TABLE ups (key text OPTIONS (metadata 'key'), k int, at timestamptz) SERVER cq_log OPTIONS (mode 'upsert', event_time 'at');
CREATE CONTINUOUS VIEW x WITH (emit = 'close') AS
    SELECT window_end, count(*) FROM a JOIN b USING (k), cq.tumble(a.at, '10 s') GROUP BY window_end;
CREATE CONTINUOUS VIEW x WITH (emit = 'close') AS
    SELECT window_end, count(*) FROM a JOIN b ON b.k = a.k AND b.at > a.at, cq.tumble(b.at, '10 s') GROUP BY window_end;
DROP VIEW x;
CREATE CONTINUOUS VIEW x WITH (emit = 'close') AS
    SELECT window_end, count(*) FROM a JOIN b ON b.k = a.k AND b.at > a.at, cq.tumble(a.at, '10 s') GROUP BY window_end;
CREATE CONTINUOUS VIEW x WITH (emit = 'close') AS
    SELECT x.window_end, n, m FROM (SELECT window_end, count(*) AS n FROM a, cq.tumble(at, '10 s') GROUP BY 1) x
    JOIN (SELECT window_end, count(*) AS m FROM b, cq.tumble(at, '5 s') GROUP BY 1) y USING (window_end);
CREATE CONTINUOUS VIEW x WITH (emit = 'close') AS
    SELECT window_end, count(*) FROM a JOIN timeless USING (k), cq.tumble(at, '10 s') GROUP BY window_end;
CREATE CONTINUOUS VIEW x WITH (emit = 'close') AS
    SELECT window_end, count(DISTINCT k) FROM ups, cq.tumble(at, '10 s') GROUP BY window_end;
CREATE CONTINUOUS VIEW x WITH (emit = 'close') AS
    SELECT count(DISTINCT k) FROM a, cq.tumble(at, '10 s') GROUP BY window_end;
CREATE CONTINUOUS VIEW x WITH (emit = 'close') AS
    SELECT window_end, n, lag(n) OVER (ORDER BY window_end) FROM
    (SELECT window_end, count(DISTINCT k) AS n FROM a, cq.tumble(at, '10 s') GROUP BY 1) x;
CREATE CONTINUOUS VIEW x WITH (emit = 'close') AS
    SELECT window_end, count(DISTINCT k) AS n FROM a, cq.tumble(at, '10 s') GROUP BY 1 ORDER BY 1 LIMIT 3;
CREATE CONTINUOUS VIEW x WITH (emit = 'close') AS
    SELECT window_end, count(DISTINCT k) AS n FROM a, cq.tumble(at, '10 s') WHERE k IN (SELECT k FROM b) GROUP BY 1;
CREATE CONTINUOUS VIEW x WITH (emit = 'close') AS
    SELECT window_end, a.k FROM a JOIN b ON b.k = a.k AND b.at > a.at, cq.tumble(a.at, '10 s');
CREATE CONTINUOUS VIEW x WITH (emit = 'close') AS
    SELECT k, at, (SELECT w FROM b WHERE b.k = a.k ORDER BY at DESC LIMIT 1) FROM a;
CREATE CONTINUOUS VIEW x WITH (emit = 'close') AS
    SELECT k, (SELECT w FROM b WHERE b.k = a.k AND b.at <= a.at ORDER BY at DESC LIMIT 1) FROM a;
CREATE CONTINUOUS VIEW x WITH (emit = 'close') AS
    SELECT a.k, b.at FROM a LEFT JOIN b ON b.k = a.k AND b.at >= a.at AND a.at >= b.at;
CREATE CONTINUOUS VIEW x WITH (emit = 'close') AS
    SELECT a.k, a.at FROM a FULL JOIN b ON b.k = a.k AND b.at >= a.at AND a.at >= b.at;
CREATE CONTINUOUS VIEW x WITH (emit = 'close', late = 'amend') AS
    SELECT count(DISTINCT k) AS n, window_end FROM a, cq.tumble(at, '10 s') GROUP BY 2;
CREATE CONTINUOUS VIEW x WITH (retention = '1 min') AS SELECT a.k, b.w FROM a JOIN b USING (k);
DROP SCHEMA close_nodes CASCADE;
