-- Changes of a view go to its sink: a table here, the outbox of a topic there. (What is sent is tested with a broker.)
SET client_min_messages = warning;
CREATE SCHEMA sinks;
SET search_path = sinks;
CREATE FOREIGN TABLE s (k int, v int, t text) SERVER cq_log;

-- A table follows what is new, what has changed, and what is gone.
CREATE TABLE totals (total bigint, k int UNIQUE, n bigint, noted text DEFAULT 'by default');
CREATE TABLE history (op text, old_n bigint, new_n bigint);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sinks.history VALUES (TG_OP, CASE WHEN TG_OP <> 'INSERT' THEN OLD.n END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.n END);
    RETURN NULL;
END
$$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON totals FOR EACH ROW EXECUTE FUNCTION note();
CREATE CONTINUOUS VIEW v WITH (sink = 'totals') AS
    SELECT k, count(*) AS n, sum(v) AS total FROM s GROUP BY k HAVING sum(v) < 100;
INSERT INTO s SELECT i % 3, i, 'x' FROM generate_series(1, 9) i;
SELECT cq.wait('v');
SELECT * FROM totals ORDER BY k;
INSERT INTO s VALUES (0, 100, 'y'), (NULL, 1, 'n'), (1, 0, 'z');
SELECT cq.wait('v');
SELECT * FROM totals ORDER BY k;
INSERT INTO s VALUES (0, -100, 'y'), (NULL, 1, 'n'), (3, 0, 'z');
SELECT cq.wait('v');
SELECT * FROM totals ORDER BY k;
SELECT * FROM v EXCEPT ALL SELECT k, n, total FROM totals;
SELECT * FROM history ORDER BY 1, 2, 3;
-- One that somebody has taken away comes back with its next change.
DELETE FROM totals WHERE k = 2;
INSERT INTO s VALUES (2, 1, 'y');
SELECT cq.wait('v');
SELECT * FROM totals WHERE k = 2;
-- What is there already, since the view begins again, is brought up to date.
SELECT cq.reset('v');
SELECT cq.wait('v');
SELECT * FROM totals ORDER BY k;
-- A row that the sink refuses is a dead letter, and the rest goes on.
ALTER TABLE totals ADD CHECK (n < 10);
INSERT INTO s SELECT 1, 0, 'many' FROM generate_series(1, 20);
INSERT INTO s VALUES (5, 5, 'other');
SELECT cq.wait('v');
SELECT * FROM v EXCEPT ALL SELECT k, n, total FROM totals;
SELECT n FROM totals WHERE k = 1;
SELECT count(*), min(message) FROM cq.errors WHERE view = 'v'::regclass;
SELECT status FROM cq.views WHERE view = 'v'::regclass;
DROP TABLE totals;
DROP VIEW v;

-- Rows, and closed windows, are added; a stream of this database takes them as well.
CREATE TABLE large (v int, k int);
CREATE FOREIGN TABLE large_stream (k int, v int) SERVER cq_log;
CREATE CONTINUOUS VIEW r WITH (sink = 'large') AS SELECT k, v FROM s WHERE v > 5;
CREATE CONTINUOUS VIEW rs WITH (sink = 'sinks.large_stream') AS SELECT k, v FROM s WHERE v > 5;
CREATE CONTINUOUS VIEW by_k AS SELECT k, count(*) FROM large_stream GROUP BY k;
SELECT cq.wait('r'), cq.wait('rs'), cq.wait('by_k');
SELECT * FROM large ORDER BY v;
SELECT * FROM by_k ORDER BY k;
DROP VIEW r, rs, by_k;

