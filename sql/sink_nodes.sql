-- Changes of views that show what a node stores: to tables, streams, topics, and as they are. Each
-- sink is the view, and each view its query run as a batch, after each step.
SET client_min_messages = warning;
CREATE SCHEMA sink_nodes;
SET search_path = sink_nodes;
CREATE FOREIGN TABLE o (id int, who text, amount numeric) SERVER cq_log;
CREATE FOREIGN TABLE p (id int, paid numeric, note json) SERVER cq_log;
CREATE FOREIGN TABLE u (key text OPTIONS (metadata 'key'), k text, v int) SERVER cq_log
    OPTIONS (mode 'upsert');

CREATE TABLE shape (name text, query text);
INSERT INTO shape VALUES
    ('rest', $$select o.id, amount - coalesce(sum(paid), 0) as due from o left join p on p.id = o.id
              group by o.id, amount having amount > coalesce(sum(paid), 0)$$),
    ('lj', $$select o.id, who, paid from o left join p on p.id = o.id$$),
    ('js', $$select who, note from o left join p using (id)$$),
    ('top', $$select who, id, amount from (select *, row_number() over
              (partition by who order by amount desc, id) as n from o) x where n = 1$$),
    ('top2', $$select who, n, id from (select *, row_number() over
              (partition by who order by amount desc, id) as n from o) x where n <= 2$$),
    ('don', $$select distinct on (who) who, id from o order by who, amount desc, id$$),
    ('di', $$select distinct who, amount from o$$),
    ('total', $$select count(distinct who) as n, max(amount) as most from o$$),
    ('anti', $$select id, who from o where not exists (select from p where p.id = o.id)$$),
    ('un', $$select id from o union select id from p$$),
    ('exca', $$select id from o except all select id from p$$),
    ('rows', $$select key, v from u$$),
    ('look', $$select u.key, u.v, w.v as other from u left join u w on w.key = u.k$$),
    ('ugrp', $$select k, count(*) as n, sum(v) as sum from u group by k$$),
    ('uwho', $$select w.k, n from (select k, count(*) as n from u group by k) g
              join u w on w.k = g.k$$),
    ('last', $$select id, amount from o order by amount desc, id limit 1$$),
    ('lag', $$select who, id, lag(id) over (partition by who order by amount, id) as before from o$$);

-- A table, a stream of changes, and a stream with a key that another view reads, for each.
DO $$
DECLARE
    s shape;
BEGIN
    FOR s IN TABLE shape LOOP
        EXECUTE format('CREATE TABLE %I AS SELECT * FROM (%s) q WITH NO DATA', s.name || '_t', s.query);
        EXECUTE format('CREATE VIEW %I WITH (continuous, sink = %L, changes = %L) AS %s',
                       s.name || '_v', s.name || '_t', s.name || '_c', s.query);
    END LOOP;
