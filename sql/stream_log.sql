-- Streams that are kept in this database.
CREATE SCHEMA stream_log;
SET search_path = stream_log;
CREATE FOREIGN TABLE s (
    a int,
    b text,
    at timestamptz OPTIONS (metadata 'timestamp'),
    "offset" bigint OPTIONS (metadata 'offset'),
    part int OPTIONS (metadata 'partition'),
    topic text OPTIONS (metadata 'topic'),
    key text OPTIONS (metadata 'key'),
    headers jsonb OPTIONS (metadata 'headers')
) SERVER cq_log;

-- Before the first write.
SELECT * FROM s;
SELECT * FROM _cq.stream_extents('s');
SELECT count(*) FROM _cq.log WHERE stream = 's'::regclass;

-- INSERT in its forms; what the stream adds comes back.
INSERT INTO s (a, b, at, key, headers)
VALUES (1, 'one', '2026-01-01 00:00:01Z', 'k', '[{"key": "h", "value": "v"}]'), (2, NULL, '2026-01-01 00:00:02Z', NULL, NULL)
RETURNING *;
INSERT INTO s (a, b) SELECT g, 'row ' || g FROM generate_series(3, 5) AS g;
SELECT a, b, at IS NOT NULL AS has_time, "offset", part, topic, key, headers FROM s ORDER BY "offset";
COPY s (a, b, at) FROM stdin;
6	six	2026-01-01 00:00:06Z
7	\N	2026-01-01 00:00:07Z
\.
INSERT INTO s (a) SELECT a + 10 FROM s WHERE a < 3;
SELECT count(*), sum(a), count(b), max("offset") FROM s;
INSERT INTO s ("offset") VALUES (3);
INSERT INTO s (part) VALUES (1);
WITH inserted AS (INSERT INTO s (a) VALUES (100) RETURNING a, "offset") SELECT * FROM inserted;

-- More rows than a batch of any kind, and long values.
INSERT INTO s (a, b) SELECT g, repeat('x', g % 7 * 4000) FROM generate_series(1, 2000) AS g;
SELECT count(*), sum(a), sum(length(b)) FROM s WHERE "offset" >= 10;
SELECT count(*) FROM (SELECT * FROM s LIMIT 1500) AS part;
TRUNCATE s;
SELECT count(*) FROM s;
INSERT INTO s (a) VALUES (1) RETURNING "offset";

-- Rolled back, it was never there; offsets go on.
BEGIN;
INSERT INTO s (a) VALUES (2);
SAVEPOINT p;
INSERT INTO s (a) VALUES (3);
ROLLBACK TO p;
SELECT a, "offset" FROM s ORDER BY "offset";
ROLLBACK;
INSERT INTO s (a) VALUES (4);
SELECT a, "offset" FROM s ORDER BY "offset";
SELECT * FROM _cq.stream_extents('s');
BEGIN;
INSERT INTO s (a) VALUES (5);
ROLLBACK;
SELECT a, b FROM s WHERE "offset" > (SELECT max("offset") FROM s);

-- Conditions that narrow what is read.
TRUNCATE s;
INSERT INTO s (a, at) SELECT g, timestamptz '2026-01-01 00:00Z' + g * interval '1 min' FROM generate_series(1, 1000) AS g;
SELECT begin_offset AS first FROM _cq.stream_extents('s') \gset
EXPLAIN (COSTS OFF) SELECT * FROM s WHERE "offset" >= 2020 AND "offset" < 2030 AND a > 0;
CREATE FUNCTION plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE 'EXPLAIN (ANALYZE, VERBOSE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query;
END
$$;
CREATE FUNCTION messages_read(query text) RETURNS text LANGUAGE sql AS
    $$ SELECT coalesce(string_agg(trim(line), ', '), '') FROM plan_of(query) AS line WHERE line ~ 'Range|Read:|Decodes|Bad' $$;