-- Messages of a topic.
CREATE SERVER sinks_kafka FOREIGN DATA WRAPPER cq_kafka OPTIONS (bootstrap_servers '127.0.0.1:1');
CREATE FOREIGN TABLE upserts (k int, n bigint, total bigint) SERVER sinks_kafka OPTIONS (topic 'upserts', mode 'upsert');
CREATE FOREIGN TABLE images (k int, n bigint, total bigint) SERVER sinks_kafka OPTIONS (topic 'images', mode 'debezium');
CREATE FOREIGN TABLE added (id text OPTIONS (metadata 'key'), v int, t text) SERVER sinks_kafka OPTIONS (topic 'added');
CREATE CONTINUOUS VIEW u WITH (sink = 'upserts') AS
    SELECT k, count(*) AS n, sum(v) AS total FROM s WHERE k < 4 GROUP BY k HAVING sum(v) < 100;
CREATE CONTINUOUS VIEW d WITH (sink = 'images') AS
    SELECT k, count(*) AS n, sum(v) AS total FROM s WHERE k < 4 GROUP BY k HAVING sum(v) < 100;
CREATE CONTINUOUS VIEW a WITH (sink = 'added') AS SELECT k::text AS id, v, t FROM s WHERE v > 8;
CREATE CONTINUOUS VIEW one WITH (sink = 'upserts') AS SELECT count(*) AS n FROM s;
SELECT cq.wait('u'), cq.wait('d'), cq.wait('a'), cq.wait('one');
INSERT INTO s VALUES (0, 100, 'y'), (1, 0, 'z'), (9, 1, 'none');
SELECT cq.wait('u'), cq.wait('d'), cq.wait('a'), cq.wait('one');
SELECT convert_from(key, 'utf8') AS key, convert_from(value, 'utf8') AS value FROM _cq.u_outbox ORDER BY key, id;
SELECT convert_from(key, 'utf8') AS key, regexp_replace(convert_from(value, 'utf8'), '\d{13}', '…') AS value FROM _cq.d_outbox ORDER BY key, id;
SELECT convert_from(key, 'utf8') AS key, convert_from(value, 'utf8') AS value FROM _cq.a_outbox ORDER BY id;
SELECT convert_from(key, 'utf8') AS key, convert_from(value, 'utf8') AS value FROM _cq.one_outbox ORDER BY id;
SELECT view, next_id FROM _cq.outbox_end ORDER BY 1;
CREATE OR REPLACE CONTINUOUS VIEW one AS SELECT count(*) AS n FROM s;
DROP VIEW a;
SELECT view, sink FROM _cq.sink ORDER BY 1;
SELECT relname FROM pg_class WHERE relname ~ 'outbox' AND relnamespace = '_cq'::regnamespace AND relkind = 'r' AND relname <> 'outbox_end' ORDER BY 1;

