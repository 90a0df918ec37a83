-- emit = 'close' of rows that are of no window: each is told once, when the watermark has passed
-- its time and nothing can come any more that it would be another one with. So joins wait for what
-- is valid at a time, and outer ones for what does not come. A view has what the query gives as a
-- batch over rows that were not late, up to the watermark.
SET client_min_messages = warning;
CREATE SCHEMA gate;
SET search_path = gate;
CREATE FOREIGN TABLE a (id int, k int, v int, at timestamptz) SERVER cq_log
    OPTIONS (event_time 'at', watermark '3 s');
CREATE FOREIGN TABLE b (k int, w int, kind text, at timestamptz) SERVER cq_log
    OPTIONS (event_time 'at', watermark '1 s');

-- lag: how long a row waits after its time.
CREATE TABLE shape (name text, lag interval, query text);
INSERT INTO shape VALUES
    ('asof', '0', $$select id, a.at, w from a left join lateral
        (select w from b where b.k = a.k and b.at <= a.at
         order by b.at desc, w limit 1) x on true$$),
    ('asofi', '0', $$select id, a.at, x.* from a, lateral
        (select w, b.at as since from b where a.k = b.k and a.at >= b.at
         order by b.at desc, w limit 1) x$$),
    ('asofs', '0', $$select id, at,
        (select w from b where b.k = a.k and b.at < a.at
         order by b.at desc, w limit 1) as w from a$$),
    ('asofk', '0', $$select id, a.at, w, kind from a left join lateral
        (select w, kind from b where b.k = a.k and b.at <= a.at and kind <> 'x' and w % 5 <> a.v
         order by b.at desc, w limit 1) x on v > 1$$),
    ('asoff', '0', $$select id, a.at, w from a left join lateral
        (select w from (select * from b where kind = 'y' and w % 2 = 0) b
         where b.k = a.k and b.at <= a.at
         order by b.at desc, w limit 1) x on true$$),
    ('asoft', '0', $$select id, a.at, w from a, lateral
        (select w from b where b.k = a.k and b.at <= a.at and b.at > a.at - interval '20 s'
         order by b.at desc fetch first row with ties) x$$),
    ('asofg', '0', $$select a.at, count(*) as n, sum(w) as w from a left join lateral
        (select w from b where b.at <= a.at
         order by b.at desc, w limit 1) x on true group by a.at$$),
    ('asofp', '5 s', $$select id, a.at, w from a left join lateral
        (select w from b where b.k = a.k and b.at <= a.at + interval '5 s'
         order by b.at desc, w limit 1) x on true$$),
    ('asof2', '0', $$select id, a.at, x.w, y.w as before from a left join lateral
        (select w, b.at from b where b.k = a.k and b.at <= a.at
         order by b.at desc, w limit 1) x on true
        left join lateral
        (select w from b where b.k = a.k and b.at < a.at and b.w <> x.w
         order by b.at desc, w limit 1) y on true$$),
    ('own', '0', $$select id, at, (select id from a b where b.k = a.k and b.at < a.at
        order by b.at desc, id limit 1) as before from a$$),
    ('last', '0', $$select id, a.at, n from a, lateral
        (select count(*) as n from b
         where b.k = a.k and b.at between a.at - interval '5 s' and a.at) x$$),
    ('ex', '4 s', $$select id, at from a where exists
        (select from b where b.k = a.k and b.at between a.at and a.at + interval '4 s')$$),
    ('nex', '4 s', $$select id, at from a where not exists
        (select from b where b.k = a.k and b.at between a.at and a.at + interval '4 s')$$),
    ('left', '4 s', $$select a.id, a.at, w from a left join b
        on a.k = b.k and b.at between a.at and a.at + interval '4 s' and v > 1$$),
    ('right', '2 s', $$select a.id, b.at, w from a right join b
        on a.k = b.k and b.at between a.at - interval '2 s' and a.at + interval '4 s'$$),
    ('full', '4 s', $$select id, coalesce(a.at, b.at) as at, w from a full join b
        on a.k = b.k and b.at between a.at - interval '2 s' and a.at + interval '4 s'$$),
    ('inner', '4 s', $$select id, a.at, w from a join b
        on a.k = b.k and b.at between a.at and a.at + interval '4 s'$$),
    ('three', '7 s', $$select a.id, b.at, b.w, c.w as other from a
        join b on a.k = b.k and b.at between a.at - interval '3 s' and a.at
        join b c on c.k = a.k and c.at between a.at and a.at + interval '4 s'$$),
    ('rows', '0', $$select id, at, v * 2 as v from a where v > 2$$),
    ('un', '0', $$select k, at from a union all select k, at from b$$),
    ('dist', '0', $$select distinct k, at from a$$),
    ('exc', '0', $$select k, at from a except select k, at from b$$),
    ('nth', '0', $$select id, at, row_number() over (partition by at, k order by id) as n from a$$),
    ('of', '0', $$select at, count(*) as n from a group by at$$),
    ('oneof', '0', $$select id, window_end from a, cq.tumble(at, '10 s')$$),
    ('wleft', '4 s', $$select window_end, count(*) as n, count(w) as m, sum(w) as sum
        from a left join b
        on a.k = b.k and b.at between a.at and a.at + interval '4 s', cq.tumble(a.at, '10 s')
        group by window_end$$),
    ('wasof', '0', $$select window_end, x.w, count(*) as n from a left join lateral
        (select w from b where b.k = a.k and b.at <= a.at
         order by b.at desc, w limit 1) x on true,
        cq.tumble(a.at, '10 s') group by window_end, x.w$$);
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
-- By key, be it in an outer join; what stays for each of them is bounded.
SELECT count(*) FROM cq.explain('asof_v') AS line
WHERE line::text ~ 'Kept by: k$|newest row before the watermark';
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
        PERFORM cq.wait(format('gate.%I', mine)::regclass);
        EXECUTE format($q$
            CREATE TEMP TABLE a AS SELECT id, k, v, at FROM raw_a r WHERE NOT EXISTS
                (SELECT FROM cq.late l WHERE l.view = %1$L::regclass
                 AND l.stream = 'gate.a'::regclass AND l."offset" = r.o);
            CREATE TEMP TABLE b AS SELECT k, w, kind, at FROM raw_b r WHERE NOT EXISTS
                (SELECT FROM cq.late l WHERE l.view = %1$L::regclass
                 AND l.stream = 'gate.b'::regclass AND l."offset" = r.o)$q$, mine);
        EXECUTE format('CREATE TEMP TABLE answer AS SELECT * FROM (%s) q WHERE %s '
                       'cq.watermark(%L::regclass) - %L::interval', s.query,
                       CASE WHEN s.query ~ 'window_end' THEN 'window_end <=' ELSE 'at <' END, mine,
                       s.lag);
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
-- Rows in some order around times that go on; some come too late.
CREATE PROCEDURE go_on(first int, steps int) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN first .. first + steps - 1 LOOP
        INSERT INTO a SELECT i * 10 + j, random() * 3, random() * 4, at(i * 2 + random() * 8 - 4)
            FROM generate_series(0, 4) j WHERE random() < 0.9;
        COMMIT;
        INSERT INTO b SELECT random() * 3, i * 10 + j, substr('xyz', 1 + (random() * 2)::int, 1),
                             at(i * 2 + random() * 6 - 4)
            FROM generate_series(0, 2) j WHERE random() < 0.7;
        COMMIT;
    END LOOP;