SELECT messages_read(format('SELECT a FROM s WHERE "offset" BETWEEN %s AND %s', :first + 10, :first + 19)) ~ 'Messages Read: 10$';
SELECT messages_read('SELECT a FROM s WHERE part = 1');
SELECT messages_read('SELECT a FROM s WHERE part IN (1, 2)');
SELECT messages_read('SELECT count(*) FROM s WHERE part = ANY (ARRAY[0, 5]) AND 0 <= part');
SELECT messages_read('SELECT a FROM s WHERE at >= ''2026-01-01 10:00Z''');
SELECT messages_read('SELECT a FROM s WHERE at < ''2026-01-01 10:00Z''');
SELECT messages_read('SELECT a FROM s WHERE "offset" < NULL::bigint');
SELECT messages_read('SELECT a FROM s WHERE "offset" > 9223372036854775807');
SELECT messages_read('SELECT a FROM s WHERE "offset" = (SELECT min("offset") + 5 FROM s)') ~ 'Messages Read: 1($|,)';
SELECT count(*), min(a), max(a) FROM s WHERE at >= '2026-01-01 10:00Z' AND at < '2026-01-01 11:00Z';
SELECT a FROM s WHERE "offset" = :first + 5 AND part = 0;
SELECT a FROM s WHERE :first + 5::smallint = "offset";
PREPARE by_offset(bigint) AS SELECT a FROM s WHERE "offset" = $1;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE by_offset(1);
SELECT :first + 7 AS seventh \gset
EXECUTE by_offset(:seventh);
RESET plan_cache_mode;
DEALLOCATE by_offset;
SELECT g, a FROM generate_series(1, 3) AS g, LATERAL (SELECT a FROM s WHERE "offset" = :first + g) AS one;

-- Whole rows, system columns, cursors, sub-selects, self joins.
SELECT s, tableoid::regclass FROM (SELECT * FROM s WHERE a = 1) AS s, (SELECT tableoid FROM s LIMIT 1) AS t \gset one_
SELECT :'one_s' ~ '^\(1,,' AS whole_row, :'one_tableoid' AS tableoid;
BEGIN;
DECLARE c CURSOR FOR SELECT a FROM s;
FETCH 2 FROM c;
INSERT INTO s (a) VALUES (-1);
MOVE 997 FROM c;
FETCH 2 FROM c;
ROLLBACK;
SELECT count(*) FROM s AS l JOIN s AS r USING (a) WHERE l.a <= 10;
SELECT a FROM s WHERE a = 3 FOR UPDATE;
ANALYZE s;
SELECT reltuples FROM pg_class WHERE oid = 's'::regclass;
SELECT null_frac, n_distinct FROM pg_stats WHERE schemaname = 'stream_log' AND tablename = 's' AND attname IN ('a', 'b') ORDER BY attname;

-- What a stream does not do.
UPDATE s SET a = 1;
DELETE FROM s;
INSERT INTO s (a) VALUES (1) ON CONFLICT DO NOTHING;