-- What does not fit is refused.
CREATE TABLE narrow (k int);
CREATE TABLE other (k int, n int, total bigint);
CREATE TABLE generated (k int, n bigint, total bigint GENERATED ALWAYS AS (n + 1) STORED);
CREATE CONTINUOUS VIEW x WITH (sink = 'nowhere') AS SELECT k FROM s;
CREATE CONTINUOUS VIEW x WITH (sink = 'u') AS SELECT k FROM s;
CREATE CONTINUOUS VIEW x WITH (sink = 'pg_class') AS SELECT k FROM s;
CREATE CONTINUOUS VIEW x WITH (sink = 'narrow') AS SELECT k, v FROM s;
CREATE CONTINUOUS VIEW x WITH (sink = 'other') AS SELECT k, count(*) AS n FROM s GROUP BY k;
CREATE CONTINUOUS VIEW x WITH (sink = 'generated') AS SELECT k, count(*) AS total FROM s GROUP BY k;
CREATE CONTINUOUS VIEW x WITH (sink = 'added') AS SELECT k::text AS id, count(*)::int AS v FROM s GROUP BY k;
CREATE CONTINUOUS VIEW x WITH (sink = 'large_stream') AS SELECT k, count(*)::int AS v FROM s GROUP BY k;
CREATE CONTINUOUS VIEW x WITH (sink = 'upserts') AS SELECT count(*) AS n FROM s GROUP BY k;
CREATE CONTINUOUS VIEW x WITH (sink = 'upserts') AS SELECT k FROM s;
CREATE CONTINUOUS VIEW x WITH (sink = 'upserts') AS SELECT generate_series(1, count(*)) AS n, k FROM s GROUP BY k;
CREATE CONTINUOUS VIEW x WITH (sink = 'upserts') AS SELECT k, count(*) AS n FROM s GROUP BY ROLLUP (k);
CREATE CONTINUOUS VIEW x WITH (notify = '') AS SELECT k FROM s;
ALTER VIEW u SET (sink = 'images');
SELECT * FROM upserts;
CREATE CONTINUOUS VIEW x AS SELECT k FROM upserts;
DROP FOREIGN TABLE upserts;
CREATE FOREIGN TABLE stamped (k int, made timestamptz OPTIONS (metadata 'timestamp')) SERVER sinks_kafka OPTIONS (topic 'stamped', mode 'upsert');
CREATE CONTINUOUS VIEW x WITH (sink = 'stamped') AS SELECT timestamptz '2025-01-01' + v * interval '1 s' AS made, count(*)::int AS k FROM s GROUP BY 1;
-- What is altered later stops the view, and is no row's fault.
CREATE CONTINUOUS VIEW x WITH (sink = 'upserts') AS SELECT k, count(*) AS n FROM s GROUP BY k;
SELECT cq.wait('x');
ALTER TABLE _cq.x_outbox ALTER "timestamp" TYPE text;
INSERT INTO s VALUES (1, 1, 'z');
SELECT cq.wait('x');
ALTER TABLE _cq.x_outbox ALTER "timestamp" TYPE timestamptz USING "timestamp"::timestamptz;
SELECT cq.resume('x');
SELECT cq.wait('x');
ALTER FOREIGN TABLE upserts OPTIONS (SET mode 'append');
INSERT INTO s VALUES (1, 1, 'z');
SELECT cq.wait('x');
SELECT count(*) FROM cq.errors WHERE view = 'x'::regclass;
ALTER FOREIGN TABLE upserts OPTIONS (SET mode 'upsert');
SELECT cq.resume('x');
SELECT cq.wait('x');
DROP VIEW x;
-- A new owner owns what belongs to the view.
CREATE ROLE regress_sinks_owner;
GRANT USAGE, CREATE ON SCHEMA sinks TO regress_sinks_owner;
GRANT SELECT ON s TO regress_sinks_owner;
CREATE CONTINUOUS VIEW x WITH (changes = 'x_changes') AS SELECT k, count(*) AS n FROM s GROUP BY k;
SELECT cq.wait('x');
ALTER VIEW x OWNER TO regress_sinks_owner;
SELECT relname, relowner::regrole FROM pg_class WHERE relname ~ '^x_' AND relkind IN ('r', 'f', 'v') ORDER BY 1;
INSERT INTO s VALUES (1, 1, 'z');
SELECT cq.wait('x');
SELECT count(*) FROM x_changes;
DROP OWNED BY regress_sinks_owner;
DROP ROLE regress_sinks_owner;
-- Whoever makes the view must be allowed to write there.
CREATE ROLE regress_sinks;
GRANT USAGE, CREATE ON SCHEMA sinks TO regress_sinks;
GRANT SELECT ON s TO regress_sinks;
SET ROLE regress_sinks;
CREATE CONTINUOUS VIEW x WITH (sink = 'added') AS SELECT v, t FROM s;
CREATE CONTINUOUS VIEW x WITH (sink = 'narrow') AS SELECT k FROM s;
RESET ROLE;
DROP SCHEMA sinks CASCADE;
SELECT count(*) FROM _cq.sink;
SELECT count(*) FROM _cq.outbox_end;
DROP SERVER sinks_kafka;
DROP ROLE regress_sinks;
