-- Tables whose changes count: tables = 'maintained'. A view is its query over what the tables and
-- the stream show, whatever has been done to them.
SET client_min_messages = warning;
CREATE SCHEMA maintained;
CREATE SCHEMA maintained_batch;
SET search_path = maintained;
CREATE FOREIGN TABLE s (id int, k int, v numeric) SERVER cq_log;
CREATE TABLE maintained_batch.s (id int, k int, v numeric);
CREATE TABLE t (unused text, k int, name text, j json, big text,
                twice int GENERATED ALWAYS AS (k * 2) STORED);
ALTER TABLE t DROP COLUMN unused;
CREATE TABLE u (id int PRIMARY KEY, k int, n numeric);
CREATE TABLE p (k int, n int) PARTITION BY LIST (k);
CREATE TABLE p_low PARTITION OF p FOR VALUES IN (0, 1, 2);
CREATE TABLE p_rest (n int, k int);
INSERT INTO p_rest VALUES (70, 7), (70, 7);
ALTER TABLE p ATTACH PARTITION p_rest DEFAULT;
CREATE TABLE i (k int, name text);
CREATE TABLE i_child (more int) INHERITS (i);
INSERT INTO t (k, name) VALUES (1, 'one'), (1, 'one'), (NULL, 'none'), (2, 'two');
INSERT INTO u SELECT n, n % 4, n FROM generate_series(1, 8) n;
INSERT INTO p SELECT n % 5, n FROM generate_series(1, 10) n;
INSERT INTO i VALUES (1, 'a');
INSERT INTO i_child VALUES (2, 'b', 7);
INSERT INTO s SELECT n, nullif(n % 6, 5), n FROM generate_series(1, 12) n;
INSERT INTO maintained_batch.s SELECT n, nullif(n % 6, 5), n FROM generate_series(1, 12) n;
CREATE VIEW plain AS SELECT k, name FROM t WHERE k > 0;

CREATE TABLE shape (name text, query text);
INSERT INTO shape VALUES
    ('inner_join', 'SELECT s.id, t.name, t.j::text FROM s JOIN t USING (k)'),
    ('left_join', 'SELECT s.id, t.name FROM s LEFT JOIN t ON t.k = s.k AND t.name <> ''x'''),
    ('right_join', 'SELECT s.id, t.k, t.name FROM s RIGHT JOIN t USING (k)'),
    ('full_join', 'SELECT s.id, k, u.id AS other, u.n FROM s FULL JOIN u USING (k)'),
    ('three', 'SELECT s.id, t.name, u.n FROM t LEFT JOIN s ON s.k = t.k '
              'LEFT JOIN u ON u.id = s.id'),
    ('semi', 'SELECT id FROM s WHERE EXISTS (SELECT FROM t WHERE t.k = s.k)'),
    ('anti', 'SELECT id FROM s WHERE NOT EXISTS (SELECT FROM u WHERE u.k = s.k AND u.n > 3)'),
    ('inside', 'SELECT id FROM s WHERE k IN (SELECT k FROM t)'),
    ('not_in', 'SELECT id FROM s WHERE k NOT IN (SELECT k FROM t)'),
    ('scalar', 'SELECT id, (SELECT sum(n) FROM u WHERE u.k = s.k) AS n FROM s'),
    ('of_all', 'SELECT id FROM s WHERE v > (SELECT avg(n) FROM u)'),
    ('sideways', 'SELECT s.id, x.id AS u FROM s LEFT JOIN LATERAL (SELECT id FROM u '
                'WHERE u.k = s.k ORDER BY n DESC, id LIMIT 1) x ON true'),
    ('groups', 'SELECT name, count(*), sum(v), array_agg(s.id ORDER BY s.id) '
               'FROM s JOIN t USING (k) GROUP BY name'),
    ('top', 'SELECT name, id FROM (SELECT name, id, row_number() OVER (PARTITION BY name '
            'ORDER BY v DESC, id) AS n FROM s JOIN t USING (k)) x WHERE n <= 2'),
    ('united', 'SELECT id, v FROM s UNION ALL SELECT id, n FROM u'),
    ('distinct_union', 'SELECT k FROM s UNION SELECT k FROM t EXCEPT SELECT k FROM p'),
    ('alone', 'SELECT k, count(*), max(n) FROM u GROUP BY k HAVING count(*) > 1'),
    ('self', 'SELECT a.id, b.id AS other FROM u a JOIN u b ON a.k = b.k AND a.id < b.id'),
    ('parts', 'SELECT s.id, p.n FROM p LEFT JOIN s USING (k)'),
    ('children', 'SELECT s.id, i.name FROM s RIGHT JOIN i USING (k)'),
    ('through', 'SELECT s.id, plain.name FROM s JOIN plain USING (k)'),
    ('whole', 'SELECT s.id, (u).n, u IS NULL AS gone FROM s LEFT JOIN u USING (k)'),
    ('cte', 'WITH x AS (SELECT k, count(*) AS n FROM t GROUP BY k) '
            'SELECT a.k, b.n FROM x a LEFT JOIN x b ON a.k = b.k + 1'),
    ('total', 'SELECT count(*), sum(n) FROM u');

