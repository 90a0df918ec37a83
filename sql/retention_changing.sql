-- retention of rows that nodes make and change, by their event time, and of sessions: what is too
-- old goes from sight, and from what is kept. A view has what the query gives as a batch over rows
-- that were not late, of the time that is retained; so has a table that is told what expires.
SET client_min_messages = warning;
CREATE SCHEMA retention_changing;
SET search_path = retention_changing;
CREATE FOREIGN TABLE a (id int, k text, v int, at timestamptz) SERVER cq_log
    OPTIONS (event_time 'at', watermark '3 s');
CREATE FOREIGN TABLE b (k text, w int, at timestamptz) SERVER cq_log
    OPTIONS (event_time 'at', watermark '1 s');
CREATE TABLE shape (name text, lag interval, stays text, query text);
INSERT INTO shape VALUES
    ('outer_', '5 s', 'at >= since', $$select id, a.k, a.at, w from a left join b
        on a.k = b.k and b.at between a.at and a.at + interval '5 s'$$),
    ('alone', '4 s', 'at >= since', $$select id, k, at from a where not exists
        (select from b where b.k = a.k and b.at between a.at and a.at + interval '4 s')$$),
    ('valid', '0', 'at >= since', $$select id, a.at, w from a left join lateral
        (select w from b where b.k = a.k and b.at <= a.at order by b.at desc, w limit 1) x
        on true$$),
    ('uniq', '0', 'at >= since', $$select distinct k, at from a$$),
    ('times', '0', 'at >= since', $$select at, k, count(distinct v) as n from a group by at, k$$),
    ('visits', '0', 'e > since', $$select k, upper(s) as e, count(distinct id) as n from
        (select *, cq.session(at, '6 s') over (partition by k order by at) as s from a) q
        group by k, s$$),
    ('rows_', '0', 'upper(s) > since', $$select id, s from
        (select *, cq.session(at, '6 s') over (partition by k order by at) as s from a) q$$);
DO $$
DECLARE
    s shape;
BEGIN
    FOR s IN TABLE shape LOOP
        EXECUTE format('CREATE TABLE %I AS %s WITH NO DATA', s.name || '_t', s.query);
        EXECUTE format('CREATE VIEW %I WITH (continuous, retention = ''20 s'', late = ''keep'', '
                       'retention_by = ''event_time'', sink = %L, on_expire = ''delete'') AS %s',
                       s.name || '_v', s.name || '_t', s.query);
        EXECUTE format('CREATE VIEW %I WITH (continuous) AS SELECT count(*) AS n FROM %I',
                       s.name || '_n', s.name || '_v');
    END LOOP;
