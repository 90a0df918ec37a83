-- The hash by which rows that are kept are found: equal for values that are equal.
SELECT _cq.key_hash(5::smallint, 0) = _cq.key_hash(5::bigint, 0) AS integers,
       _cq.key_hash(1.0, 0) = _cq.key_hash(1.00, 0) AS numerics,
       _cq.key_hash('a '::char(2), 0) = _cq.key_hash('a'::char(5), 0) AS padded,
       _cq.key_hash(NULL::int, 0) = _cq.key_hash(NULL::text, 0) AS nulls,
       _cq.key_hash(1, _cq.key_hash(2, 0)) <> _cq.key_hash(2, _cq.key_hash(1, 0)) AS in_order,
       _cq.key_hash('{}'::json, 7) AS of_what_has_none;
SELECT _cq.key_hash('of no type', 0);
-- It is for everybody: plans run as the owners of views.
CREATE ROLE key_hash_anybody;
SET ROLE key_hash_anybody;
SELECT _cq.key_hash(1, 0) = _cq.key_hash(1::bigint, 0) AS is_allowed;
RESET ROLE;
DROP ROLE key_hash_anybody;

-- What keeps its hash: not composites, whose attributes come and go, nor what has an OID inside.
CREATE TYPE pair AS (a int, b text);
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE DOMAIN pairs AS pair[];
SELECT _cq.key_hash((1, 'x')::pair, 7) AS composite,
       _cq.key_hash(ARRAY[(1, 'x')::pair], 7) AS array,
       _cq.key_hash(ARRAY[(1, 'x')::pair]::pairs, 7) AS domain,
       _cq.key_hash(ROW (1, 2), 7) AS record,
       _cq.key_hash(ARRAY['bad'::mood], 7) AS enums, _cq.key_hash('pg_class'::regclass, 7) AS oid,
       _cq.key_hash('bad'::mood, 7) <> _cq.key_hash('good'::mood, 7) AS enum,
       _cq.key_hash('[1,3)'::int4range, 7) <> 7 AS range;
-- So rows are found that were kept when the type was another one.
SET client_min_messages = warning;
CREATE SCHEMA key_hash;
SET search_path = key_hash;
CREATE FOREIGN TABLE s (id int, c public.pair, m public.mood, key text OPTIONS (metadata 'key'))
  SERVER cq_log OPTIONS (mode 'upsert');
CREATE CONTINUOUS VIEW whole AS SELECT a.* FROM (SELECT id, c, m FROM s WHERE id >= 0) a
  LEFT JOIN (SELECT * FROM s WHERE id > 2) b ON b.id = a.id / 2;
CREATE CONTINUOUS VIEW values_of AS SELECT DISTINCT c FROM s;
CREATE CONTINUOUS VIEW moods AS SELECT m, array_agg(id ORDER BY id) AS ids FROM s GROUP BY m;
CREATE FUNCTION send(value text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
  EXECUTE format('INSERT INTO s SELECT i, ROW (%s)::public.pair, ''bad'', i %% 5 '
                 'FROM generate_series(1, 9) AS i', value);
  RETURN true;
END $$;
SELECT send('i, ''x''');
SELECT cq.wait('whole') AND cq.wait('values_of') AND cq.wait('moods') AS wait;
ALTER TYPE public.pair ADD ATTRIBUTE x int;
SELECT send('i + 1, ''x'', i');
SELECT cq.wait('whole') AND cq.wait('values_of') AND cq.wait('moods') AS wait;
TABLE values_of ORDER BY c;
ALTER TYPE public.pair DROP ATTRIBUTE b, ADD ATTRIBUTE y text;
SELECT send('i, i, ''y''');
SELECT cq.wait('whole') AND cq.wait('values_of') AND cq.wait('moods') AS wait;
TABLE values_of ORDER BY c;
SELECT * FROM (TABLE whole EXCEPT ALL SELECT id, c, m FROM s) AS more;
SELECT * FROM (SELECT id, c, m FROM s EXCEPT ALL TABLE whole) AS less;
ALTER TYPE public.mood RENAME VALUE 'bad' TO 'sad';
ALTER TYPE public.mood ADD VALUE 'sad';
TABLE moods;
DROP SCHEMA key_hash CASCADE;
ALTER TYPE public.mood RENAME VALUE 'bad' TO 'worse';
DROP TYPE public.mood, public.pair CASCADE;
RESET search_path;
RESET client_min_messages;