CREATE PROCEDURE create_all() LANGUAGE plpgsql AS $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT * FROM shape LOOP
        EXECUTE format('CREATE VIEW %I WITH (continuous, tables = ''maintained'') AS %s',
                       r.name, r.query);
        PERFORM set_config('search_path', 'maintained_batch, maintained', true);
        EXECUTE format('CREATE VIEW maintained_batch.%I AS %s', r.name, r.query);
        PERFORM set_config('search_path', 'maintained', true);
    END LOOP;
END
$$;
CALL create_all();
CREATE VIEW over_it WITH (continuous) AS SELECT name, count AS n FROM groups WHERE count > 1;
CREATE VIEW maintained_batch.over_it AS
    SELECT name, count AS n FROM maintained_batch.groups WHERE count > 1;

-- Once all is at the end: which views differ from their batch?
CREATE FUNCTION differing(OUT view text, OUT more bigint, OUT less bigint) RETURNS SETOF record
    LANGUAGE plpgsql AS $$
BEGIN
    FOR view IN SELECT v.view::text FROM cq.views v
                JOIN pg_class c ON c.oid = v.view AND c.relnamespace = 'maintained'::regnamespace
                ORDER BY 1 LOOP
        EXECUTE format('SELECT count(*) FROM (TABLE %1$I EXCEPT ALL TABLE maintained_batch.%1$I) x',
                       view) INTO more;
        EXECUTE format('SELECT count(*) FROM (TABLE maintained_batch.%1$I EXCEPT ALL TABLE %1$I) x',
                       view) INTO less;
        IF more > 0 OR less > 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;
CREATE VIEW done AS SELECT bool_and(cq.wait(view, '60 s')) FROM cq.views v
    JOIN pg_class c ON c.oid = v.view AND c.relnamespace = 'maintained'::regnamespace;
SELECT bool_and FROM done;
SELECT * FROM differing();

-- Random changes, many in a transaction, some of them taken back.
CREATE PROCEDURE change(seed float8, nsteps int) LANGUAGE plpgsql AS $$
DECLARE
    kind int;
    a int;
    b int;
