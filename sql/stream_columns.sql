-- Columns of streams that are generated, have defaults, get other names or go.
CREATE FUNCTION columns_day(at timestamptz) RETURNS date IMMUTABLE LANGUAGE sql
    AS $$ SELECT (at AT TIME ZONE 'UTC')::date $$;
CREATE FOREIGN TABLE columns_s (
    n int,
    at timestamptz,
    day date GENERATED ALWAYS AS (columns_day(at)) STORED NOT NULL,
    inverse int GENERATED ALWAYS AS (100 / n) STORED,
    o bigint OPTIONS (metadata 'offset'),
    even boolean GENERATED ALWAYS AS (o % 2 = 0) STORED,
    d int DEFAULT 7,
    i int GENERATED ALWAYS AS IDENTITY
) SERVER cq_log OPTIONS (event_time 'at');
CREATE CONTINUOUS VIEW columns_v AS SELECT n, day, inverse, even, d, i FROM columns_s;
CREATE CONTINUOUS VIEW columns_days WITH (emit = 'close') AS
    SELECT window_end, day, count(*) FROM columns_s, cq.tumble(at, '1 day') GROUP BY window_end, day;
INSERT INTO columns_s (n, at) VALUES (1, '2025-01-01 00:00Z'), (2, '2025-01-02 00:00Z');
INSERT INTO columns_s (n, at, d)
    VALUES (3, '2025-01-03 00:00Z', DEFAULT), (4, '2025-01-04 00:00Z', NULL)
    RETURNING n, day, inverse, d, i;
INSERT INTO columns_s (n, day) VALUES (1, '2025-01-01');
INSERT INTO columns_s (n) VALUES (1);
SELECT cq.wait('columns_v'), cq.wait('columns_days');
SELECT * FROM columns_v ORDER BY n;
SELECT n, day, inverse, even, d, i FROM columns_s EXCEPT ALL TABLE columns_v;
TABLE columns_v EXCEPT ALL SELECT n, day, inverse, even, d, i FROM columns_s;
SELECT day, count FROM columns_days ORDER BY 1;

-- One that fails is an error of whoever writes. (Of a topic, it is one of the row.)
CREATE FOREIGN TABLE columns_failing (
    n int,
    inverse int GENERATED ALWAYS AS (100 / (n - 2)) STORED
) SERVER cq_log;
CREATE CONTINUOUS VIEW columns_sum AS SELECT count(*), sum(inverse) FROM columns_failing;
CREATE CONTINUOUS VIEW columns_count AS SELECT count(*), sum(n) FROM columns_failing;
INSERT INTO columns_failing (n) VALUES (1), (3), (NULL);
INSERT INTO columns_failing (n) VALUES (2);
SELECT cq.wait('columns_sum'), cq.wait('columns_count');
SELECT * FROM columns_sum, columns_count;
SELECT view, "offset", message FROM cq.errors WHERE view = 'columns_sum'::regclass;

-- An event time that is too far ahead is bad, and so is what is computed of it.
CREATE FOREIGN TABLE columns_ahead (
    n int,
    at timestamptz,
    day date GENERATED ALWAYS AS (columns_day(at)) STORED,
    double int GENERATED ALWAYS AS (n * 2) STORED
) SERVER cq_log OPTIONS (event_time 'at');
CREATE CONTINUOUS VIEW columns_of_time AS SELECT day, double FROM columns_ahead;
CREATE CONTINUOUS VIEW columns_of_none AS SELECT n, double FROM columns_ahead;
INSERT INTO columns_ahead (n, at) VALUES (1, '2025-01-01 00:00Z'), (2, '2222-01-02 00:00Z'), (3, NULL);
SELECT cq.wait('columns_of_time'), cq.wait('columns_of_none');
SELECT * FROM columns_of_time ORDER BY double;
SELECT * FROM columns_of_none ORDER BY double;
SELECT view, "offset", message FROM cq.errors WHERE stream = 'columns_ahead'::regclass;
DROP FOREIGN TABLE columns_ahead CASCADE;

-- Such a column is no part of a message.
CREATE FOREIGN TABLE columns_bad (
    n int,
    m int OPTIONS (metadata 'offset') GENERATED ALWAYS AS (n) STORED
) SERVER cq_log;
CREATE FOREIGN TABLE columns_bad (
    n int OPTIONS (metadata 'partition'),
    m int GENERATED ALWAYS AS (n + 1) STORED
) SERVER cq_log;
INSERT INTO columns_bad DEFAULT VALUES;
SELECT * FROM columns_bad;
DROP FOREIGN TABLE columns_bad;

