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
-- A circle cannot be created. If there is one all the same, nothing goes round in it.
CREATE FOREIGN TABLE one (v int) SERVER cq_log;
CREATE FOREIGN TABLE two (v int) SERVER cq_log;
CREATE FOREIGN TABLE three (v int) SERVER cq_log;
CREATE CONTINUOUS VIEW forth WITH (sink = 'two') AS SELECT v FROM one;
CREATE CONTINUOUS VIEW back WITH (sink = 'three') AS SELECT v FROM two;
SELECT cq.pause('back');
UPDATE _cq.view SET sink = 'one'::regclass WHERE view = 'back'::regclass;
SELECT cq.resume('back');
INSERT INTO one VALUES (1);
CREATE PROCEDURE wait_until_failed() LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..6000 LOOP
        IF EXISTS (SELECT FROM cq.views WHERE view IN ('forth'::regclass, 'back'::regclass) AND status = 'failed') THEN RETURN; END IF;
        PERFORM pg_sleep(0.01);
        COMMIT;
    END LOOP;
    RAISE 'none has failed';
END $$;
CALL wait_until_failed();
SELECT status_detail FROM cq.views WHERE view IN ('forth'::regclass, 'back'::regclass) AND status = 'failed';
-- A chain longer than what fits into one transaction goes on in the next.
DO $$
BEGIN
    FOR i IN 0..22 LOOP
        EXECUTE format('CREATE FOREIGN TABLE l%s (v int) SERVER cq_log', i);
    END LOOP;
    FOR i IN 1..22 LOOP
        EXECUTE format('CREATE VIEW c%s WITH (continuous, sink = ''l%s'') AS SELECT v + 1 AS v FROM l%s', i, i, i - 1);
    END LOOP;
END $$;
INSERT INTO l0 VALUES (0);
SELECT cq.wait('c' || i) FROM generate_series(1, 22) i \g /dev/null
TABLE l22;
DROP SCHEMA chain CASCADE;
