-- Values that nodes keep and compare: rows, and what looks different and is equal. Each view is its
-- query run as a batch; what is found by random queries goes here.
SET client_min_messages = warning;
CREATE SCHEMA nodes_values;
SET search_path = nodes_values;
CREATE FOREIGN TABLE a (id int, k int, g text, n numeric) SERVER cq_log;
CREATE FOREIGN TABLE b (id int, k int, g text, n numeric) SERVER cq_log;
CREATE FOREIGN TABLE d (id int, k int, g text) SERVER cq_log;
CREATE TYPE kg AS (k int, g text);

-- Of a row without a type of its own nothing can be stored.
CREATE VIEW v WITH (continuous) AS SELECT count(*) FROM (SELECT DISTINCT ROW(k, g) FROM a) x;
CREATE VIEW v WITH (continuous) AS
    SELECT count(*) FROM (SELECT ROW(k, g) r FROM a) x JOIN (SELECT ROW(k, g) r FROM b) y USING (r);
CREATE VIEW v WITH (continuous) AS
    SELECT count(array_agg(ROW(id, g))) OVER () FROM a GROUP BY k;

CREATE TABLE shape (name text, query text);
INSERT INTO shape VALUES
    ('rg', $$select count(*) from a group by row(k, g)$$),
    ('rgt', $$select row(k, g)::text, count(distinct id) from a group by row(k, g)$$),
    ('gr', $$select (row(k, g)::kg).k, count(*) from a group by row(k, g)::kg$$),
    ('dr', $$select count(*) from (select distinct row(k, g)::kg from a) x$$),
    ('jr', $$select count(*) from (select row(k, g)::kg r from a) x
        join (select row(k, g)::kg r from b) y using (r)$$),
    ('ur', $$select r::text from 
        (select row(k, g)::kg r from a union select row(k, g)::kg from b) x$$),
    ('agr', $$select k, array_agg(row(id, g) order by id)::text from a group by k$$),
    ('cdr', $$select k, count(distinct row(id, g)) from a group by k$$),
    ('scr', $$select id, (select row(max(b.id), min(b.g)) from b where b.k = a.k)::text from a$$),
    ('ljr', $$select a.id, row(b.k, b.g)::kg is null from a left join b on b.id = a.id$$),
    -- What a sub-select asks of two rows around it does not say that these belong together, where
    -- they are there whether it finds something or not.
    ('ini', $$select id, k from a where id in (select x.id from a x where not exists (
        select from b where b.id = x.k and b.id = a.id))$$),
    ('exi', $$select id, k from a where exists (select from d, lateral (
        select max(k) m from b where b.id = d.k and b.id = a.id) y where d.id = a.id
            and m is null)$$),
    ('sci', $$select id, (select count(*) from d where d.id = a.id and (
        select max(k) from b where b.id = d.k and b.id = a.id) is null) from a$$),
    ('lai', $$select a.id, d.k, y.n from a, d, lateral (
        select count(*) n from b where b.id = a.id and b.id = d.k) y$$),
    ('lao', $$select a.id, d.k, y.n from a, d, lateral (
        select count(*) n from b where a.id = d.k) y$$),
    ('exe', $$select id, k from a where exists (select from d where exists (
        select from b where b.id = d.k and b.id = a.id))$$),
    ('exa', $$select id, k from a where exists (select from d where d.id = a.id and exists (
        select count(*) from b where b.id = d.k and b.id = a.id))$$),
    -- Of a set operation that is about rows around it a part that is not.
    ('ula', $$select a.id, x.id xi from a left join lateral (
        select id from b where b.k = a.k union select id from d) x on true$$),
    ('uin', $$select a.id from a where id not in (
        select id from b where b.k = a.k except select id from d except all (select 3))$$),
    ('uar', $$select a.id, array(select id from b where b.k = a.k union all
        (select id from d order by id limit 2) order by 1) from a$$),
    -- Columns from around a sub-select, where it says how rows are told apart.
    ('lad', $$select a.g from a join lateral (
        select distinct b.k c, a.k d from b where a.id < b.k) x on x.c = a.k$$),
    ('lag', $$select a.id, x.n from a left join lateral (
        select a.k, count(*) n from b where b.id = a.id group by a.k, b.g) x on true$$),
    ('law', $$select a.id, x.n from a left join lateral (select row_number() over (
        partition by a.k order by b.id, b.k, b.g) n from b where b.id = a.id) x on true$$);

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
        PERFORM cq.wait(format('nodes_values.%I', s.name)::regclass);
    END LOOP;
    FOR s IN TABLE shape LOOP
        EXECUTE format('SELECT count(*) FROM ((TABLE %1$I EXCEPT ALL (%2$s)) '
                       'UNION ALL ((%2$s) EXCEPT ALL TABLE %1$I)) x', s.name, s.query) INTO n;
        IF n > 0 THEN
            RETURN NEXT format('%s: %s rows', s.name, n);
        END IF;
    END LOOP;
END
$$;

SELECT wrong();
INSERT INTO a SELECT i, nullif(i % 4, 3), (ARRAY['x', 'y', NULL])[i % 3 + 1], i % 2
FROM generate_series(1, 15) i;
SELECT wrong();
INSERT INTO b SELECT i, nullif(i % 5, 3), (ARRAY['x', 'y', NULL])[i % 3 + 1], i % 2
FROM generate_series(1, 9) i;
SELECT wrong();
INSERT INTO d SELECT i, i % 4, 'x' FROM generate_series(1, 9, 2) i;
INSERT INTO d SELECT i % 4, i % 3, 'y' FROM generate_series(1, 7) i;
SELECT wrong();
INSERT INTO a VALUES (NULL, NULL, NULL, NULL), (3, 1, 'x', 1.0), (3, 1, 'x', 1.00);
INSERT INTO b VALUES (NULL, NULL, NULL, NULL), (3, 1, 'x', 1.00);
SELECT wrong();
SELECT view, bad_rows, status FROM cq.views WHERE bad_rows > 0 OR status NOT IN ('running', 'waiting');
DROP SCHEMA nodes_values CASCADE;
