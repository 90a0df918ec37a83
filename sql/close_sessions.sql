-- emit = 'close' of sessions in queries that keep what they read: over joins, sets, DISTINCT,
-- groups; grouped again, numbered, joined with one another. A view has what the query gives as a
-- batch over rows that were not late, of sessions whose end all watermarks have passed.
SET client_min_messages = warning;
CREATE SCHEMA close_sessions;
SET search_path = close_sessions;
CREATE FOREIGN TABLE a (id int, k text, v int, at timestamptz) SERVER cq_log
    OPTIONS (event_time 'at', watermark '3 s');
CREATE FOREIGN TABLE b (k text, w int, at timestamptz) SERVER cq_log
    OPTIONS (event_time 'at', watermark '1 s');

-- lag: how long a session waits after its end. In place of session: a column s that is the session
-- of k and at in a relation. e is the session's end.
CREATE TABLE shape (name text, lag interval, query text);
INSERT INTO shape VALUES
    ('each', '0', $$select id, s, upper(s) as e from session(select * from a)$$),
    ('ends', '0', $$select id, upper(s) as e from session(select * from a)$$),
    ('kinds', '0', $$select k, s, upper(s) as e, count(distinct v) as n,
        string_agg(v::text, ',' order by v, id) as vs
        from session(select * from a) group by k, s$$),
    ('having', '0', $$select k, upper(s) as e, lower(s) as since, count(distinct v) as n
        from session(select * from a) group by k, s having count(*) > 2$$),
    ('late_ends', '0', $$select upper(s) as e, count(*) as n, array_agg(id order by id) as ids
        from session(select * from a) group by upper(s)$$),
    ('some', '0', $$select k, s, upper(s) as e, count(distinct id) as n
        from session(select * from a) where v > 1 group by k, s$$),
    ('few', '0', $$select k, s, upper(s) as e, count(distinct id) as n
        from session(select * from a where v > 1 and k <> 'c') group by k, s$$),
    ('nth', '0', $$select id, upper(s) as e,
        row_number() over (partition by k, s order by at, id) as n,
        lag(id) over (partition by k, s order by at, id) as before
        from session(select * from a)$$),
    ('firsts', '0', $$select distinct on (s, k) k, s, upper(s) as e, id
        from session(select * from a) order by s, k, at, id$$),
    ('all_', '0', $$select s, upper(s) as e, max(n) as most, count(*) as keys from
        (select k, s, count(*) as n from session(select * from a) group by k, s) x group by s$$),
    ('sets', '0', $$select k, s, upper(s) as e, count(*) as n from
        session(select k, at from a union all select k, at from b) group by k, s$$),
    ('united', '0', $$select k, s, upper(s) as e, count(*) as n from
        session(select k, at from a union select k, at from b) group by k, s$$),
    ('joins', '5 s', $$select k, s, upper(s) as e, count(*) as n, sum(w) as w from
        session(select a.k, a.at, w from a join b
        on a.k = b.k and b.at between a.at and a.at + interval '5 s') group by k, s$$),
    ('self', '4 s', $$select k, s, upper(s) as e, count(*) as n from
        session(select x.k, x.at from a x join a y
        on x.k = y.k and y.at > x.at and y.at <= x.at + interval '4 s') group by k, s$$),
    ('outer', '5 s', $$select k, s, upper(s) as e, count(*) as n, count(w) as m from
        session(select a.k, a.at, w from a left join b
        on a.k = b.k and b.at between a.at and a.at + interval '5 s') group by k, s$$),
    ('alone', '4 s', $$select k, s, upper(s) as e, count(*) as n from
        session(select k, at from a where not exists
        (select from b where b.k = a.k and b.at between a.at and a.at + interval '4 s'))
        group by k, s$$),
    ('valid', '0', $$select k, s, upper(s) as e, sum(w) as w, count(*) as n from
        session(select a.k, a.at, w from a left join lateral
        (select w from b where b.k = a.k and b.at <= a.at order by b.at desc, w limit 1) x on true)
        group by k, s$$),
    ('uniq', '0', $$select k, s, upper(s) as e, count(*) as n from
        session(select distinct k, at from a) group by k, s$$),
    ('groups', '0', $$select k, s, upper(s) as e, count(*) as n, max(c) as c from
        session(select k, at, count(*) as c from a group by k, at) group by k, s$$),
    ('both_', '0', $$select k, s, upper(s) as e from session(select k, at from a)
        union all select k, s, upper(s) as e from session(select k, at from b)$$),
    ('meet', '0', $$select x.e, x.n, y.n as m from
        (select upper(s) as e, count(*) as n from session(select k, at from a) group by 1) x
        left join (select upper(s) as e, count(*) as n from session(select k, at from b)
        group by 1) y on x.e = y.e$$);
