-- Tables whose changes count, beside what is final: windows that close, and rows and groups that
-- go, do so in a view of the streams alone, which is read by its name.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE SCHEMA maintained_final;
SET search_path = maintained_final;
CREATE FOREIGN TABLE s (k int, v int, at timestamptz) SERVER cq_log OPTIONS (event_time 'at');
CREATE TABLE t (k int PRIMARY KEY, name text);
INSERT INTO t VALUES (0, 'zero'), (1, 'one'), (7, 'seven');

-- Refused, with the way out.
CREATE VIEW x WITH (continuous, tables = 'maintained', emit = 'close') AS
    SELECT count(*), window_end, name FROM s JOIN t USING (k), cq.tumble(at, '1 min') GROUP BY 2, 3;
\set VERBOSITY terse
CREATE VIEW x WITH (continuous, tables = 'maintained', retention = '1 day') AS
    SELECT count(*), window_end, name FROM s JOIN t USING (k), cq.tumble(at, '1 min') GROUP BY 2, 3;
CREATE VIEW x WITH (continuous, tables = 'maintained', retention = '1 day') AS
    SELECT count(*), name FROM s JOIN t USING (k) GROUP BY 2;
CREATE VIEW x WITH (continuous, tables = 'maintained', emit = 'close', late = 'amend') AS
    SELECT count(*), window_end FROM s JOIN t USING (k), cq.tumble(at, '1 min') GROUP BY 2;
CREATE VIEW x WITH (continuous, tables = 'maintained', retention = '1 day') AS SELECT v FROM s;
\set VERBOSITY default
DROP VIEW x;

-- Without the option: looked up as of the batch.
CREATE VIEW looked_up WITH (continuous, emit = 'close') AS
    SELECT window_end, name, count(*) FROM s JOIN t USING (k), cq.tumble(at, '1 min') GROUP BY 1, 2;

-- In a view of its own.
CREATE VIEW closed WITH (continuous, emit = 'close') AS
    SELECT window_end, k, count(*) AS n FROM s, cq.tumble(at, '1 min') GROUP BY 1, 2;
CREATE VIEW named WITH (continuous, tables = 'maintained') AS
    SELECT window_end, k, n, name FROM closed FULL JOIN t USING (k);
CREATE VIEW recent WITH (continuous, retention = '1 day') AS SELECT k, v FROM s;
CREATE VIEW recent_named WITH (continuous, tables = 'maintained') AS
    SELECT name, count(v) AS n FROM recent RIGHT JOIN t USING (k) GROUP BY name;
CREATE VIEW groups WITH (continuous, retention = '1 day') AS
    SELECT k, count(*) AS n FROM s GROUP BY k;
CREATE VIEW groups_named WITH (continuous, tables = 'maintained') AS
    SELECT name, n FROM groups LEFT JOIN t USING (k);

-- Until a query gives that; what it gives.
CREATE FUNCTION await(query text, expected text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    FOR i IN 1 .. 3000 LOOP
        PERFORM _cq.expire_rows();
        EXECUTE query INTO found;
        EXIT WHEN found = expected;
        PERFORM pg_sleep(0.02);
    END LOOP;
    RETURN found;
END
$$;
INSERT INTO s SELECT i % 3, i, '2026-01-01'::timestamptz + i * interval '1 s'
    FROM generate_series(0, 180) i;
SELECT await('SELECT max(window_end) FROM closed', '2026-01-01 00:03:00+00');
SELECT await('SELECT max(window_end) FROM looked_up', '2026-01-01 00:03:00+00');
SELECT cq.wait('named'), cq.wait('recent_named'), cq.wait('groups_named');
SELECT * FROM named ORDER BY 1, 2;
SELECT * FROM recent_named ORDER BY 1;
SELECT * FROM groups_named ORDER BY 1;

UPDATE t SET name = 'ONE' WHERE k = 1;
INSERT INTO t VALUES (2, 'two');
DELETE FROM t WHERE k = 7;
SELECT cq.wait('named'), cq.wait('recent_named'), cq.wait('groups_named');
SELECT * FROM named ORDER BY 1, 2;
SELECT * FROM recent_named ORDER BY 1;
SELECT * FROM groups_named ORDER BY 1;
SELECT name, sum(count) FROM looked_up GROUP BY 1 ORDER BY 1;

-- What goes is gone for those above.
ALTER VIEW recent SET (retention = '1 us');
ALTER VIEW groups SET (retention = '1 us');
SELECT await('SELECT sum(n) FROM recent_named', '0');
SELECT await('SELECT count(*) FROM groups_named', '0');
SELECT * FROM recent_named ORDER BY 1;
DROP SCHEMA maintained_final CASCADE;
