-- Rows named as values, and columns that come and go. Where nodes keep the rows, the columns stay;
-- other views take the rows as they are.
SET client_min_messages = warning;
CREATE SCHEMA whole_row;
SET search_path = whole_row;
CREATE FOREIGN TABLE a (id int, x int, g int) SERVER cq_log;
CREATE FOREIGN TABLE b (id int) SERVER cq_log;
CREATE FUNCTION waited() RETURNS boolean LANGUAGE sql AS
  $$ SELECT bool_and(cq.wait(view)) FROM cq.views JOIN pg_class ON oid = view
     WHERE relnamespace = 'whole_row'::regnamespace $$;

CREATE CONTINUOUS VIEW passes AS SELECT id, to_jsonb(a) AS row FROM a;
INSERT INTO a VALUES (1, 2, 3);
SELECT waited();
-- No moment between: a reader that was opened before must not read what comes after.
ALTER FOREIGN TABLE a ADD COLUMN n int;
INSERT INTO a VALUES (2, 2, 3, 7);
SELECT waited();
ALTER FOREIGN TABLE a DROP COLUMN g;
INSERT INTO a VALUES (3, 2, 8);
SELECT waited();
TABLE passes ORDER BY id;

CREATE CONTINUOUS VIEW keeps AS
  SELECT id, to_jsonb(a) AS row FROM a WHERE NOT EXISTS (SELECT FROM b WHERE b.id = a.id);
ALTER FOREIGN TABLE a ADD COLUMN m int;
ALTER FOREIGN TABLE a DROP COLUMN x;
ALTER FOREIGN TABLE a ADD COLUMN IF NOT EXISTS n int;
ALTER FOREIGN TABLE a RENAME COLUMN x TO y;
ALTER FOREIGN TABLE b ADD COLUMN m int;
DROP VIEW keeps;

-- Through a view, and by a sub-select's own reference.
CREATE VIEW through AS SELECT id, a AS row FROM a;
CREATE CONTINUOUS VIEW keeps AS SELECT DISTINCT (t.row).id, t.row::text FROM through t;
ALTER FOREIGN TABLE a ADD COLUMN m int;
DROP VIEW keeps;
CREATE CONTINUOUS VIEW keeps AS
  SELECT id FROM b WHERE EXISTS (SELECT FROM a WHERE a.id = b.id AND a IS NOT NULL);
ALTER FOREIGN TABLE a ADD COLUMN m int;
DROP VIEW keeps;
-- The row of a sub-select has the columns that it names.
CREATE CONTINUOUS VIEW keeps AS
  SELECT count(DISTINCT to_jsonb(s)) FROM (SELECT id, n FROM a) AS s;
ALTER FOREIGN TABLE a ADD COLUMN m int;
INSERT INTO a VALUES (4, 2, 3, 7);

-- Views that others read whole.
CREATE CONTINUOUS VIEW below AS SELECT id, count(*) FROM a GROUP BY id;
CREATE CONTINUOUS VIEW above AS SELECT id, to_jsonb(below) AS row FROM below;
CREATE CONTINUOUS VIEW named AS SELECT id, count FROM below;
CREATE OR REPLACE CONTINUOUS VIEW below AS SELECT id, count(*), max(n) FROM a GROUP BY id;
CREATE OR REPLACE CONTINUOUS VIEW below AS SELECT id, count(*) FROM a WHERE id > 1 GROUP BY id;
DROP VIEW above;
CREATE OR REPLACE CONTINUOUS VIEW below AS SELECT id, count(*), max(n) FROM a GROUP BY id;
SELECT waited();
TABLE below ORDER BY id;
TABLE named EXCEPT ALL SELECT id, count(*) FROM a GROUP BY id;
SELECT id, count(*) FROM a GROUP BY id EXCEPT ALL TABLE named;
TABLE keeps;
DROP SCHEMA whole_row CASCADE;