UPDATE shape SET query = regexp_replace(query,
    'session\((.*?)\)(?=\s+group|\s+where v|\s+order|\s+union all select k, s|$)',
    '(select *, cq.session(at, ''6 s'') over (partition by k order by at) as s '
    'from (\1) p) q', 'g');
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
-- The streams less the rows that are late for a view, as tables of these names; and the query.
CREATE FUNCTION wrong() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    s shape;
    n bigint;
    mine text;
BEGIN
    FOR s IN TABLE shape LOOP
        mine := s.name || '_v';
        PERFORM cq.wait(format('close_sessions.%I', mine)::regclass);
        EXECUTE format($q$
            CREATE TEMP TABLE a AS SELECT id, k, v, at FROM raw_a r WHERE NOT EXISTS
                (SELECT FROM cq.late l WHERE l.view = %1$L::regclass
                 AND l.stream = 'close_sessions.a'::regclass AND l."offset" = r.o);
            CREATE TEMP TABLE b AS SELECT k, w, at FROM raw_b r WHERE NOT EXISTS
                (SELECT FROM cq.late l WHERE l.view = %1$L::regclass
                 AND l.stream = 'close_sessions.b'::regclass AND l."offset" = r.o)$q$, mine);
        EXECUTE format('CREATE TEMP TABLE answer AS SELECT * FROM (%s) q WHERE e <= '
                       'cq.watermark(%L::regclass) - %L::interval', s.query, mine, s.lag);
        EXECUTE format('SELECT count(*) FROM ((TABLE answer EXCEPT ALL TABLE %1$I) UNION ALL '
                       '(TABLE %1$I EXCEPT ALL TABLE answer)) x', mine) INTO n;
        IF n > 0 THEN
            RETURN NEXT format('%s: %s rows', s.name, n);
        END IF;
        EXECUTE format('SELECT count(*) FROM ((SELECT (new).* FROM %2$I EXCEPT ALL TABLE %1$I) '
                       'UNION ALL (TABLE %1$I EXCEPT ALL SELECT (new).* FROM %2$I)) x', mine,
                       s.name || '_c') INTO n;
        IF n > 0 THEN
            RETURN NEXT format('%s: %s changes', s.name, n);
        END IF;
        DROP TABLE a, b, answer;
    END LOOP;
END
$$;
CREATE FUNCTION at(seconds float8) RETURNS timestamptz LANGUAGE sql AS
    $$SELECT '2026-01-01 00:00Z'::timestamptz + round(seconds::numeric, 1) * interval '1 s'$$;
-- Rows in some order around times that go on, with pauses; some come too late.
CREATE PROCEDURE go_on(first int, steps int) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN first .. first + steps - 1 LOOP
        INSERT INTO a SELECT i * 10 + j, chr(97 + (random() * 3)::int), random() * 4,
                             at(i * 3 + random() * 8 - 4)
            FROM generate_series(0, 3) j WHERE random() < 0.8;
        COMMIT;
        INSERT INTO b SELECT chr(97 + (random() * 3)::int), i * 10 + j,
                             at(i * 3 + random() * 6 - 4)
            FROM generate_series(0, 2) j WHERE random() < 0.6;
        COMMIT;
    END LOOP;
END
$$;
SELECT setseed(0.25);
INSERT INTO a VALUES (1, 'a', 3, at(1)), (2, 'a', 3, at(0)), (3, 'b', 3, at(2)), (4, 'a', 3, NULL),
    (5, NULL, 3, at(4)), (6, 'a', 1, at(12));
INSERT INTO b VALUES ('a', 10, at(0.5)), ('b', 20, at(4)), (NULL, 1, at(3)), ('a', 11, NULL);
SELECT wrong();
CALL go_on(4, 8);
SELECT wrong();
CALL go_on(12, 8);
SELECT wrong();
SELECT count(*) > 5 AS many FROM kinds_v;
SELECT count(*) > 2 AS many FROM outer_v;
SELECT count(*) > 2 AS many FROM cq.late WHERE view = 'outer_v'::regclass;
-- One session goes on and on, while others of its key's neighbours come and go.
DO $$
BEGIN
    FOR i IN 0 .. 8 LOOP
        INSERT INTO a VALUES (1000 + i, 'z', 2, at(100 + i * 5)),
            (2000 + i, 'y', 2, at(100 + i * 9));
        INSERT INTO b VALUES ('z', i, at(100 + i * 5)), ('y', i, at(100 + i * 9));
        COMMIT;
    END LOOP;