-- The event time's column has a name, which may change, and a type that may not; it stays.
ALTER FOREIGN TABLE columns_s RENAME COLUMN at TO "Happened at";
SELECT ftoptions FROM pg_foreign_table WHERE ftrelid = 'columns_s'::regclass;
INSERT INTO columns_s (n, "Happened at") VALUES (5, '2025-01-05 00:00Z');
SELECT cq.wait('columns_days');
SELECT day, count FROM columns_days ORDER BY 1;
ALTER FOREIGN TABLE columns_s DROP COLUMN "Happened at";
ALTER FOREIGN TABLE columns_s DROP COLUMN "Happened at" CASCADE;
ALTER FOREIGN TABLE columns_s OPTIONS (SET event_time 'at');
ALTER FOREIGN TABLE columns_s OPTIONS (SET event_time 'n');
ALTER FOREIGN TABLE columns_s ADD COLUMN later timestamptz, OPTIONS (SET event_time 'later');
ALTER TABLE columns_s RENAME COLUMN later TO latest;
ALTER FOREIGN TABLE columns_s ALTER COLUMN latest TYPE text;
SELECT ftoptions FROM pg_foreign_table WHERE ftrelid = 'columns_s'::regclass;
ALTER FOREIGN TABLE columns_s OPTIONS (DROP event_time);
ALTER FOREIGN TABLE columns_s DROP COLUMN latest;
-- Columns of a stream of changes may get other names, too.
CREATE CONTINUOUS VIEW columns_told WITH (changes = 'columns_changes') AS
    SELECT count(*) AS n FROM columns_failing;
ALTER FOREIGN TABLE columns_changes RENAME COLUMN old TO "as it was";
ALTER FOREIGN TABLE columns_changes RENAME COLUMN new TO now;
INSERT INTO columns_failing (n) VALUES (4);
SELECT cq.wait('columns_told');
SELECT (now).n - coalesce(("as it was").n, 0) > 0 AS grows FROM columns_changes
    ORDER BY (now).n DESC LIMIT 1;
-- By way of what it is computed of, or of a parent.
CREATE FOREIGN TABLE columns_computed (
    ms bigint,
    at timestamptz GENERATED ALWAYS AS (to_timestamp(ms / 1000.0)) STORED
) SERVER cq_log OPTIONS (event_time 'at');
ALTER FOREIGN TABLE columns_computed DROP COLUMN ms CASCADE;
CREATE TABLE columns_parent (k int, at timestamptz);
CREATE FOREIGN TABLE columns_child () INHERITS (columns_parent)
    SERVER cq_log OPTIONS (event_time 'at');
ALTER TABLE columns_parent RENAME COLUMN at TO "when";
SELECT ftoptions FROM pg_foreign_table WHERE ftrelid = 'columns_child'::regclass;
ALTER TABLE columns_parent DROP COLUMN "when";
DROP TABLE columns_parent CASCADE;
DROP FOREIGN TABLE columns_computed;
CREATE FOREIGN TABLE columns_none (at text) SERVER cq_log OPTIONS (event_time 'at');
CREATE FOREIGN TABLE columns_none (at timestamptz) SERVER cq_log OPTIONS (event_time 'when');

-- Under which settings event times are read is written down with the option.
CREATE SERVER columns_kafka FOREIGN DATA WRAPPER cq_kafka
    OPTIONS (bootstrap_servers 'localhost:1');
SET TimeZone = 'Asia/Tokyo';
CREATE FOREIGN TABLE columns_k (
    at timestamptz, n int, "q""r" text, k text OPTIONS (metadata 'key')
) SERVER columns_kafka OPTIONS (topic 'x', event_time 'at');
CREATE FOREIGN TABLE columns_said (at timestamptz) SERVER columns_kafka
    OPTIONS (topic 'x', event_time 'at', timezone 'UTC');
CREATE FOREIGN TABLE columns_later (at timestamptz, other timestamptz) SERVER columns_kafka
    OPTIONS (topic 'x');
SET DateStyle = 'ISO, YMD';
ALTER FOREIGN TABLE columns_later OPTIONS (ADD event_time 'at');
ALTER FOREIGN TABLE columns_k OPTIONS (SET event_time 'at');
RESET TimeZone;
RESET DateStyle;
SELECT ftrelid::regclass, ftoptions FROM pg_foreign_table
    WHERE ftrelid::regclass::text LIKE 'columns\_%' AND ftoptions::text LIKE '%topic%'
    ORDER BY ftrelid::regclass::text;
ALTER FOREIGN TABLE columns_k OPTIONS (SET timezone 'Nowhere');
ALTER FOREIGN TABLE columns_k OPTIONS (ADD datestyle 'backwards');

-- What is read of a message stays, whatever the column's name.
ALTER FOREIGN TABLE columns_k RENAME COLUMN n TO m;
ALTER FOREIGN TABLE columns_k RENAME COLUMN m TO n;
ALTER FOREIGN TABLE columns_k RENAME COLUMN "q""r" TO q;
ALTER FOREIGN TABLE columns_k RENAME COLUMN k TO key;
ALTER FOREIGN TABLE columns_k RENAME TO columns_kk;
SELECT attname, attfdwoptions FROM pg_attribute
    WHERE attrelid = 'columns_kk'::regclass AND attnum > 0 ORDER BY attnum;
-- Nor does the key go where rows change.
CREATE FOREIGN TABLE columns_u (id int, gone int, key text OPTIONS (metadata 'key'))
    SERVER cq_log OPTIONS (mode 'upsert');
ALTER FOREIGN TABLE columns_u DROP COLUMN gone, DROP COLUMN key CASCADE;
ALTER FOREIGN TABLE columns_u DROP COLUMN gone, OPTIONS (DROP mode), DROP COLUMN key;
ALTER FOREIGN TABLE columns_u OPTIONS (DROP mode);
ALTER FOREIGN TABLE columns_u DROP COLUMN key;
DROP FOREIGN TABLE columns_u;
DROP SERVER columns_kafka CASCADE;
DROP FOREIGN TABLE columns_s, columns_failing CASCADE;
DROP FUNCTION columns_day;