END
$$;
CREATE VIEW raw_a AS SELECT *, row_number() OVER () - 1 AS o FROM a;
CREATE VIEW raw_b AS SELECT *, row_number() OVER () - 1 AS o FROM b;
CREATE FUNCTION differing(one text, other text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM ((TABLE %1$I EXCEPT ALL TABLE %2$I) UNION ALL '
                   '(TABLE %2$I EXCEPT ALL TABLE %1$I)) x', one, other) INTO n;
    RETURN n;
END
$$;
CREATE FUNCTION wrong() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    s shape;
    mine text;
    n bigint;
BEGIN
    FOR s IN TABLE shape LOOP
        mine := s.name || '_v';
        EXECUTE format($q$
            CREATE TEMP TABLE a AS SELECT id, k, v, at FROM raw_a r WHERE NOT EXISTS
                (SELECT FROM cq.late l WHERE l.view = %1$L::regclass
                 AND l.stream = 'retention_changing.a'::regclass AND l."offset" = r.o);
            CREATE TEMP TABLE b AS SELECT k, w, at FROM raw_b r WHERE NOT EXISTS
                (SELECT FROM cq.late l WHERE l.view = %1$L::regclass
                 AND l.stream = 'retention_changing.b'::regclass AND l."offset" = r.o)$q$, mine);
        EXECUTE format('CREATE TEMP TABLE answer AS SELECT q.* FROM (%s) q, '
                       '(SELECT cq.watermark(%L) - %L::interval - interval ''20 s'') x (since) '
                       'WHERE %s', s.query, mine, s.lag, s.stays);
        IF differing('answer', mine) > 0 THEN
            RETURN NEXT s.name || ': rows';
        END IF;
        IF differing(mine, s.name || '_t') > 0 THEN
            RETURN NEXT s.name || ': table';
        END IF;
        EXECUTE format('SELECT (SELECT n FROM %I) - (SELECT count(*) FROM %I)', s.name || '_n',
                       mine) INTO n;
        IF n <> 0 THEN
            RETURN NEXT s.name || ': view above';
        END IF;
        DROP TABLE a, b, answer;
    END LOOP;
END
$$;
-- Until what has expired has been deleted.
CREATE PROCEDURE settle() LANGUAGE plpgsql AS $$
BEGIN
    PERFORM cq.wait((name || '_v')::regclass) FROM shape;
    COMMIT;
    FOR i IN 1 .. 3000 LOOP
        EXIT WHEN NOT EXISTS (SELECT FROM _cq.closing c JOIN shape s
                              ON c.view = (s.name || '_v')::regclass
                              WHERE c.closed_through IS DISTINCT FROM c.emitted_through);
        COMMIT;
        PERFORM pg_sleep(0.02);
    END LOOP;
    PERFORM cq.wait((name || '_n')::regclass) FROM shape;
    COMMIT;
END
$$;
CREATE FUNCTION at(seconds float8) RETURNS timestamptz LANGUAGE sql AS
    $$SELECT '2026-01-01 00:00Z'::timestamptz + round(seconds::numeric, 1) * interval '1 s'$$;
CREATE PROCEDURE go_on(first int, steps int) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN first .. first + steps - 1 LOOP
        INSERT INTO a SELECT i * 10 + j, chr(97 + (random() * 3)::int), random() * 4,
                             at(i * 3 + random() * 30 - 20)
            FROM generate_series(0, 3) j WHERE random() < 0.8;
        COMMIT;
        INSERT INTO b SELECT chr(97 + (random() * 3)::int), i * 10 + j,
                             at(i * 3 + random() * 30 - 20)
            FROM generate_series(0, 2) j WHERE random() < 0.6;
        COMMIT;
    END LOOP;
END
$$;
SELECT setseed(0.5);
INSERT INTO a VALUES (1, 'a', 3, at(1)), (2, 'a', 3, at(0)), (3, 'b', 3, at(2)), (4, 'a', 3, NULL);
INSERT INTO b VALUES ('a', 10, at(0.5)), ('b', 20, at(4)), ('a', 11, NULL);
CALL settle();
SELECT wrong();
CALL go_on(4, 12);
CALL settle();
SELECT wrong();
CALL go_on(16, 12);
CALL settle();
SELECT wrong();
SELECT count(*) > 5 AS many FROM outer__v;
SELECT count(*) > 0 AS some_late FROM cq.late WHERE view = 'outer__v'::regclass;
-- What is kept is bounded.
INSERT INTO a VALUES (1, 'q', 2, at(500)), (2, 'q', 2, at(501));
INSERT INTO b VALUES ('q', 1, at(500)), ('q', 2, at(501));
CALL settle();
SELECT wrong();
CREATE FUNCTION kept(OUT name text, OUT rows bigint) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    part regclass;
    n bigint;
BEGIN
    FOR name IN SELECT s.name FROM shape s ORDER BY 1 LOOP
        rows := 0;
        FOR part IN SELECT p.relation FROM _cq.part p
            WHERE p.view = format('retention_changing.%I', name || '_v')::regclass
            AND role IN ('input', 'output', 'state') LOOP
            EXECUTE format('SELECT count(*) FROM %s', part) INTO n;
            rows := rows + n;
        END LOOP;
        RETURN NEXT;
    END LOOP;
END
$$;
SELECT * FROM kept() WHERE name <> 'valid';
-- It is said that it is by event time; and what goes has to be sure.
CREATE CONTINUOUS VIEW x WITH (retention = '20 s') AS SELECT DISTINCT k, at FROM a;
CREATE CONTINUOUS VIEW x WITH (retention = '20 s', retention_by = 'event_time') AS
    SELECT coalesce(a.at, b.at) AS at, id, w FROM a FULL JOIN b
    ON a.k = b.k AND b.at BETWEEN a.at AND a.at + interval '5 s';
DROP SCHEMA retention_changing CASCADE;
