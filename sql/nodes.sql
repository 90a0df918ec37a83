-- Queries through which rows do not pass one by one: each view is its query run as a batch, after
-- each of several batches of inserts.
SET client_min_messages = warning;
CREATE SCHEMA nodes;
SET search_path = nodes;
CREATE FOREIGN TABLE a (id int, k text, v int, ts timestamptz) SERVER cq_log;
CREATE FOREIGN TABLE b (id int, w int, ts timestamptz) SERVER cq_log;
CREATE FOREIGN TABLE d (id int, w int, k text) SERVER cq_log;
CREATE COLLATION nd (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE FOREIGN TABLE e (id int, k text COLLATE nd) SERVER cq_log;
CREATE TABLE t (k text, nm text);
INSERT INTO t VALUES ('x', 'ex'), ('y', 'why');

CREATE VIEW pv AS SELECT a.id, b.w FROM a LEFT JOIN b USING (id);

CREATE TABLE shape (name text, query text);
INSERT INTO shape VALUES
    ('j', $$select a.id, a.k, a.v, b.w from a join b on a.id = b.id$$),
    ('jg', $$select a.k, count(*), sum(b.w) from a join b on a.id = b.id group by a.k$$),
    ('lj', $$select a.id, a.k, b.w from a left join b on a.id = b.id$$),
    ('ljg', $$select a.k, count(*), count(b.w) cw, sum(b.w) from a left join b on a.id = b.id and b.w > 3 group by a.k$$),
    ('dc', $$select k, count(distinct v), sum(v) from a group by k$$),
    ('top', $$select * from (select k, v, id, row_number() over (partition by k order by v desc, id) rn from a) x where rn <= 2$$),
    ('ex', $$select a.id from a where exists (select from b where b.id = a.id and b.w > 5)$$),
    ('nex', $$select a.id, a.v from a where not exists (select from b where b.id = a.id)$$),
    ('inn', $$select a.id, a.v from a where a.id in (select id from b where w < 5)$$),
    ('ni', $$select a.id from a where a.id not in (select id from b)$$),
    ('un', $$select id from a union select id from b$$),
    ('ua', $$select id from a union all select id from b$$),
    ('exc', $$select id from a except select id from b$$),
    ('exca', $$select id from a except all select id from b$$),
    ('ints', $$select id from a intersect select id from b$$),
    ('gg', $$select n, count(*) from (select k, count(*) n from a group by k) x group by n$$),
    ('sc', $$select a.id, (select max(w) from b) m from a$$),
    ('csc', $$select a.id, (select max(w) from b where b.id = a.id) m from a$$),
    ('di', $$select distinct k, v from a$$),
    ('li', $$select id, v, k from a order by v desc, id, k limit 3$$),
    ('fj', $$select coalesce(a.id,b.id) id, a.v, b.w from a full join b on a.id = b.id$$),
    ('rj', $$select a.v, b.w, b.id from a right join b on a.id = b.id$$),
    ('self', $$select x.id, y.v from a x join a y on x.id = y.id where x.v < y.v$$),
    ('three', $$select a.k, b.w, d.w dw from a join b on a.id = b.id join d on d.id = b.id$$),
    ('three2', $$select a.k, b.w, d.w dw from a join b on a.id = b.id join d on d.k = a.k$$),
    ('lj3', $$select a.k, b.w, d.w dw from a left join b on a.id = b.id left join d on d.k = a.k$$),
    ('crs', $$select a.id, b.id bid from a, b where a.v < b.w$$),
    ('arr', $$select k, array_agg(v order by v) from a group by k$$),
    ('med', $$select k, percentile_disc(0.5) within group (order by v) from a group by k$$),
    ('cte', $$with x as (select id, v from a where v > 2) select x.id, x.v, b.w from x join b using (id)$$),
    ('jt', $$select a.id, t.nm, b.w from a join t on t.k = a.k join b on b.id = a.id$$),
    ('lat', $$select a.id, a.v, l.w from a cross join lateral (select w from b where b.id = a.id order by w desc limit 1) l$$),
    ('hav', $$select k, count(*) from a group by k having count(*) > (select count(*) from b where b.w > 6)$$),
    ('gcnt', $$select count(*), sum(w) from (select distinct id, w from b) x$$),
    ('lag', $$select id, v, lag(v) over (partition by k order by id, v) from a$$),
    ('q', $$select k, max(c) from (select k, v, count(*) c from a group by k, v) x group by k$$),
    ('win', $$select window_start, a.k, count(*) from a join b on a.id = b.id, cq.tumble(a.ts, '1 min') group by 1, 2$$),
    ('usingj', $$select id, count(*) from a join b using (id) group by id$$),
    ('donk', $$select distinct on (k) k, v, id from a order by k, v desc, id$$),
    ('wrc', $$select a.id, count(b) c from a left join b on a.id = b.id and b.w > 3 group by a.id$$),
    ('wrn', $$select a.id, b is null n, b is not distinct from null m, b from a left join b using (id)$$),
    ('wrf', $$select count(a) a, count(b) b, count(*) from a full join b using (id)$$),
    ('ctet', $$with c as materialized (select * from t), e as (select k from c where nm > 'd') select k, n from (select k, count(distinct v) n from a where k in (select k from e) group by k) x where exists (select from c where c.k = x.k)$$),
    ('roll', $$select k, count(distinct v) from a group by rollup(k)$$),
    ('day', $$select date_trunc('minute', ts) m, count(distinct v) from a group by 1$$),
    ('jday', $$select a.id, b.w from a left join b on to_char(a.ts, 'SS') = to_char(b.ts, 'SS')$$),
    ('wc', $$select count(*) from a join b on true$$),
    ('donf', $$select v from (select distinct on (k) v from a order by k, v, id) x where v > 1$$),
    ('topx', $$select v, nm from (select v, nm, row_number() over (partition by nm order by v, id, ts) rn from a cross join t) x where rn < 3$$),
    ('uat', $$select t.k, nm from t union all select k, null from a where v > 3$$),
    ('dup', $$select k x, k y from a where v > 2 except select k, k from d$$),
    ('dupx', $$select count(*) from (select distinct v ctid, id xmin, k _cq_weight from a) x$$),
    ('ndj', $$select a.id, e.id eid from a join e on a.k = e.k$$),
    ('ndc', $$select a.id, d.id did from a left join d on a.k = d.k collate nd$$),
    ('ndin', $$select id from a where k in (select k from e)$$),
    ('nd3', $$select a.id, e.id eid from a join e on a.k = e.k join a x on x.k = a.k$$),
    ('ljc', $$select a.id, b.w, d.w dw from a left join b on coalesce(a.id, 0) = coalesce(b.id, 0) left join d on d.id = coalesce(b.id, 0)$$),
    ('ljce', $$select a.id, b.w from a left join b on a.id = b.id where exists (select from d where d.id = coalesce(b.id, 1))$$),
    ('arrs', $$select a.id, array(select w from b order by w desc) ws, array(select w from b order by id, w) iw from a$$),
    ('rowg', $$select to_jsonb(x) j, x is null n from (select k, count(distinct v) c from a group by k) x where c > 0$$),
    ('rowv', $$select to_jsonb(pv) j from pv$$),
    ('inunj', $$select a.id from a join b on b.id = a.id where a.v in (select w from d where d.id = a.id union all select 3)$$),
    ('scun', $$select id, count(*), (select count(*) from (select w from b where b.id = a.id union select w from d where d.id = a.id) q) n from a group by id$$),
    ('indo', $$select a.id from a where a.v in (select distinct on (k) w from d where d.id = a.id order by k, w, id)$$),
    ('frm', $$select k, 2 as two, sum(count(distinct v)) over (order by k rows 2 preceding) from a group by k, two$$),
    ('rowf', $$select x.id, x.n from (select id, count(*) n from a group by id) x join b on b.id = x.id where to_jsonb(x)::text not like '%-%'$$),
    ('inun', $$select a.id, a.v from a where a.v in (select w from b where b.id = a.id union all select 3)$$),
    ('latun', $$select a.id, x.w from a, lateral (select w from b where b.id = a.id union all select u from (select w as u, id from d) d where d.id = a.v) x$$);

DO $$
DECLARE
    s shape;
BEGIN
    FOR s IN TABLE shape LOOP
        EXECUTE format('CREATE VIEW %I WITH (continuous) AS %s', s.name, s.query);
    END LOOP;
END
$$;

-- What differs, of all views; nothing where all are right.
CREATE FUNCTION wrong() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    s shape;
    n bigint;
BEGIN
    FOR s IN TABLE shape LOOP
        EXECUTE format('SELECT count(*) FROM ((TABLE %1$I EXCEPT ALL (%2$s)) '
                       'UNION ALL ((%2$s) EXCEPT ALL TABLE %1$I)) x', s.name, s.query) INTO n;
        IF n > 0 THEN
            RETURN NEXT format('%s: %s rows', s.name, n);
        END IF;
    END LOOP;
END
$$;

-- Before anything is read, and then one stream after the other; with nulls, and rows that are equal.
SELECT cq.wait(format('nodes.%I', name)::regclass) FROM shape \g /dev/null
SELECT wrong();
INSERT INTO a SELECT i % 7, (ARRAY['x', 'y', 'z', NULL])[i % 4 + 1], nullif(i % 9, 8), '2026-01-01 00:00Z'::timestamptz + i * interval '20 s' FROM generate_series(1, 30) i;
SELECT cq.wait(format('nodes.%I', name)::regclass) FROM shape \g /dev/null
SELECT wrong();
INSERT INTO b SELECT nullif(i % 6, 5), i % 8 FROM generate_series(1, 20) i;
INSERT INTO e VALUES (1, 'X'), (2, 'x'), (3, 'y'), (4, NULL), (5, 'Z');
INSERT INTO d SELECT i % 5, nullif(i % 3, 2), (ARRAY['x', 'q', NULL])[i % 3 + 1] FROM generate_series(1, 9) i;
SELECT cq.wait(format('nodes.%I', name)::regclass) FROM shape \g /dev/null
SELECT wrong();
INSERT INTO a VALUES (NULL, NULL, NULL, NULL), (5, 'x', 100, '2026-01-01 00:00Z'), (5, 'x', 100, '2026-01-01 00:00Z');
INSERT INTO b VALUES (NULL, NULL), (5, 7), (5, 7), (6, 9);
INSERT INTO d VALUES (NULL, NULL, NULL), (6, 1, 'z'), (7, 2, 'X');
INSERT INTO a SELECT i % 11, 'x', i % 4, NULL FROM generate_series(1, 20) i;
SELECT cq.wait(format('nodes.%I', name)::regclass) FROM shape \g /dev/null
SELECT wrong();
SELECT view, bad_rows, status FROM cq.views WHERE bad_rows > 0 OR status NOT IN ('running', 'waiting');

-- What a view is made of goes with it.
SELECT count(*) > 0 AS has_parts FROM _cq.part;
SELECT cq.reset('lj');
SELECT cq.wait('lj');
SELECT wrong();
CREATE OR REPLACE CONTINUOUS VIEW top AS
    SELECT k, v, id, rank() OVER (PARTITION BY k ORDER BY v) AS rn FROM a;
SELECT cq.wait('top');
TABLE top EXCEPT ALL SELECT k, v, id, rank() OVER (PARTITION BY k ORDER BY v) AS rn FROM a;
SELECT k, v, id, rank() OVER (PARTITION BY k ORDER BY v) AS rn FROM a EXCEPT ALL TABLE top;
-- Autovacuum may analyze a part with whole rows of a stream, and lock the two in the other order.
DO $$
BEGIN
    FOR i IN 1..20 LOOP
        BEGIN
            DROP SCHEMA nodes CASCADE;
            RETURN;
        EXCEPTION WHEN deadlock_detected THEN
            NULL;
        END;
    END LOOP;
END
$$;
SELECT count(*) FROM _cq.part;
SELECT count(*) FROM _cq.node WHERE number > 0;