BEGIN
    PERFORM setseed(seed);
    FOR step IN 1 .. nsteps LOOP
        kind := trunc(random() * 16);
        a := trunc(random() * 9);
        b := trunc(random() * 5);
        BEGIN
            CASE kind
                WHEN 0, 1 THEN INSERT INTO t (k, name, j)
                               VALUES (nullif(b, 3), 'n' || a % 3, '{"a":1}');
                WHEN 2 THEN UPDATE t SET name = name || a WHERE k = b AND length(name) < 9;
                WHEN 3 THEN UPDATE t SET k = nullif(a % 6, 4)
                            WHERE k IS NOT DISTINCT FROM nullif(b, 4);
                WHEN 4 THEN DELETE FROM t WHERE ctid IN (SELECT ctid FROM t WHERE k = b LIMIT 1);
                WHEN 5 THEN INSERT INTO u VALUES (a, b, a + 0.50)
                            ON CONFLICT (id) DO UPDATE SET k = excluded.k, n = excluded.n;
                WHEN 6 THEN UPDATE u SET id = id + 100 WHERE id = a AND NOT EXISTS
                            (SELECT FROM u o WHERE o.id = a + 100);
                WHEN 7 THEN DELETE FROM u WHERE k = b AND id % 2 = a % 2;
                WHEN 8 THEN INSERT INTO p SELECT x, a FROM generate_series(0, b) x;
                WHEN 9 THEN UPDATE p SET k = (k + a) % 5 WHERE k = b;
                WHEN 10 THEN DELETE FROM p_low WHERE n = a;
                WHEN 11 THEN UPDATE p_rest SET n = a WHERE k = b;
                WHEN 12 THEN INSERT INTO i_child VALUES (b, 'c' || a, a);
                             UPDATE i SET k = a WHERE k = b;
                WHEN 13 THEN DELETE FROM ONLY i WHERE k = a; INSERT INTO i VALUES (a, 'p' || b);
                ELSE INSERT INTO s VALUES (step, b, a);
                     INSERT INTO maintained_batch.s VALUES (step, b, a);
            END CASE;
            IF a = 8 AND b < 2 THEN
                RAISE division_by_zero;
            END IF;
        EXCEPTION WHEN division_by_zero OR unique_violation THEN
            NULL;
        END;
    END LOOP;
END
$$;
CALL change(0.1, 40);
SELECT bool_and FROM done;
SELECT * FROM differing();
CALL change(0.2, 150);
SELECT bool_and FROM done;
SELECT * FROM differing();

-- What is written for views that do not see a difference: nothing.
UPDATE t SET big = repeat('x', 100);
BEGIN;
DELETE FROM t;
ROLLBACK;
SELECT bool_and FROM done;
SELECT count(*) AS written FROM _cq.t_rows;

-- TRUNCATE, of parts as well; COPY; MERGE's kin; partitions that come and go.
TRUNCATE u;
INSERT INTO u VALUES (1, 1, 1);
COPY u FROM stdin;
2	2	2.0
3	3	3.00
\.
TRUNCATE p_low;
SELECT bool_and FROM done;
SELECT * FROM differing();
ALTER TABLE p DETACH PARTITION p_low;
INSERT INTO p_low VALUES (1, 1000);
SELECT bool_and FROM done;
SELECT * FROM differing();
ALTER TABLE p ATTACH PARTITION p_low FOR VALUES IN (0, 1, 2);
CREATE TABLE p_new PARTITION OF p FOR VALUES IN (55);
INSERT INTO p_new VALUES (55, 5);
INSERT INTO p VALUES (55, 6);
SELECT bool_and FROM done;
SELECT * FROM differing();
DROP TABLE p_new;
SELECT bool_and FROM done;
SELECT * FROM differing();

-- A statement within another one, of rows that this one makes: told before them.
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE u SET n = n + 100 WHERE id < NEW.id AND n < 100;
    RETURN NEW;
END
$$;
CREATE TRIGGER again BEFORE UPDATE ON u FOR EACH ROW WHEN (NEW.n < 100) EXECUTE FUNCTION again();
ALTER SYSTEM SET cq.batch_rows = 1;
SELECT pg_reload_conf();
INSERT INTO u SELECT n, 1, n FROM generate_series(10, 20) n;
UPDATE u SET n = n + 1 WHERE id > 15 AND id % 2 = 0 AND n < 50;
DROP TRIGGER again ON u;
SELECT bool_and FROM done;
ALTER SYSTEM RESET cq.batch_rows;
SELECT pg_reload_conf();
SELECT * FROM differing();

-- As the changes of another server are applied; however somebody has enabled the triggers.
SET session_replication_role = replica;
INSERT INTO u VALUES (500, 2, 5), (501, 3, 6);
UPDATE u SET n = 7 WHERE id = 500;
DELETE FROM u WHERE id = 501;
RESET session_replication_role;
ALTER TABLE u DISABLE TRIGGER ALL;
INSERT INTO u VALUES (502, 2, 5);
ALTER TABLE u ENABLE TRIGGER ALL;
DO $$
DECLARE
    trigger name = (SELECT tgname FROM pg_trigger WHERE tgrelid = 'u'::regclass AND tgtype = 4);
