-- Which row of a table that is a sink is meant: as the view tells its groups apart.
SET client_min_messages = warning;
CREATE SCHEMA sink_key;
SET search_path = sink_key;
CREATE COLLATION ignores_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN pair_domain AS pair;
CREATE FOREIGN TABLE s (p pair, d pair_domain, k int, t text, v int) SERVER cq_log;

-- A row of nulls is no null, and one with some is none either.
CREATE TABLE of_rows (p pair, d pair_domain, k int, n bigint);
CREATE CONTINUOUS VIEW rows WITH (sink = 'of_rows') AS
    SELECT p, d, k, count(*) AS n FROM s GROUP BY p, d, k;
INSERT INTO s (p, d, k) VALUES (NULL, NULL, 1), (ROW(NULL, NULL), NULL, 1),
    (NULL, ROW(NULL, NULL), 1), (ROW(1, NULL), NULL, 1), (ROW(NULL, NULL), ROW(NULL, NULL), NULL), (NULL, NULL, NULL);
SELECT cq.wait('rows');
INSERT INTO s (p, d, k) VALUES (ROW(NULL, NULL), NULL, 1), (NULL, ROW(NULL, NULL), 1),
    (ROW(1, NULL), NULL, 1);
INSERT INTO s (p, d, k) VALUES (NULL, NULL, 1);
INSERT INTO s (p, d, k) VALUES (ROW(NULL, NULL), ROW(NULL, NULL), NULL), (NULL, NULL, NULL);
SELECT cq.wait('rows');
SELECT p, d, k, n FROM of_rows ORDER BY p::text NULLS FIRST, d::text NULLS FIRST, k;
TABLE rows EXCEPT ALL TABLE of_rows;
TABLE of_rows EXCEPT ALL TABLE rows;

-- The sink's collation has no say: neither merges it groups, nor does it take them apart.
CREATE TABLE merging (t text COLLATE ignores_case, n bigint, sum bigint);
CREATE TABLE parting (t text, n bigint, sum bigint);
CREATE TABLE arrays (t text[] COLLATE ignores_case, n bigint);
CREATE CONTINUOUS VIEW apart WITH (sink = 'merging') AS
    SELECT t, count(*) AS n, sum(v) AS sum FROM s WHERE t IS NOT NULL GROUP BY t;
CREATE CONTINUOUS VIEW together WITH (sink = 'parting') AS
    SELECT t COLLATE ignores_case AS t, count(*) AS n, sum(v) AS sum FROM s
    WHERE t IS NOT NULL GROUP BY t COLLATE ignores_case HAVING sum(v) < 100;
CREATE CONTINUOUS VIEW of_arrays WITH (sink = 'arrays') AS
    SELECT ARRAY[t] AS t, count(*) AS n FROM s WHERE t IS NOT NULL GROUP BY ARRAY[t];
INSERT INTO s (t, v) VALUES ('a', 1), ('A', 2), ('b', 3);
SELECT cq.wait('apart'), cq.wait('together'), cq.wait('of_arrays');
INSERT INTO s (t, v) VALUES ('A', 4), ('B', 5);
SELECT cq.wait('apart'), cq.wait('together'), cq.wait('of_arrays');
SELECT * FROM merging ORDER BY t COLLATE "C";
SELECT lower(t) AS t, n, sum FROM parting ORDER BY 1;
SELECT * FROM arrays ORDER BY t COLLATE "C";
TABLE apart EXCEPT ALL SELECT t COLLATE "C", n, sum FROM merging;
INSERT INTO s (t, v) VALUES ('a', 1000);
SELECT cq.wait('apart'), cq.wait('together'), cq.wait('of_arrays');
SELECT * FROM merging ORDER BY t COLLATE "C";
SELECT lower(t) AS t, n, sum FROM parting ORDER BY 1;
-- What the sink's own constraints say of it is an error of the row.
TRUNCATE merging;
ALTER TABLE merging ADD UNIQUE (t);
INSERT INTO s (t, v) VALUES ('a', 1);
INSERT INTO s (t, v) VALUES ('A', 1);
SELECT cq.wait('apart');
SELECT * FROM merging;
SELECT sqlstate FROM cq.errors WHERE view = 'apart'::regclass;
DROP SCHEMA sink_key CASCADE;
