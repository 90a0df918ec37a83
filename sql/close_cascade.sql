-- emit = 'close' of windows over the bounds of other windows. A view has what the query gives as a
-- batch over rows that were not late, of windows whose end all watermarks have passed by the lag.
SET client_min_messages = warning;
CREATE SCHEMA close_cascade;
SET search_path = close_cascade;
CREATE FOREIGN TABLE a (k int, v int, at timestamptz) SERVER cq_log
    OPTIONS (event_time 'at', watermark '2 s');
CREATE FOREIGN TABLE b (k int, v int, at timestamptz) SERVER cq_log OPTIONS (event_time 'at');
-- lag: how far a start may lie behind the time of a row, where windows do not end on starts.
CREATE TABLE shape (name text, lag interval, query text);
INSERT INTO shape VALUES
    ('starts', '0', $$select y.window_end, max(n) as most, sum(n) as n from
        (select window_start, k, count(*) as n from a, cq.tumble(at, '10 s') group by 1, 2) x,
        cq.tumble(x.window_start, '30 s') y group by 1$$),
    ('ends', '0', $$select y.window_end, min(n) as least, sum(n) as n from
        (select window_end, k, count(*) as n from a, cq.tumble(at, '10 s') group by 1, 2) x,
        cq.tumble(x.window_end, '30 s') y group by 1$$),
    ('across', '10 s', $$select y.window_end, max(n) as most, sum(n) as n from
        (select window_start, k, count(*) as n from a, cq.tumble(at, '10 s') group by 1, 2) x,
        cq.tumble(x.window_start, '25 s') y group by 1$$),
    ('shifted', '10 s', $$select y.window_end, max(n) as most, sum(n) as n from
        (select window_start, k, count(*) as n from a, cq.tumble(at, '10 s') group by 1, 2) x,
        cq.tumble(x.window_start, '30 s', '2026-01-01 00:00:04Z') y group by 1$$),
    ('hops', '10 s', $$select y.window_end, max(n) as most, sum(n) as n from
        (select window_start, k, count(*) as n from a, cq.hop(at, '5 s', '15 s') group by 1, 2) x,
        cq.hop(x.window_start, '10 s', '30 s') y group by 1$$),
    ('hop_ends', '0', $$select y.window_end, max(n) as most, sum(n) as n from
        (select window_end, k, count(*) as n from a, cq.hop(at, '5 s', '15 s') group by 1, 2) x,
        cq.tumble(x.window_end, '30 s') y group by 1$$),
    ('cumulate', '0', $$select y.window_end, max(n) as most, sum(n) as n from
        (select window_end, k, count(*) as n from a, cq.cumulate(at, '5 s', '20 s')
         group by 1, 2) x,
        cq.cumulate(x.window_end, '20 s', '1 min') y group by 1$$),
    ('three', '0', $$select z.window_end, max(most) as most, count(*) as n from
        (select y.window_start, max(n) as most from
            (select window_start, k, count(*) as n from a, cq.tumble(at, '5 s') group by 1, 2) x,
            cq.tumble(x.window_start, '10 s') y group by 1) t,
        cq.tumble(t.window_start, '30 s') z group by 1$$),
    ('one_level', '0', $$select y.window_end, count(distinct v) as n
        from a, cq.tumble(at, '10 s') x, cq.tumble(x.window_start, '30 s') y group by 1$$),
    ('sums', '0', $$select y.window_end, k, count(*) as n, sum(v) as sum
        from a, cq.tumble(at, '10 s') x, cq.tumble(x.window_end, '30 s') y group by 1, 2$$),
    ('joined', '0', $$select z.window_end, count(*) as keys, sum(x.n * y.n) as n from
        (select window_start, k, count(*) as n from a, cq.tumble(at, '10 s') group by 1, 2) x join
        (select window_start, k, count(*) as n from b, cq.tumble(at, '10 s') group by 1, 2) y
            using (window_start, k), cq.tumble(x.window_start, '20 s') z group by 1$$),
    ('outer', '0', $$select z.window_end, count(*) as keys, sum(coalesce(m, 100)) as n from
        (select x.window_end, x.k, m from
        (select window_end, k, count(*) as n from a, cq.tumble(at, '10 s') group by 1, 2) x
        left join
        (select window_end, k, count(*) as m from b, cq.tumble(at, '10 s') group by 1, 2) y
            on y.window_end = x.window_end and y.k = x.k) j,
        cq.tumble(j.window_end, '20 s') z group by 1$$),
    ('both', '0', $$select z.window_end, sum(n) as n, max(n) as most from
        (select window_start, k, count(*) as n from a, cq.tumble(at, '10 s') group by 1, 2 union all
         select window_start, k, count(*) as n from b, cq.tumble(at, '10 s') group by 1, 2) x,
        cq.tumble(x.window_start, '20 s') z group by 1$$),
    ('top', '0', $$select window_end, k, n, place from (select y.window_end, k, n, row_number() over
            (partition by y.window_end order by n desc, k, x.window_start) as place from
        (select window_start, k, count(*) as n from a, cq.tumble(at, '10 s') group by 1, 2) x,
        cq.tumble(x.window_start, '30 s') y) t where place <= 2$$),
    ('within', '3 s', $$select z.window_end, max(n) as most, sum(n) as n from
        (select window_start, a.k, count(*) as n from a join b on a.k = b.k
             and b.at between a.at and a.at + interval '3 s', cq.tumble(a.at, '10 s')
         group by 1, 2) x,
        cq.tumble(x.window_start, '20 s') z group by 1$$);
