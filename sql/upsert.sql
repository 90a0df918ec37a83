-- Streams whose rows change, mode 'upsert': each view is its query run as a batch, after each step.
SET client_min_messages = warning;
CREATE SCHEMA upsert;
SET search_path = upsert;
CREATE FOREIGN TABLE no_key (a int) SERVER cq_log OPTIONS (mode 'upsert');
SELECT * FROM no_key;
CREATE VIEW no_key_view WITH (continuous) AS SELECT a FROM no_key;
CREATE FOREIGN TABLE no_log (k text OPTIONS (metadata 'key')) SERVER cq_log OPTIONS (mode 'debezium');

CREATE FOREIGN TABLE u (
    dropped int, key text OPTIONS (metadata 'key'), id int NOT NULL, k text, v int,
    twice int GENERATED ALWAYS AS (v * 2) STORED
) SERVER cq_log OPTIONS (mode 'upsert');
ALTER FOREIGN TABLE u DROP COLUMN dropped;
CREATE FOREIGN TABLE w (key bytea OPTIONS (metadata 'key'), id int, n numeric, part int OPTIONS (metadata 'partition'))
    SERVER cq_log OPTIONS (mode 'upsert');
CREATE FOREIGN TABLE e (key text OPTIONS (metadata 'key'), at timestamptz, n int)
    SERVER cq_log OPTIONS (mode 'upsert', event_time 'at', watermark '1 s');
CREATE FOREIGN TABLE a (id int, x int) SERVER cq_log;
CREATE TABLE t (k text, nm text);
INSERT INTO t VALUES ('x', 'ex'), ('y', 'why');

CREATE TABLE shape (name text, query text);
INSERT INTO shape VALUES
    ('rows', $$select * from u$$),
    ('some', $$select id, k from u where v > 2$$),
    ('none', $$select 1 as one from u$$),
    ('made', $$select id, twice from u$$),
    ('whole', $$select u::text as row from u$$),
    ('pair', $$select u::text as row, w::text as other from u join w on w.id = u.id$$),
    ('keys', $$select key, n, part from w$$),
    ('cnt', $$select count(*) from u$$),
    ('grp', $$select k, count(*), sum(v), min(v), max(v) from u group by k$$),
    ('hav', $$select k, avg(v) from u group by k having count(*) > 1$$),
    ('dc', $$select k, count(distinct v) from u group by k$$),
    ('di', $$select distinct k, v from u$$),
    ('agg', $$select k, array_agg(id order by id, v) from u group by k$$),
    ('j', $$select u.id, u.v, w.n from u join w on w.id = u.id$$),
    ('lj', $$select u.id, u.v, w.n from u left join w on w.id = u.id$$),
    ('fj', $$select u.v, w.n, id from u full join w using (id)$$),
    ('ja', $$select a.id, a.x, u.v from a join u on u.id = a.id$$),
    ('lja', $$select a.id, a.x, u.v from a left join u on u.id = a.id$$),
    ('self', $$select p.id, q.v from u p join u q on p.id = q.id where p.v < q.v$$),
    ('jg', $$select u.k, count(w.n), sum(w.n) from u left join w on w.id = u.id group by u.k$$),
    ('top', $$select * from (select k, v, id, row_number() over (partition by k order by v desc, id, key) rn from u) x where rn <= 2$$),
    ('lim', $$select key, v from u order by v desc, key limit 3$$),
    ('ex', $$select id, n from w where exists (select from u where u.id = w.id and u.v > 2)$$),
    ('nin', $$select id, n from w where id not in (select id from u)$$),
    ('sub', $$select id, (select max(v) from u) from w$$),
    ('un', $$select id from u union select id from w$$),
    ('ua', $$select id from u union all select id from a$$),
    ('exca', $$select id from u except all select id from a$$),
    ('gg', $$select n, count(*) from (select k, count(*) n from u group by k) x group by n$$),
    ('tab', $$select u.id, t.nm from u left join t on t.k = u.k$$),
    ('cte', $$with c as (select id, v from u where v is not null) select c.id, c.v, w.n from c join w using (id)$$),
    ('win', $$select window_start, count(*), max(n) from e, cq.tumble(at, '1 min') group by 1$$),
    ('roll', $$select k, sum(v) from u group by rollup(k)$$);

DO $$
DECLARE
    s shape;