BEGIN
    EXECUTE format('DROP TRIGGER %I ON u', trigger);
END
$$;
INSERT INTO u VALUES (503, 2, 5);
SET session_replication_role = replica;
INSERT INTO u VALUES (504, 2, 5);
RESET session_replication_role;
SELECT bool_and FROM done;
SELECT * FROM differing();

-- Paused, reset, made anew; a prepared transaction; ALTER TABLE.
SELECT cq.pause('full_join'), cq.pause('groups');
CALL change(0.3, 60);
TRUNCATE t;
CALL change(0.4, 60);
SELECT cq.resume('full_join'), cq.resume('groups');
SELECT cq.reset('three', 'earliest'), cq.reset('alone', 'earliest');
SELECT bool_and FROM done;
SELECT * FROM differing();
BEGIN;
UPDATE u SET n = n + 1;
PREPARE TRANSACTION 'maintained';
INSERT INTO t (k, name) VALUES (1, 'beside');
COMMIT PREPARED 'maintained';
ALTER TABLE t ADD COLUMN added int DEFAULT 5;
ALTER TABLE t RENAME COLUMN k TO key;
INSERT INTO t (key, name) VALUES (2, 'renamed');
ALTER TABLE t ALTER COLUMN big TYPE varchar(200);
\set VERBOSITY terse
ALTER TABLE t ALTER COLUMN name TYPE varchar(200);
ALTER TABLE t DROP COLUMN name;
\set VERBOSITY default
DROP TABLE i_child;
SELECT bool_and FROM done;
SELECT * FROM differing();
CREATE OR REPLACE VIEW alone WITH (continuous, tables = 'maintained') AS
    SELECT k, count(*), max(n) FROM u GROUP BY k HAVING count(*) > 2;
CREATE OR REPLACE VIEW maintained_batch.alone AS
    SELECT k, count(*), max(n) FROM u GROUP BY k HAVING count(*) > 2;
SELECT bool_and FROM done;
SELECT * FROM differing();

-- Seeded within a transaction that has changed the table, and changes it again.
BEGIN;
DELETE FROM u WHERE id > 15;
CREATE VIEW within WITH (continuous, tables = 'maintained') AS
    SELECT id, big FROM u JOIN t ON key = k;
UPDATE u SET k = 2 WHERE id = 1;
COMMIT;
CREATE VIEW maintained_batch.within AS SELECT id, big FROM u JOIN t ON key = k;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) > 0 FROM u;
CREATE VIEW repeatable WITH (continuous, tables = 'maintained') AS SELECT id, k FROM u;
COMMIT;
CREATE VIEW maintained_batch.repeatable AS SELECT id, k FROM u;
SELECT bool_and FROM done;
SELECT * FROM differing();

SELECT x FROM cq.explain('self') x WHERE x ~ '(Rows of|-> +Table)';

-- What is refused.
CREATE VIEW bad WITH (continuous, tables = 'kept') AS SELECT id FROM u;
CREATE UNLOGGED TABLE volatile_table (k int);
CREATE VIEW bad WITH (continuous, tables = 'maintained') AS
    SELECT x.k FROM s LEFT JOIN volatile_table x ON x.k = s.k;
CREATE MATERIALIZED VIEW made AS SELECT 1 AS k;
CREATE VIEW bad WITH (continuous, tables = 'maintained') AS
    SELECT made.k FROM s JOIN made ON made.k = s.k;
CREATE VIEW bad WITH (continuous, tables = 'maintained') AS SELECT k FROM ONLY i;
CREATE VIEW bad WITH (continuous, tables = 'maintained') AS SELECT relname FROM pg_class;
CREATE VIEW bad WITH (continuous, tables = 'maintained') AS
    SELECT k FROM u TABLESAMPLE system (10) REPEATABLE (1);
CREATE VIEW bad WITH (continuous, tables = 'maintained', retention = '1 day') AS SELECT id FROM u;
CREATE VIEW bad WITH (continuous) AS SELECT id FROM u;
ALTER TABLE u SET UNLOGGED;
\set VERBOSITY terse
ALTER TABLE u DROP COLUMN k;
ALTER TABLE u ALTER COLUMN n TYPE text;
DROP TABLE u;
\set VERBOSITY default