DO $$
DECLARE
    s shape;
BEGIN
    FOR s IN TABLE shape LOOP
        EXECUTE format('CREATE VIEW %I WITH (continuous, emit = ''close'', late = ''keep'', '
            'changes = %L) AS %s', s.name || '_v', s.name || '_c', s.query);
    END LOOP;
END
$$;
CREATE VIEW raw_a AS SELECT *, row_number() OVER () - 1 AS o FROM a;
CREATE VIEW raw_b AS SELECT *, row_number() OVER () - 1 AS o FROM b;
-- The streams less the rows that are late for a view, as tables of these names; the query over
-- them.
CREATE FUNCTION wrong() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    s shape;
    n bigint;
    mine text;
BEGIN
    FOR s IN TABLE shape LOOP
        mine := s.name || '_v';
        PERFORM cq.wait(format('close_cascade.%I', mine)::regclass);
        EXECUTE format($q$
            CREATE TEMP TABLE a AS SELECT k, v, at FROM raw_a r WHERE NOT EXISTS
                (SELECT FROM cq.late l WHERE l.view = %1$L::regclass
                 AND l.stream = 'close_cascade.a'::regclass AND l."offset" = r.o);
            CREATE TEMP TABLE b AS SELECT k, v, at FROM raw_b r WHERE NOT EXISTS
                (SELECT FROM cq.late l WHERE l.view = %1$L::regclass
                 AND l.stream = 'close_cascade.b'::regclass AND l."offset" = r.o)$q$, mine);
        EXECUTE format('CREATE TEMP TABLE answer AS SELECT * FROM (%s) q WHERE window_end <= '
            'cq.watermark(%L::regclass) - %L::interval', s.query, mine, s.lag);
        EXECUTE format('SELECT count(*) FROM ((TABLE answer EXCEPT ALL TABLE %1$I) UNION ALL '
            '(TABLE %1$I EXCEPT ALL TABLE answer)) x', mine) INTO n;
        IF n > 0 THEN
            RETURN NEXT format('%s: %s rows', s.name, n);
        END IF;
        EXECUTE format('SELECT count(*) FROM ((SELECT (new).* FROM %2$I EXCEPT ALL TABLE %1$I) '
            'UNION ALL (TABLE %1$I EXCEPT ALL SELECT (new).* FROM %2$I)) x', mine, s.name || '_c')
            INTO n;
        IF n > 0 THEN
            RETURN NEXT format('%s: %s changes', s.name, n);
        END IF;
        DROP TABLE a, b, answer;
    END LOOP;