BEGIN
    FOR s IN TABLE shape LOOP
        EXECUTE format('CREATE VIEW %I WITH (continuous) AS %s', s.name || '_v', s.query);
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
        PERFORM cq.wait(format('upsert.%I', s.name || '_v')::regclass);
    END LOOP;
    FOR s IN TABLE shape LOOP
        EXECUTE format('SELECT count(*) FROM ((TABLE %1$I EXCEPT ALL (%2$s)) '
                       'UNION ALL ((%2$s) EXCEPT ALL TABLE %1$I)) x', s.name || '_v', s.query) INTO n;
        IF n > 0 THEN
            RETURN NEXT format('%s: %s rows', s.name, n);
        END IF;
    END LOOP;
END
$$;

-- Rows come, change, go, come again; an update that changes nothing; several of a key at once.
SELECT wrong();
INSERT INTO u VALUES ('1', 1, 'x', 1), ('2', 2, 'x', 2), ('3', 3, 'y', 3), ('4', 3, NULL, 4), ('5', 5, 'y', NULL);
SELECT wrong();
SELECT * FROM u ORDER BY key;
SELECT * FROM grp_v ORDER BY k;
INSERT INTO e SELECT i, '2026-01-01 00:00Z'::timestamptz + i * interval '20 s', i FROM generate_series(1, 9) i;
INSERT INTO w SELECT convert_to(i::text, 'UTF8'), i % 5, i * 1.5 FROM generate_series(1, 7) i;
INSERT INTO a SELECT i % 5, i FROM generate_series(1, 10) i;
SELECT wrong();
INSERT INTO u VALUES ('2', 2, 'x', 7);
SELECT wrong();
INSERT INTO u VALUES ('2', 2, 'x', 7);
SELECT wrong();
INSERT INTO u (key) VALUES ('2');
INSERT INTO e (key) VALUES ('3'), ('4'), ('5');
INSERT INTO e VALUES ('9', '2026-01-01 00:00Z', 90), ('8', NULL, 80);
SELECT wrong();
SELECT * FROM u ORDER BY key;
SELECT * FROM grp_v ORDER BY k;
INSERT INTO u (key) VALUES ('2'), ('never there');
INSERT INTO u VALUES ('3', 4, 'z', 9), ('3', 4, 'x', 8), ('6', 6, 'x', 6), ('7', 7, 'x', 7);
INSERT INTO u (key) VALUES ('6'), ('7'), ('1');
INSERT INTO u VALUES ('7', 7, 'y', 70);
SELECT wrong();
SELECT * FROM u ORDER BY key;
INSERT INTO w (key) VALUES ('2'), ('3');
INSERT INTO w VALUES ('4', 1, 1.50), ('5', NULL, 'NaN');
SELECT wrong();
INSERT INTO u SELECT i % 50, i % 20, (ARRAY['x', 'y', 'z', NULL])[i % 4 + 1], nullif(i % 9, 8) FROM generate_series(1, 500) i;
INSERT INTO u (key) SELECT i FROM generate_series(1, 50, 3) i;
SELECT wrong();
BEGIN;
INSERT INTO u VALUES ('1', 1, 'x', 1);
INSERT INTO u (key) VALUES ('1'), ('4');
INSERT INTO u VALUES ('1', 1, 'y', 2);
ROLLBACK;
SELECT wrong();
INSERT INTO u (key) SELECT DISTINCT key FROM u;
SELECT wrong();
SELECT * FROM u;
TABLE cnt_v;
SELECT view, bad_rows, status FROM cq.views WHERE bad_rows > 0 OR status NOT IN ('running', 'waiting');

-- A condition is asked of the newest row, not of those before.
INSERT INTO u VALUES ('1', 1, 'x', 1), ('1', 1, 'x', 5), ('8', 8, 'y', 8);
SELECT * FROM u WHERE v = 1;
SELECT key, v FROM u WHERE v > 1 ORDER BY key;
SELECT count(*) FROM u CROSS JOIN LATERAL (SELECT FROM u i WHERE i.id = u.id) x;
SELECT wrong();

-- What cannot be written.
INSERT INTO u (id, k) VALUES (1, 'x');
INSERT INTO u (key, k) VALUES ('1', 'x');
UPDATE u SET v = 2;
-- What is for rows that are only added.
CREATE VIEW kept WITH (continuous, retention = '1 day') AS SELECT id FROM u;
CREATE VIEW told WITH (continuous, emit = 'close') AS SELECT id FROM u;
SELECT cq.reset('grp_v');
SELECT wrong();
SELECT rule, count(*) > 0 AS there FROM _cq.node WHERE rule = 'latest' GROUP BY rule;
DROP SCHEMA upsert CASCADE;
SELECT count(*) FROM _cq.part;
