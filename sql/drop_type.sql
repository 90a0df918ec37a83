-- DROP … CASCADE of the type or collation of a state's column: the view goes, with all of its parts.
CREATE SCHEMA drop_type;
SET search_path = drop_type;
SET client_min_messages = warning;
CREATE SCHEMA types;
CREATE TYPE mood AS ENUM ('a', 'b');
CREATE DOMAIN low AS int CHECK (value < 10);
CREATE TYPE pair AS (a int, b int);
CREATE TYPE span AS RANGE (subtype = int);
CREATE TYPE types.t AS ENUM ('x');
CREATE TABLE rows (a int);
CREATE COLLATION mine FROM "C";
CREATE FOREIGN TABLE plain (x text) SERVER cq_log;
CREATE FOREIGN TABLE s (k int, m mood, d low, c pair, t types.t) SERVER cq_log;
CREATE CONTINUOUS VIEW v1 AS SELECT x::mood AS m, count(*) FROM plain GROUP BY 1;
CREATE CONTINUOUS VIEW v2 AS SELECT x::low AS m, count(*) FROM plain GROUP BY 1;
CREATE CONTINUOUS VIEW v3 AS SELECT max(x::types.t) AS m FROM plain;
CREATE CONTINUOUS VIEW v4 WITH (changes = 'told4') AS SELECT x::mood AS m, count(*) FROM plain GROUP BY 1;
CREATE CONTINUOUS VIEW v5 AS SELECT m, count(*) FROM s GROUP BY 1;
CREATE CONTINUOUS VIEW v6 AS SELECT m, d, c, t FROM s;
CREATE CONTINUOUS VIEW v7 AS SELECT json_agg(d) FROM s;
CREATE CONTINUOUS VIEW v8 AS SELECT x::rows AS r FROM plain;
CREATE CONTINUOUS VIEW v9 AS SELECT x COLLATE mine AS x, count(*) FROM plain GROUP BY 1;
CREATE CONTINUOUS VIEW v10 AS SELECT x::span AS x, count(*) FROM plain GROUP BY 1;
CREATE CONTINUOUS VIEW v11 AS SELECT ARRAY[x::mood] AS x FROM plain;
CREATE CONTINUOUS VIEW v12 AS SELECT m, count(*) FROM (SELECT (new).m FROM told4) q GROUP BY m;
CREATE VIEW left_over AS
    SELECT relname FROM pg_class WHERE relnamespace = '_cq'::regnamespace AND relname ~ '^(v\d|told)';
-- As a restored database has it.
DELETE FROM pg_depend WHERE deptype = 'a' AND refclassid IN ('pg_type'::regclass, 'pg_collation'::regclass)
    AND objid IN (SELECT relation FROM _cq.part WHERE role = 'state');
SELECT _cq.adopt_parts();
DROP TYPE mood;
DROP SCHEMA types CASCADE;
SELECT view FROM _cq.view ORDER BY view::oid;
DROP DOMAIN low CASCADE;
SELECT view FROM _cq.view ORDER BY view::oid;
DROP TYPE pair CASCADE;
DROP TABLE rows CASCADE;
DROP COLLATION mine CASCADE;
DROP TYPE span CASCADE;
SELECT view FROM _cq.view ORDER BY view::oid;
DROP TYPE mood CASCADE;
SELECT view FROM _cq.view;
SELECT * FROM left_over;
\d s
INSERT INTO s VALUES (1);
SELECT * FROM s;
DROP SCHEMA drop_type CASCADE;
DELETE FROM _cq.identity;