END
$$;
CREATE FUNCTION at(seconds float8) RETURNS timestamptz LANGUAGE sql AS
    $$SELECT '2026-01-01 00:00Z'::timestamptz + seconds * interval '1 s'$$;
-- Rows of some seconds, up to 9 s out of order: some of them are late.
CREATE PROCEDURE add_rows(first int, seconds int) LANGUAGE sql AS $$
    INSERT INTO a SELECT hashint4(i) & 3, hashint4(i + 7) & 15,
        at(first + i % seconds - (hashint4(i + first) & 1023) / 1024.0 * (i % 10))
    FROM generate_series(0, seconds - 1) i;
    INSERT INTO b SELECT hashint4(i + 3) & 3, hashint4(i + 9) & 15,
        at(first + i % seconds - (hashint4(i + first + 1) & 1023) / 1024.0 * (i % 4))
    FROM generate_series(0, seconds - 1) i
$$;
CALL add_rows(0, 40);
SELECT wrong();
CALL add_rows(40, 7);
CALL add_rows(47, 1);
SELECT wrong();
CALL add_rows(48, 62);
SELECT wrong();
-- What comes too late for some of them, and for others not.
INSERT INTO a SELECT 2, i, at(i * 2.7) FROM generate_series(0, 40) i;
INSERT INTO b SELECT 2, i, at(i * 2.7) FROM generate_series(0, 40) i;
SELECT wrong();
-- At the bounds, and just beside them.
INSERT INTO a SELECT 1, i, at(120 + i * 5 + e) FROM generate_series(0, 12) i,
    unnest('{-0.000001, 0, 0.000001}'::float8[]) e ORDER BY i, e;
INSERT INTO b SELECT 1, i, at(120 + i * 5 + e) FROM generate_series(0, 12) i,
    unnest('{-0.000001, 0, 0.000001}'::float8[]) e ORDER BY i, e;
SELECT wrong();
SELECT * FROM starts_v ORDER BY 1;
SELECT * FROM across_v ORDER BY 1;
SELECT cq.pause(format('close_cascade.%I', name || '_v')::regclass) FROM shape WHERE name = 'ends';
CALL add_rows(200, 33);
CALL add_rows(233, 50);
SELECT cq.resume('ends_v');
SELECT wrong();
-- Some were late.
SELECT name, (SELECT count(*) FROM cq.late l WHERE l.view = (name || '_v')::regclass) AS lates
FROM shape ORDER BY name;
-- What is kept is of windows that are open.
CREATE FUNCTION kept(OUT name text, OUT rows bigint) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    part regclass;
    n bigint;
BEGIN
    FOR name IN SELECT s.name FROM shape s ORDER BY 1 LOOP
        rows := 0;
        FOR part IN SELECT p.relation FROM _cq.part p
            WHERE p.view = format('close_cascade.%I', name || '_v')::regclass
            AND role IN ('input', 'output', 'state') LOOP
            EXECUTE format('SELECT count(*) FROM %s', part) INTO n;
            rows := rows + n;
        END LOOP;
        RETURN NEXT;
    END LOOP;
END
$$;
INSERT INTO a VALUES (0, 0, at(2000)), (0, 1, at(2001)), (0, 1, at(2100));
INSERT INTO b VALUES (0, 0, at(2000)), (0, 1, at(2001)), (0, 1, at(2100));
SELECT wrong();
SELECT * FROM kept();

-- Months too; but not the ends of sessions.
CREATE CONTINUOUS VIEW x WITH (emit = 'close') AS
    SELECT y.window_end, count(*) FROM
        (SELECT window_start, count(*) FROM a, cq.tumble(at, '1 month') GROUP BY 1) x,
        cq.tumble(x.window_start, '1 year') y GROUP BY 1;
CREATE CONTINUOUS VIEW x WITH (emit = 'close') AS
    SELECT y.window_end, count(*) FROM
        (SELECT s, count(*) FROM (SELECT *, cq.session(at, '5 s') OVER (ORDER BY at) AS s FROM a) q
         GROUP BY 1) x, cq.tumble(upper(x.s), '1 min') y GROUP BY 1;
DROP SCHEMA close_cascade CASCADE;