-- A view that would read what it writes; what another one writes to a table counts as any other.
CREATE TABLE sunk (id int, k int);
CREATE TABLE sunk_again (id int, k int);
CREATE VIEW bad WITH (continuous, tables = 'maintained', sink = 'sunk') AS
    SELECT DISTINCT id, k FROM sunk;
CREATE VIEW writes WITH (continuous, tables = 'maintained', sink = 'sunk') AS
    SELECT DISTINCT id, k FROM u LEFT JOIN sunk_again USING (id, k);
CREATE VIEW bad WITH (continuous, tables = 'maintained', sink = 'sunk_again') AS
    SELECT DISTINCT id, k FROM sunk;
CREATE VIEW reads WITH (continuous, tables = 'maintained') AS SELECT k, count(*) FROM sunk GROUP BY k;
CREATE VIEW maintained_batch.writes AS SELECT DISTINCT id, k FROM u;
CREATE VIEW maintained_batch.reads AS SELECT k, count(*) FROM u GROUP BY k;
INSERT INTO u VALUES (600, 5, 1);
SELECT bool_and FROM done;
SELECT * FROM differing();
DROP VIEW reads, writes, maintained_batch.reads, maintained_batch.writes;

-- Rights: TRIGGER, as for any trigger; row security that hides rows.
CREATE ROLE maintained_reader;
GRANT USAGE, CREATE ON SCHEMA maintained TO maintained_reader;
GRANT SELECT ON u, s TO maintained_reader;
SET ROLE maintained_reader;
CREATE VIEW bad WITH (continuous, tables = 'maintained') AS SELECT id FROM u;
RESET ROLE;
GRANT TRIGGER ON u TO maintained_reader;
SET ROLE maintained_reader;
CREATE VIEW theirs WITH (continuous, tables = 'maintained') AS SELECT id FROM u;
CREATE VIEW bad WITH (continuous, tables = 'maintained') AS SELECT id FROM u JOIN t ON true;
SELECT * FROM _cq.u_rows;
RESET ROLE;
CREATE VIEW maintained_batch.theirs AS SELECT id FROM u;
CREATE ROLE maintained_writer;
GRANT USAGE ON SCHEMA maintained TO maintained_writer;
GRANT INSERT ON u TO maintained_writer;
SET ROLE maintained_writer;
INSERT INTO u VALUES (700, 1, 1);
RESET ROLE;
SELECT bool_and FROM done;
SELECT * FROM differing();
ALTER TABLE u ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON u TO maintained_reader USING (id < 5);
SET ROLE maintained_reader;
CREATE VIEW bad WITH (continuous, tables = 'maintained') AS SELECT k FROM u;
RESET ROLE;
INSERT INTO u VALUES (701, 1, 1);
SELECT cq.wait('theirs', '60 s');
SELECT status, status_detail FROM cq.views WHERE view = 'theirs'::regclass;
ALTER TABLE u DISABLE ROW LEVEL SECURITY;
SELECT cq.resume('theirs');
REVOKE SELECT ON u FROM maintained_reader;
INSERT INTO u VALUES (702, 1, 1);
SELECT cq.wait('theirs', '60 s');
SELECT status, status_detail FROM cq.views WHERE view = 'theirs'::regclass;

-- With the last view that reads a table, all goes that was made for it.
DROP TABLE u CASCADE;
SELECT relation, stream FROM _cq.maintained ORDER BY relation::text;
DROP VIEW parts, distinct_union;
SELECT relation, stream FROM _cq.maintained ORDER BY relation::text;
SELECT count(*) FROM pg_trigger WHERE tgrelid::regclass::text LIKE 'p%';
DROP SCHEMA maintained, maintained_batch CASCADE;
SELECT count(*) FROM _cq.maintained;
SELECT count(*) FROM pg_class WHERE relnamespace = '_cq'::regnamespace AND relkind = 'f';
SELECT count(*) FROM _cq.log l WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = l.stream);
DROP OWNED BY maintained_reader, maintained_writer;
DROP ROLE maintained_reader, maintained_writer;
