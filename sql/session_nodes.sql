-- cq.session in queries that keep what they read: over joins, sets, rows that change, other views;
-- joined, numbered, filtered. A view has what its query gives as a batch.
SET client_min_messages = warning;
CREATE SCHEMA session_nodes;
SET search_path = session_nodes;
CREATE FOREIGN TABLE a (id int, k text, v int, at timestamptz) SERVER cq_log;
CREATE FOREIGN TABLE b (k text, w int, at timestamptz) SERVER cq_log;
CREATE FOREIGN TABLE u (key text OPTIONS (metadata 'key'), k text, at timestamptz) SERVER cq_log
    OPTIONS (mode 'upsert');
CREATE CONTINUOUS VIEW firsts AS SELECT k, v, min(at) AS at FROM a GROUP BY k, v;
CREATE TABLE shape (name text, query text);
-- In place of session: a column that is the session of k and at in a relation.
INSERT INTO shape VALUES
    ('sets', $$select k, s, count(*) as n from session(select k, at from a union all
        select k, at from b) group by k, s$$),
    ('joins', $$select k, s, count(*) as n from session(select a.k, a.at from a join b
        on a.k = b.k and b.at between a.at and a.at + interval '5 s') group by k, s$$),
    ('outer', $$select k, s, count(*) as n, count(w) as m from session(select a.k, a.at, w from a
        left join b on a.k = b.k and b.at between a.at and a.at + interval '5 s') group by k, s$$),
    ('uniq', $$select k, s, count(*) as n from session(select distinct k, at from a) group by k, s$$),
    ('each', $$select id, s from session(select * from a)$$),
    ('nth', $$select id, row_number() over (partition by k, s order by at, id) as n
        from session(select * from a)$$),
    ('kinds', $$select k, s, count(distinct v) as n from session(select * from a) group by k, s$$),
    ('some', $$select k, s, count(*) as n from session(select * from a) where v > 3 group by k, s$$),
    ('within', $$select q.k, s, count(*) as n from session(select * from a) join b
        on b.k = q.k and s @> b.at group by q.k, s$$),
    ('sets2', $$select k, s, count(*) as n from session(select * from a)
        group by grouping sets ((k, s), (s))$$),
    ('ranges', $$select s, count(*) as n from session(select * from a) group by s$$),
    ('newest', $$select k, s, count(*) as n from session(select k, at from u) group by k, s$$),
    ('named', $$select k, s, count(*) as n from session(select k, at from firsts) group by k, s$$),
    ('last', $$select distinct on (k) k, s, count(*) as n from session(select * from a)
        group by k, s order by k, s desc$$);
UPDATE shape SET query = regexp_replace(query, 'session\((.*?)\)(?=\s+group|\s+where|\s+join|$)',
    '(select *, cq.session(at, ''10 s'') over (partition by k order by at) as s from (\1) p) q');
DO $$
DECLARE
    s shape;
BEGIN
    FOR s IN TABLE shape LOOP
        EXECUTE format('CREATE VIEW %I WITH (continuous) AS %s', s.name || '_v', s.query);
    END LOOP;
END
$$;
CREATE FUNCTION wrong() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    s shape;
    n bigint;
BEGIN
    FOR s IN TABLE shape LOOP
        PERFORM cq.wait(format('session_nodes.%I', s.name || '_v')::regclass);
        EXECUTE format('SELECT count(*) FROM ((%1$s) EXCEPT ALL TABLE %2$I) x', s.query,
                       s.name || '_v') INTO n;
        IF n > 0 THEN
            RETURN NEXT format('%s: %s missing', s.name, n);
        END IF;
        EXECUTE format('SELECT count(*) FROM (TABLE %2$I EXCEPT ALL (%1$s)) x', s.query,
                       s.name || '_v') INTO n;
        IF n > 0 THEN
            RETURN NEXT format('%s: %s too many', s.name, n);
        END IF;
    END LOOP;
END
$$;
CREATE FUNCTION at(seconds float8) RETURNS timestamptz LANGUAGE sql AS
    $$SELECT '2026-01-01 00:00Z'::timestamptz + round(seconds::numeric, 1) * interval '1 s'$$;
CREATE PROCEDURE go_on(first int, steps int) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN first .. first + steps - 1 LOOP
        INSERT INTO a SELECT i * 10 + j, chr(97 + (random() * 2)::int), random() * 6,
                             at(random() * 300) FROM generate_series(1, 3) j;
        COMMIT;
        INSERT INTO b VALUES (chr(97 + (random() * 2)::int), i, at(random() * 300));
        INSERT INTO u VALUES ((random() * 9)::int::text, chr(97 + (random() * 2)::int),
                              at(random() * 60));
        COMMIT;
    END LOOP;
END
$$;
SELECT setseed(0.5);
CALL go_on(1, 12);
SELECT wrong();
CALL go_on(13, 8);
INSERT INTO a VALUES (1, NULL, 1, at(3)), (2, 'a', 1, NULL), (3, NULL, 1, at(8)), (4, 'a', 1, NULL);
SELECT wrong();
SELECT count(*) > 10 AS many FROM sets_v;
DROP SCHEMA session_nodes CASCADE;
