-- CHECK constraints of streams are held against what is read, whichever columns are needed.
SET client_min_messages = warning;
CREATE SCHEMA contract;
SET search_path = contract;
CREATE FOREIGN TABLE s (a int, b text, c text, d int GENERATED ALWAYS AS (a * 2) STORED) SERVER cq_log;
INSERT INTO s VALUES (1, 'x', 'one'), (-1, 'x', 'two'), (NULL, 'y', 'three'), (7, 'y', NULL), (0, 'z', 'zero'), (60, 'z', 'much');
ALTER FOREIGN TABLE s ADD CONSTRAINT positive CHECK (a >= 0), ADD CONSTRAINT divides CHECK (100 / a > 0),
    ADD CONSTRAINT small CHECK (d < 100 OR c IS NULL);
CREATE VIEW v WITH (continuous) AS SELECT b, count(*) FROM s GROUP BY b;
CREATE VIEW w WITH (continuous) AS SELECT a, b FROM s;
SELECT cq.wait('v'), cq.wait('w');
SELECT * FROM v ORDER BY b;
SELECT * FROM w ORDER BY a;
SELECT view::text, message FROM cq.errors WHERE view IN ('v'::regclass, 'w'::regclass) ORDER BY 1, "offset", 2;
SELECT b FROM s;
INSERT INTO s VALUES (-5, 'x', 'refused');
ALTER FOREIGN TABLE s OPTIONS (ADD on_error 'skip');
SELECT b, c FROM s ORDER BY c;
(TABLE v EXCEPT ALL SELECT b, count(*) FROM s GROUP BY b) UNION ALL (SELECT b, count(*) FROM s GROUP BY b EXCEPT ALL TABLE v);
-- One that comes, and goes, while a view runs.
ALTER FOREIGN TABLE s DROP CONSTRAINT divides;
INSERT INTO s VALUES (0, 'z', 'again');
SELECT cq.wait('v');
SELECT * FROM v ORDER BY b;
DROP SCHEMA contract CASCADE;