END
$$;
SELECT wrong();
-- What is kept is of sessions that are open.
INSERT INTO a VALUES (1, 'q', 2, at(500)), (2, 'q', 2, at(501));
INSERT INTO b VALUES ('q', 1, at(500)), ('q', 2, at(501));
SELECT wrong();
CREATE FUNCTION kept(OUT name text, OUT rows bigint) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    part regclass;
    n bigint;
BEGIN
    FOR name IN SELECT s.name FROM shape s ORDER BY 1 LOOP
        rows := 0;
        FOR part IN SELECT p.relation FROM _cq.part p
            WHERE p.view = format('close_sessions.%I', name || '_v')::regclass
            AND role IN ('input', 'output', 'state') LOOP
            EXECUTE format('SELECT count(*) FROM %s', part) INTO n;
            rows := rows + n;
        END LOOP;
        RETURN NEXT;
    END LOOP;
END
$$;
SELECT * FROM kept() WHERE name <> 'valid';
-- Rows of before are late, and touch nothing.
INSERT INTO a VALUES (9, 'z', 0, at(160)), (9, 'q', 1, at(497.9)), (9, 'q', 0, at(520));
INSERT INTO b VALUES ('z', 0, at(160)), ('q', 1, at(499.9)), ('q', 0, at(520));
SELECT wrong();
-- With retention.
CREATE CONTINUOUS VIEW kept_for WITH (emit = 'close', retention = '1 min') AS
    SELECT k, upper(s) AS e, count(DISTINCT v) AS n
    FROM (SELECT *, cq.session(at, '6 s') OVER (PARTITION BY k ORDER BY at) AS s FROM a) q
    GROUP BY k, s;
SELECT cq.wait('kept_for');
DO $$
BEGIN
    FOR i IN 1 .. 3000 LOOP
        PERFORM _cq.expire_rows();
        EXIT WHEN (SELECT min(e) FROM kept_for) >= at(457);
        COMMIT;
        PERFORM pg_sleep(0.02);
    END LOOP;
END
$$;
SELECT k, e AT TIME ZONE 'UTC' AS e, n FROM kept_for;
-- What cannot be.
CREATE CONTINUOUS VIEW x WITH (emit = 'close') AS SELECT k, s, count(DISTINCT v)
    FROM (SELECT k, v, cq.session(at + interval '1 s', '6 s')
        OVER (PARTITION BY k ORDER BY at + interval '1 s') AS s FROM a) q
    GROUP BY k, s;
CREATE CONTINUOUS VIEW x WITH (emit = 'close') AS SELECT k, count(DISTINCT v)
    FROM (SELECT k, v, cq.session(at, '6 s') OVER (PARTITION BY k ORDER BY at) AS s FROM a) q
    GROUP BY k;
CREATE CONTINUOUS VIEW x WITH (emit = 'close') AS
    SELECT k, s, at, row_number() OVER (PARTITION BY k ORDER BY at)
    FROM (SELECT k, at, cq.session(at, '6 s') OVER (PARTITION BY k ORDER BY at) AS s FROM a) q;
CREATE CONTINUOUS VIEW x WITH (emit = 'close') AS
    SELECT k, cq.session(at, '6 s') OVER (PARTITION BY k ORDER BY at) AS s,
        row_number() OVER (PARTITION BY k ORDER BY at) FROM a;
CREATE CONTINUOUS VIEW x WITH (emit = 'close') AS SELECT k, t, count(*)
    FROM (SELECT k, cq.session(at, '20 s') OVER (PARTITION BY k ORDER BY at) AS t FROM
        (SELECT k, at, cq.session(at, '6 s') OVER (PARTITION BY k ORDER BY at) AS s FROM a) q) r
    GROUP BY k, t;
CREATE CONTINUOUS VIEW x WITH (emit = 'close') AS SELECT k, s, count(*)
    FROM (SELECT k, cq.session(at, '6 s') OVER (PARTITION BY k ORDER BY at) AS s FROM
        (SELECT coalesce(a.k, b.k) AS k, coalesce(a.at, b.at) AS at FROM a FULL JOIN b
         ON a.k = b.k AND b.at BETWEEN a.at AND a.at + interval '5 s') p) q GROUP BY k, s;
DROP SCHEMA close_sessions CASCADE;