-- Types of all kinds.
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TYPE pair AS (x int, y text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE FOREIGN TABLE kinds (
    m mood, p pair, d positive, ints int[], pairs pair[], n numeric(10, 2), j jsonb, r int4range, i interval, u uuid, bytes bytea,
    c char(5), f float8, flag bool
) SERVER cq_log;
INSERT INTO kinds VALUES
    ('happy', (1, 'a'), 5, '{1,NULL,3}', ARRAY[(1, 'q"')::pair, NULL], 12.345, '{"a": [1]}', '[1,5)', '1 day', '00000000-0000-0000-0000-000000000001',
     '\x00ff', 'ab', 1e100, true),
    (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO kinds (d) VALUES (-1);
SELECT * FROM kinds;
SELECT (p).y, pairs[1], m > 'sad' AS gt FROM kinds WHERE m IS NOT NULL;
DROP TYPE mood;

-- Constraints are kept, at INSERT, and NOT NULL also when an old row is read.
CREATE FOREIGN TABLE strict (a int NOT NULL, b int CHECK (b > 0), c int DEFAULT 7, g int GENERATED ALWAYS AS (b * 2) STORED) SERVER cq_log;
INSERT INTO strict VALUES (NULL, 1);
INSERT INTO strict VALUES (1, -1);
INSERT INTO strict (a, b) VALUES (1, 1) RETURNING *;
-- versions differ in the context
\set SHOW_CONTEXT never
COPY strict (a, b) FROM stdin;
2	-2
\.
\set SHOW_CONTEXT errors
ALTER FOREIGN TABLE strict ADD COLUMN later int;
INSERT INTO strict (a, later) VALUES (3, 3);
SELECT * FROM strict;
ALTER FOREIGN TABLE strict ALTER COLUMN later SET NOT NULL;
SELECT a, later FROM strict;
SELECT a FROM strict;
ALTER FOREIGN TABLE strict OPTIONS (on_error 'skip');
SELECT a, later FROM strict;
SELECT messages_read('SELECT later FROM strict');
ALTER FOREIGN TABLE strict DROP COLUMN b CASCADE;
ALTER FOREIGN TABLE strict RENAME COLUMN c TO d;
SELECT * FROM strict;
INSERT INTO strict (a, later) VALUES (4, 4) RETURNING *;
ALTER FOREIGN TABLE strict ALTER COLUMN later TYPE bigint;

-- Triggers see what was written.
CREATE TABLE seen (a int, "offset" bigint);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO seen SELECT a, "offset" FROM s WHERE a < 0;
    RETURN NULL;
END
$$;
CREATE TRIGGER note AFTER INSERT ON s FOR EACH STATEMENT EXECUTE FUNCTION note();
INSERT INTO s (a) VALUES (-1), (-2);
SELECT a FROM seen ORDER BY a;
DROP TRIGGER note ON s;

-- A stream as a partition.
CREATE TABLE whole (k int, v text) PARTITION BY LIST (k);
CREATE FOREIGN TABLE part PARTITION OF whole FOR VALUES IN (1) SERVER cq_log;
INSERT INTO whole VALUES (1, 'a'), (1, 'b');
SELECT tableoid::regclass, * FROM whole;
INSERT INTO part VALUES (2, 'c');

-- Retention.
CREATE FOREIGN TABLE short (a int, at timestamptz OPTIONS (metadata 'timestamp'), "offset" bigint OPTIONS (metadata 'offset'))
    SERVER cq_log OPTIONS (retention '1 day');
INSERT INTO short (a, at) SELECT g, now() - g * interval '10 hours' FROM generate_series(5, 1, -1) AS g;
SELECT _cq.log_trim('short');
SELECT a, "offset" FROM short ORDER BY 1;
SELECT * FROM _cq.stream_extents('short');
SELECT _cq.log_trim('short'), _cq.log_trim('s');
-- Never what a cursor still has to read.
INSERT INTO _cq.cursor (stream, topic, partition, next_offset) VALUES ('short', 'log', 0, 4);
ALTER FOREIGN TABLE short OPTIONS (SET retention '1 min');
SELECT _cq.log_trim('short');
SELECT a, "offset" FROM short ORDER BY 1;
DELETE FROM _cq.cursor WHERE stream = 'short'::regclass;
SELECT _cq.log_trim('short');
SELECT count(*) FROM short;

-- Rights on the stream are all that it takes.
CREATE ROLE stream_log_writer;
CREATE ROLE stream_log_owner;
GRANT USAGE ON SCHEMA stream_log TO stream_log_writer, stream_log_owner;
GRANT CREATE ON SCHEMA stream_log TO stream_log_owner;
GRANT USAGE ON FOREIGN SERVER cq_log TO stream_log_owner;
SET ROLE stream_log_owner;
CREATE FOREIGN TABLE owned (a int, "offset" bigint OPTIONS (metadata 'offset')) SERVER cq_log;
GRANT INSERT ON owned TO stream_log_writer;
SET ROLE stream_log_writer;
INSERT INTO owned (a) VALUES (1), (2);
SELECT * FROM owned;
TRUNCATE owned;
SELECT * FROM _cq.owned_log;
RESET ROLE;
GRANT SELECT, TRUNCATE ON owned TO stream_log_writer;
SET ROLE stream_log_writer;
SELECT * FROM owned;
TRUNCATE owned;
INSERT INTO owned (a) VALUES (3) RETURNING *;
RESET ROLE;
SELECT relname, relowner::regrole FROM pg_class WHERE oid = (SELECT log FROM _cq.log WHERE stream = 'owned'::regclass);

-- The table behind it is the owner's, who may not make of it what it is not.
SET ROLE stream_log_owner;
BEGIN;
ALTER TABLE _cq.owned_log ALTER COLUMN key TYPE int USING 1;
SELECT * FROM owned;
ROLLBACK;
BEGIN;
ALTER TABLE _cq.owned_log DROP CONSTRAINT owned_log_pkey;
SELECT * FROM owned;
ROLLBACK;
BEGIN;
ALTER TABLE _cq.owned_log ADD COLUMN more int;
INSERT INTO owned (a) VALUES (1);
ROLLBACK;
RESET ROLE;

-- Names do not matter, and nothing is left behind.
ALTER FOREIGN TABLE owned RENAME TO renamed;
INSERT INTO renamed (a) VALUES (4);
CREATE FOREIGN TABLE owned (a text) SERVER cq_log;
INSERT INTO owned VALUES ('other');
SELECT a FROM renamed ORDER BY a;
SELECT * FROM owned;
SELECT stream, log FROM _cq.log WHERE stream IN ('owned'::regclass, 'renamed'::regclass) ORDER BY log::text;
DROP TABLE _cq.owned_log;
DROP FOREIGN TABLE renamed;
\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA stream_log CASCADE;
RESET client_min_messages;
SELECT stream, log FROM _cq.log;
SELECT relname FROM pg_class WHERE relnamespace = '_cq'::regnamespace AND relname ~ '_log';
REVOKE USAGE ON FOREIGN SERVER cq_log FROM stream_log_owner;
DROP ROLE stream_log_writer, stream_log_owner;