END
$$;
CREATE FUNCTION differs(one text, other text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM ((SELECT q::text FROM (%1$s) q EXCEPT ALL SELECT q::text FROM (%2$s) q) '
                   'UNION ALL (SELECT q::text FROM (%2$s) q EXCEPT ALL SELECT q::text FROM (%1$s) q)) x',
                   one, other) INTO n;
    RETURN n;
END
$$;
-- What differs; nothing where all are right.
CREATE FUNCTION wrong() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    s shape;
BEGIN
    FOR s IN TABLE shape LOOP
        PERFORM cq.wait(format('sink_nodes.%I', s.name || '_v')::regclass);
        IF differs('TABLE ' || s.name || '_v', s.query) > 0 THEN
            RETURN NEXT s.name || ': the view';
        END IF;
        IF differs('TABLE ' || s.name || '_v', 'TABLE ' || s.name || '_t') > 0 THEN
            RETURN NEXT s.name || ': the table';
        END IF;
        IF differs(format('SELECT r::text AS row FROM %I_v r UNION ALL SELECT old::text FROM %1$I_c WHERE old IS DISTINCT FROM NULL', s.name),
                   format('SELECT new::text AS row FROM %I_c WHERE new IS DISTINCT FROM NULL', s.name)) > 0 THEN
            RETURN NEXT s.name || ': the changes';
        END IF;
    END LOOP;
END
$$;
INSERT INTO o SELECT i, 'abc'::char(3)::text || i % 3, i % 4 * 10.5 FROM generate_series(1, 12) i;
INSERT INTO u SELECT i::text, (i % 4)::text, i FROM generate_series(1, 8) i;
SELECT wrong();
INSERT INTO p SELECT i % 5, i, '{"a": 1}' FROM generate_series(1, 10) i;
INSERT INTO p VALUES (1, 1, '{"a":1}'), (1, 1, '{"a":1}'), (2, 0.50, NULL), (2, 0.5, NULL);
INSERT INTO u VALUES ('1', '2', 10), ('2', NULL, 1), ('9', '1', 9);
SELECT wrong();
INSERT INTO o VALUES (13, 'abc1', 99), (14, NULL, 1), (15, NULL, NULL), (1, 'abc1', 10.50), (1, 'abc1', 10.5);
INSERT INTO u (key) VALUES ('3'), ('4'), ('never');
INSERT INTO p VALUES (13, 99, NULL), (14, 0, 'null');
SELECT wrong();
-- Changes are pairs where the query tells its rows apart, and else rows that go and come.
SELECT old, new FROM top_c WHERE (new).who = 'abc1' ORDER BY (new).amount;
SELECT count(*) FILTER (WHERE old IS DISTINCT FROM NULL AND new IS DISTINCT FROM NULL) AS changed FROM lj_c;
SELECT count(*) FILTER (WHERE old IS DISTINCT FROM NULL AND new IS DISTINCT FROM NULL) AS changed FROM ugrp_c;
-- What the sink refuses is a dead letter; what somebody took away is of no concern.
ALTER TABLE lag_t ADD CHECK (id < 100);
DELETE FROM lj_t WHERE id = 5;
INSERT INTO o VALUES (200, 'abc1', 0), (5, 'abc0', 1);
INSERT INTO p VALUES (5, 1, NULL);
SELECT cq.wait('lag_v'), cq.wait('lj_v');
SELECT count(*) FROM cq.errors WHERE view = 'lag_v'::regclass;
SELECT differs('TABLE lag_v', 'TABLE lag_t');
SELECT * FROM lj_t WHERE id = 5 ORDER BY who, paid;

-- A stream with keys is a sink as well, and so views of views come about.
CREATE FOREIGN TABLE best (who text OPTIONS (metadata 'key'), id int, amount numeric) SERVER cq_log
    OPTIONS (mode 'upsert');
CREATE FOREIGN TABLE added (who text, id int, amount numeric) SERVER cq_log;
CREATE CONTINUOUS VIEW best_v WITH (sink = 'best') AS
    SELECT who, id, amount FROM (SELECT *, row_number() OVER (PARTITION BY who ORDER BY amount, id)
    AS n FROM o WHERE who IS NOT NULL AND NOT EXISTS (SELECT FROM p WHERE p.id = o.id)) x WHERE n = 1;
CREATE CONTINUOUS VIEW of_best AS SELECT count(*), sum(amount) FROM best;
SELECT cq.wait('best_v'), cq.wait('of_best');
INSERT INTO o VALUES (300, 'abc1', -1);
SELECT cq.wait('best_v'), cq.wait('of_best');
TABLE best EXCEPT ALL TABLE best_v;
TABLE best_v EXCEPT ALL TABLE best;
INSERT INTO p VALUES (300, 1, NULL), (200, 1, NULL), (6, 1, NULL), (7, 1, NULL), (8, 1, NULL),
    (9, 1, NULL), (10, 1, NULL), (12, 1, NULL);
SELECT cq.wait('best_v'), cq.wait('of_best');
SELECT * FROM best_v ORDER BY who;
TABLE best EXCEPT ALL TABLE best_v;
TABLE best_v EXCEPT ALL TABLE best;
SELECT count FROM of_best;
CREATE CONTINUOUS VIEW x WITH (sink = 'best') AS SELECT who AS whose, id FROM o EXCEPT SELECT who, 1 FROM o;
CREATE FOREIGN TABLE keyed (k text OPTIONS (metadata 'key'), id int) SERVER cq_log OPTIONS (mode 'upsert');
CREATE CONTINUOUS VIEW x WITH (sink = 'keyed') AS SELECT max(id) AS id FROM o LIMIT 1;
CREATE CONTINUOUS VIEW x WITH (sink = 'added') AS SELECT DISTINCT who, id, amount FROM o;

-- Messages of a topic.
CREATE SERVER sink_nodes_kafka FOREIGN DATA WRAPPER cq_kafka OPTIONS (bootstrap_servers '127.0.0.1:1');
CREATE FOREIGN TABLE upserts (who text, id int) SERVER sink_nodes_kafka OPTIONS (topic 'upserts', mode 'upsert');
CREATE FOREIGN TABLE images (who text, id int) SERVER sink_nodes_kafka OPTIONS (topic 'images', mode 'debezium');
CREATE FOREIGN TABLE named (name text OPTIONS (metadata 'key'), id int) SERVER sink_nodes_kafka OPTIONS (topic 'named', mode 'upsert');
CREATE FOREIGN TABLE plain (who text, id int) SERVER sink_nodes_kafka OPTIONS (topic 'plain');
CREATE FOREIGN TABLE a (who text, id int) SERVER cq_log;
CREATE CONTINUOUS VIEW k WITH (sink = 'upserts', notify = 'k') AS
    SELECT DISTINCT ON (who) who, id FROM a ORDER BY who, id DESC;
CREATE CONTINUOUS VIEW d WITH (sink = 'images') AS SELECT DISTINCT ON (who) who, id FROM a ORDER BY who, id DESC;
CREATE CONTINUOUS VIEW e WITH (sink = 'images') AS SELECT who, id FROM a WHERE id < ALL (SELECT id FROM a WHERE who = 'z');
CREATE CONTINUOUS VIEW n WITH (sink = 'named') AS SELECT who AS name, min(id) AS id FROM (SELECT DISTINCT who, id FROM a) x GROUP BY who;
CREATE CONTINUOUS VIEW one WITH (sink = 'upserts') AS SELECT count(DISTINCT id)::int AS id FROM a;
INSERT INTO a VALUES ('x', 1), ('y', 2), ('y', 2);
SELECT cq.wait('k'), cq.wait('d'), cq.wait('e'), cq.wait('n'), cq.wait('one');
INSERT INTO a VALUES ('x', 3), ('y', 1), ('z', 2);
SELECT cq.wait('k'), cq.wait('d'), cq.wait('e'), cq.wait('n'), cq.wait('one');
SELECT convert_from(key, 'utf8') AS key, convert_from(value, 'utf8') AS value FROM _cq.k_outbox ORDER BY key, id;
SELECT convert_from(key, 'utf8') AS key, regexp_replace(convert_from(value, 'utf8'), '\d{13}', '…') AS value FROM _cq.d_outbox ORDER BY key, id;
SELECT convert_from(key, 'utf8') AS key, regexp_replace(convert_from(value, 'utf8'), '\d{13}', '…') AS value FROM _cq.e_outbox ORDER BY value;
SELECT convert_from(key, 'utf8') AS key, convert_from(value, 'utf8') AS value FROM _cq.n_outbox ORDER BY key, id;
SELECT convert_from(key, 'utf8') AS key, convert_from(value, 'utf8') AS value FROM _cq.one_outbox ORDER BY id;
-- What has no key, or not all of it, cannot be sent by key.
CREATE CONTINUOUS VIEW x WITH (sink = 'upserts') AS SELECT who, a.id FROM a LEFT JOIN o USING (who);
CREATE CONTINUOUS VIEW x WITH (sink = 'upserts') AS SELECT id FROM (SELECT DISTINCT ON (who) who, id FROM a) x;
CREATE CONTINUOUS VIEW x WITH (sink = 'upserts') AS SELECT who, id FROM a EXCEPT ALL SELECT who, id FROM o;
CREATE CONTINUOUS VIEW x WITH (sink = 'upserts') AS
    SELECT who, id FROM (SELECT *, rank() OVER (PARTITION BY who ORDER BY id) AS n FROM a) x WHERE n = 1;
CREATE CONTINUOUS VIEW x WITH (sink = 'plain') AS SELECT DISTINCT who, id FROM a;

-- By which columns rows are told apart: the key of a message.
CREATE FOREIGN TABLE anything (who text, id int, n bigint, key text, v int, other int, at timestamptz)
    SERVER sink_nodes_kafka OPTIONS (topic 'anything', mode 'upsert');
CREATE FOREIGN TABLE t (who text, id int, at timestamptz) SERVER cq_log;
INSERT INTO t VALUES ('k', 7, '2026-01-01 00:00Z');
INSERT INTO u VALUES ('k', 'k', 7);
CREATE TABLE of_key (n int GENERATED ALWAYS AS IDENTITY, query text, key text);
INSERT INTO of_key (query) VALUES
    ($$select distinct who, id from t$$),
    ($$select distinct who, id from t where who = 'k'$$),
    ($$select who, id, n from (select *, row_number() over (partition by who order by id) n from t) x where n < 4$$),
    ($$select who, id from (select *, row_number() over (partition by who order by id) n from t) x where n < 2$$),
    ($$select id, who from (select *, row_number() over (partition by who, id) n from t) x where 1 = n$$),
    ($$select who, id from (select *, rank() over (partition by who order by id) n from t) x where n = 1$$),
    ($$select key, v from u where v > 0$$),
    ($$select v from u$$),
    ($$select u.key, w.v as other from u left join u w on w.key = u.k$$),
    ($$select u.v, w.key from u right join u w on u.key = w.k$$),
    ($$select u.key, t.id from u left join t on t.who = u.k$$),
    ($$select u.key, w.v as other from u, u w where w.key = u.k$$),
    ($$select u.key, w.key as who from u, u w where w.v = u.v$$),
    ($$select x.key, y.key as who from u x full join u y on x.k = y.key$$),
    ($$select w.key, count(distinct u.v) as n from u join u w on w.key = u.k group by u.k, w.key$$),
    ($$select who, count(distinct id) as n from t group by who$$),
    ($$select count(distinct id) as n from t group by who$$),
    ($$select who, count(distinct id) as n from t group by rollup (who)$$),
    ($$select window_start as at, who, count(distinct id) as n from t, cq.tumble(at, '1 min') group by window_start, window_end, who$$),
    ($$select window_end as at, u.key, v from u join t on t.who = u.k, cq.hop(at, '1 min', '2 min')$$),
    ($$select id, who from t union select id, who from t$$),
    ($$select who, id from t except all select key, v from u$$),
    ($$select who, id from t order by id limit 1$$),
    ($$select who, id from t order by id limit 2$$),
    ($$select who, id from t order by id fetch first 1 row with ties$$),
    ($$select who, max(n) as n from (select who, id, count(*) n from t group by 1, 2) x group by who$$),
    ($$with c as (select distinct on (who) * from t order by who, id) select who, id from c where id in (select v from u)$$),
    ($$select who, n from (select who, count(*) n from t group by who) x cross join (select max(v) from u) y$$),
    ($$select k as who, generate_series(1, n) as n from (select k, count(*) n from u group by k) x$$);
DO $$
DECLARE
    q of_key;
BEGIN
    FOR q IN TABLE of_key ORDER BY n LOOP
        BEGIN
            EXECUTE format('CREATE VIEW %I WITH (continuous, sink = ''sink_nodes.anything'') AS %s', 'keys_' || q.n, q.query);
        EXCEPTION WHEN feature_not_supported THEN
            UPDATE of_key SET key = 'none' WHERE n = q.n;
        END;
    END LOOP;
END
$$;
SELECT bool_and(cq.wait(view)) FROM cq.views WHERE view::text ~ 'keys_';
DO $$
DECLARE
    q of_key;
BEGIN
    FOR q IN SELECT * FROM of_key WHERE key IS NULL LOOP
        EXECUTE format('UPDATE of_key SET key = (SELECT min(convert_from(key, ''utf8'') COLLATE "C") '
                       'FROM _cq.%I) WHERE n = %s', 'keys_' || q.n || '_outbox', q.n);
    END LOOP;
END
$$;
SELECT query, key FROM of_key ORDER BY n;
DROP SCHEMA sink_nodes CASCADE;
