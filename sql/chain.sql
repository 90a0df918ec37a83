-- Views of views: what a view writes to a stream of this database reaches the views on it in the same transaction.
SET client_min_messages = warning;
CREATE SCHEMA chain;
SET search_path = chain;
CREATE FOREIGN TABLE s (k int, v int) SERVER cq_log;
CREATE FOREIGN TABLE large (k int, v int) SERVER cq_log;
CREATE CONTINUOUS VIEW a WITH (sink = 'large') AS SELECT k, v FROM s WHERE v >= 5;
CREATE CONTINUOUS VIEW b WITH (changes = 'b_changes') AS
    SELECT k, count(*) AS n, sum(v) AS total FROM large GROUP BY k HAVING count(*) <> 4;
CREATE CONTINUOUS VIEW c AS
    SELECT count(*) FILTER (WHERE old IS NULL) AS born, count(*) FILTER (WHERE new IS NULL) AS gone, count(*),
           sum(coalesce((new).total, 0) - coalesce((old).total, 0)) AS total
    FROM b_changes;
INSERT INTO s SELECT i % 3, i FROM generate_series(1, 9) i;
SELECT cq.wait('c');
SELECT * FROM b ORDER BY k;
SELECT * FROM c;
SELECT old, new FROM b_changes ORDER BY new;
INSERT INTO s SELECT i % 3, i FROM generate_series(1, 9) i;
-- One that has seen a stream has taken along what comes after it.
SELECT cq.wait('a');
SELECT * FROM b ORDER BY k;
SELECT * FROM c;
SELECT sum(total) FROM b;
SELECT old, new FROM b_changes ORDER BY new, old;
-- A view that comes later, and one that was paused, catch up and are taken along again.
CREATE CONTINUOUS VIEW later AS SELECT count(*) FROM b_changes;
SELECT cq.wait('later');
SELECT * FROM later;
SELECT cq.pause('c');
INSERT INTO s VALUES (7, 7);
SELECT cq.wait('later');
SELECT * FROM later;
SELECT * FROM c;
SELECT cq.resume('c');
SELECT cq.wait('c');
SELECT * FROM c;
INSERT INTO s VALUES (8, 8);
SELECT cq.wait('a');
SELECT later.count, c.count FROM later, c;
-- A row that a view further down cannot take is its own dead letter.
CREATE CONTINUOUS VIEW ratio AS SELECT sum(100 / (v - 50)) FROM large;
SELECT cq.wait('ratio');
INSERT INTO s VALUES (9, 50), (9, 60);
SELECT cq.wait('ratio');
SELECT view, message FROM cq.errors ORDER BY 1;
SELECT count(*) FROM a WHERE k = 9;
SELECT n FROM b WHERE k = 9;
-- The changes are there for triggers, too.
CREATE TABLE noted (text text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chain.noted VALUES (format('%s -> %s', OLD, NEW.new));
    RETURN NULL;
END
$$;
CREATE TRIGGER note AFTER INSERT ON b_changes FOR EACH ROW EXECUTE FUNCTION note();
INSERT INTO s VALUES (11, 11);
SELECT cq.wait('b');
SELECT * FROM noted;
-- What a view writes must not come back to it.
CREATE CONTINUOUS VIEW d WITH (sink = 's') AS SELECT k, v FROM s;
CREATE CONTINUOUS VIEW d WITH (sink = 's') AS SELECT k, v FROM large;
CREATE CONTINUOUS VIEW d WITH (sink = 's') AS SELECT (new).k, (new).total::int AS v FROM b_changes;
CREATE CONTINUOUS VIEW d WITH (changes = 'b') AS SELECT k, v FROM s;
DROP FOREIGN TABLE b_changes;
DROP VIEW b;
DROP VIEW c, later;
CREATE OR REPLACE CONTINUOUS VIEW b WITH (changes = 'b_changes') AS SELECT k, count(*) AS n, sum(v) AS total FROM large GROUP BY k;
SELECT cq.wait('b');
SELECT count(*) FROM b_changes;
DROP VIEW b;
SELECT count(*) FROM pg_class WHERE relname = 'b_changes';
DROP SCHEMA chain CASCADE;