END
$$;
SELECT setseed(0.25);
INSERT INTO a VALUES (1, 1, 3, at(1)), (2, 1, 3, at(0)), (3, 2, 3, at(2)), (4, 1, 3, NULL),
    (5, 1, 3, at(9));
-- Nothing is told before both streams have come so far, but of one.
SELECT wrong();
SELECT (SELECT count(*) FROM rows_v) AS of_one, (SELECT count(*) FROM asof_v) AS of_both;
INSERT INTO b VALUES (1, 10, 'y', at(0.5)), (2, 20, 'y', at(4)), (1, 11, 'y', NULL);
SELECT wrong();
SELECT id, w FROM asof_v;
SELECT id, w FROM left_v;
CALL go_on(5, 20);
SELECT wrong();
-- They are told in the order of their times.
SELECT count(*) > 50 AS many, count(*) FILTER (WHERE at < before) AS earlier
FROM (SELECT (new).at, lag((new).at) OVER () AS before FROM asof_c) x;
SELECT count(*) > 5 AS many FROM cq.late WHERE view = 'asof_v'::regclass;
-- What is kept is of rows that wait, and one version of each key before them.
INSERT INTO a VALUES (0, 0, 0, at(500)), (1, 1, 1, at(501));
INSERT INTO b VALUES (0, 0, 'y', at(500)), (0, 1, 'y', at(501));
SELECT wrong();
CREATE FUNCTION kept(OUT name text, OUT rows bigint) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    part regclass;
    n bigint;
BEGIN
    FOR name IN SELECT s.name FROM shape s ORDER BY 1 LOOP
        rows := 0;
        FOR part IN SELECT p.relation FROM _cq.part p
            WHERE p.view = format('gate.%I', name || '_v')::regclass
            AND role IN ('input', 'output', 'state') LOOP
            EXECUTE format('SELECT count(*) FROM %s', part) INTO n;
            rows := rows + n;
        END LOOP;
        RETURN NEXT;
    END LOOP;
END
$$;
SELECT * FROM kept() WHERE name NOT IN ('own', 'asofp', 'asofk', 'asof2');
-- Late rows go on to be late for what is kept no more.
INSERT INTO a VALUES (9, 0, 0, at(400)), (9, 1, 1, at(496.9)), (9, 0, 0, at(520));
INSERT INTO b VALUES (0, 0, 'y', at(400)), (0, 1, 'y', at(499.9)),
    (0, 1, 'y', '-infinity'), (0, 1, 'y', at(520));
SELECT wrong();
DROP SCHEMA gate CASCADE;
