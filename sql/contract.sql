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
SELECT view::text, message, column_name, constraint_name FROM cq.errors WHERE view IN ('v'::regclass, 'w'::regclass) ORDER BY 1, "offset", 2;
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
-- Names of what is broken: of NOT NULL the column, of a domain its constraint, of the query's own as well.
CREATE DOMAIN even AS int CONSTRAINT is_even CHECK (VALUE % 2 = 0);
CREATE FOREIGN TABLE t (a int, b int) SERVER cq_log;
INSERT INTO t VALUES (NULL, 2), (1, 13), (1, 3), (1, 5), (1, 2);
ALTER FOREIGN TABLE t ADD e int GENERATED ALWAYS AS (b::even) STORED, ALTER a SET NOT NULL, ADD CONSTRAINT lucky CHECK (b <> 13);
CREATE VIEW x WITH (continuous) AS SELECT a, b::even AS b FROM t;
CREATE VIEW y WITH (continuous) AS SELECT a, e FROM t;
SELECT cq.wait('x'), cq.wait('y');
SELECT view::text, sqlstate, column_name, constraint_name, count(*) FROM cq.errors WHERE stream = 't'::regclass GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4;
-- What a view sends to a topic is held to them as well, but for what the topic or the reader makes.
CREATE SERVER contract_kafka FOREIGN DATA WRAPPER cq_kafka
    OPTIONS (bootstrap_servers '127.0.0.1:1');
CREATE FOREIGN TABLE held (k int NOT NULL, total bigint CONSTRAINT small CHECK (total < 50),
  twice bigint NOT NULL GENERATED ALWAYS AS (total * 2) STORED,
  part int OPTIONS (metadata 'partition') NOT NULL)
  SERVER contract_kafka OPTIONS (topic 'held', mode 'upsert');
CREATE FOREIGN TABLE kept (k int, v int) SERVER cq_log;
CREATE VIEW z WITH (continuous, sink = 'held') AS SELECT k, sum(v) AS total FROM kept GROUP BY k;
INSERT INTO kept VALUES (1, 10), (2, 60), (NULL, 1), (1, 45), (1, 5);
SELECT cq.wait('z');
SELECT * FROM z ORDER BY k;
SELECT convert_from(value, 'UTF8') AS value FROM _cq.z_outbox ORDER BY id;
SELECT "offset", sqlstate, message, constraint_name FROM cq.errors
    WHERE view = 'z'::regclass ORDER BY 1;
DROP SCHEMA contract CASCADE;
DROP SERVER contract_kafka;
