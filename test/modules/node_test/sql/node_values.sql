-- Values of all kinds: rows are told apart by their bytes, keys by what their types take for equal.
\set QUIET 1
SET client_min_messages = warning;
SET timezone = 'UTC';

-- Equal keys have equal hashes, in whatever type.
SELECT key_hash(5::smallint, 0) = key_hash(5::bigint, 0) AS integers, key_hash(1.0, 0) = key_hash(1.00, 0) AS numerics,
       key_hash(0.0::float8, 0) = key_hash('-0'::float4, 0) AS floats, key_hash('a '::char(2), 0) = key_hash('a'::char(5), 0) AS padded,
       key_hash(NULL::int, 0) = key_hash(NULL::text, 0) AS nulls, key_hash('NaN'::float8, 0) = key_hash(-'NaN'::float8, 0) AS nans;
CREATE DOMAIN name_of_things AS text;
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN pair_of_things AS pair;
SELECT key_hash('x'::name_of_things, 0) = key_hash('x'::text, 0) AS domains, key_hash('(1,x)'::pair, 0) = key_hash('(1,x)'::pair_of_things, 0) AS composites,
       key_hash('{a,b}'::name_of_things[], 0) <> key_hash('{a,c}'::name_of_things[], 0) AS arrays;
CREATE COLLATION whatever_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
SELECT key_hash('a'::text COLLATE whatever_case, 0) = key_hash('A'::text COLLATE whatever_case, 0) AS same,
       key_hash('{a}'::text[] COLLATE whatever_case, 0) = key_hash('{A}'::text[] COLLATE whatever_case, 0) AS in_arrays, key_hash('a'::text, 0) = key_hash('A'::text, 0) AS elsewhere;
SELECT key_hash('a', 0);
-- Order counts, null counts, and columns do not run into one another.
SELECT count(DISTINCT h) FROM (VALUES (key_hash(1, key_hash(2, 0))), (key_hash(2, key_hash(1, 0))), (key_hash(NULL::int, key_hash(1, 0))),
    (key_hash(1, key_hash(NULL::int, 0))), (key_hash(1, 0)), (key_hash('a'::text, key_hash('bc'::text, 0))), (key_hash('ab'::text, key_hash('c'::text, 0)))) v (h);
SELECT count(DISTINCT key_hash(i, 0)) FROM generate_series(1, 10000) i;
-- What has no hash leaves the seed as it is.
SELECT key_hash('{}'::json, 7), key_hash('(1,2)'::point, 8), key_hash(row(1, 2), 9), key_hash('{"{}"}'::json[], 10);

-- Bytes tell rows apart.
SELECT node_begin('linear', '{"k int, j json, n numeric, a text[], c pair, o oid, b bpchar, e name_of_things, f float8, i interval"}',
                  'SELECT k, j, n, a, c, o, b, e, f, i FROM _cq_input_1');
SELECT * FROM node_change($$
    SELECT 1, j, n, '{x,NULL}'::text[], '(1,x)'::pair, 4000000000::oid, 'b'::bpchar, 'e'::name_of_things, f, i, key_hash(1, 0), 1
    FROM (VALUES ('{"a": 1}'::json, 1.0, 0::float8, '24 hours'::interval), ('{"a":1}', 1.0, 0, '24 hours'), ('{"a": 1}', 1.00, 0, '24 hours'),
          ('{"a": 1}', 1.0, '-0', '24 hours'), ('{"a": 1}', 1.0, 0, '1 day')) v (j, n, f, i)$$);
SELECT * FROM node_change($$
    SELECT 1, j, n, '{x,NULL}'::text[], '(1,x)'::pair, 4000000000::oid, 'b'::bpchar, 'e'::name_of_things, f, i, key_hash(1, 0), -1
    FROM (VALUES ('{"a":1}'::json, 1.0, 0::float8, '24 hours'::interval), ('{"a": 1}', 1.00, 0, '24 hours'), ('{"a": 1}', 1.0, '-0', '24 hours')) v (j, n, f, i)$$);
SELECT j, n, f, i FROM kept_1 ORDER BY i::text;

-- The same as what is stored: numbers that functions have left otherwise than they are stored.
SELECT node_begin('difference', '{"k int, o oid, s smallint, b boolean, c \"char\""}',
                  'SELECT k, (o::bigint + 1)::oid AS o, (-s)::smallint AS s, NOT b AS b, chr(ascii(c::text))::"char" AS c, _cq_hash FROM _cq_input_1');
SELECT * FROM node_change($$SELECT 1, 4000000000::oid, 7::smallint, true, 'c'::"char", key_hash(1, 0), 1$$);
SELECT * FROM node_change($$SELECT 1, 3000000000::oid, 8::smallint, false, 'd'::"char", key_hash(1, 0), 1$$);
SELECT * FROM node_change($$SELECT 1, 4000000000::oid, 7::smallint, true, 'c'::"char", key_hash(1, 0), -1$$);

-- Wide values: compressed, out of line, and in composites; a change elsewhere in the row leaves them alone.
SELECT node_begin('difference', '{"k int, v int, t text, c pair"}',
                  'SELECT k, max(v) AS v, max(t) AS t, (array_agg(c ORDER BY v))[1] AS c, key_hash(k, 0) AS _cq_hash FROM _cq_input_1 GROUP BY k');
ALTER TABLE kept_1 ALTER t SET STORAGE EXTERNAL;
SELECT left(told, 10) AS told, length(told), weight
FROM node_change($$SELECT k, v, repeat('wide ', 10000 * k), row(k, repeat('pair ', 10000 * v))::pair, key_hash(k, 0), 1 FROM generate_series(1, 2) k, generate_series(1, 2) v$$);
SELECT left(told, 10) AS told, length(told), weight
FROM node_change($$SELECT 1, 3, repeat('wide ', 10000), row(1, 'x')::pair, key_hash(1, 0), 1$$);
SELECT left(told, 10) AS told, length(told), weight
FROM node_change($$SELECT 1, 3, repeat('wide ', 10000), row(1, 'x')::pair, key_hash(1, 0), -1$$);
SELECT left(told, 10) AS told, length(told), weight
FROM node_change($$SELECT 2, v, repeat('wide ', 20000), row(2, repeat('pair ', 10000 * v))::pair, key_hash(2, 0), -1 FROM generate_series(1, 2) v$$);

-- A composite of a value that is stored compressed is the same as one of the value as it has come; in arrays, and in composites, too.
CREATE TABLE compressed AS SELECT repeat('pair ', 2000) AS t;
SELECT pg_column_size(t) < 1000 AS is_compressed FROM compressed;
CREATE TYPE nested AS (p pair, ps pair[]);
CREATE DOMAIN nested_things AS nested;
SELECT node_begin('difference', '{"k int, p pair, n nested_things, ps pair[]"}', 'SELECT k, p, n, ps, _cq_hash FROM _cq_input_1');
CREATE FUNCTION composites(t text, OUT k int, OUT p pair, OUT n nested_things, OUT ps pair[]) LANGUAGE sql AS $$
    SELECT 1, row(1, t)::pair, row(row(1, t)::pair, ARRAY[row(1, t)::pair])::nested, ARRAY[row(1, t)::pair, NULL]
$$;
SELECT length(told), weight FROM node_change($$SELECT c.*, key_hash(1, 0), 1 FROM composites(repeat('pair ', 2000)) c$$);
SELECT length(told), weight FROM node_change($$SELECT c.*, key_hash(1, 0), w FROM compressed, composites(t) c, unnest('{1,-2}'::int[]) w$$);
ALTER TYPE pair ADD ATTRIBUTE c text;
SELECT node_begin('difference', '{"k int, p pair"}', 'SELECT k, p, _cq_hash FROM _cq_input_1');
SELECT * FROM node_change($$SELECT 1, row(1, 'x', 'dropped')::pair, key_hash(1, 0), 1$$);
ALTER TYPE pair DROP ATTRIBUTE c;
UPDATE node_told SET told = '(1,"(1,x)")';
SELECT * FROM node_change($$SELECT 1, row(1, 'x')::pair, key_hash(1, 0), -1$$);

-- Keys of all kinds, null among them, meet as the step says; all in one key too, when all hashes collide.
SELECT node_begin('difference', '{"k text COLLATE \"C\", a int", "k text COLLATE \"C\", b int"}',
                  'SELECT x.k, a, b, 0::bigint AS _cq_hash FROM _cq_input_1 x LEFT JOIN _cq_input_2 y ON x.k IS NOT DISTINCT FROM y.k');
SELECT * FROM node_change($$SELECT k, 1, 0, 1 FROM unnest('{x,y,NULL}'::text[]) k$$, $$SELECT k, 2, 0, 1 FROM unnest('{y,z,NULL}'::text[]) k$$);
SELECT * FROM node_change(NULL, $$SELECT k, 2, 0, w FROM (VALUES ('y', -1), (NULL, -1), ('x', 1)) v (k, w)$$);


-- What the collation takes for equal is one key, and different rows.
SELECT node_begin('difference', '{"k text COLLATE whatever_case, v int", "k text COLLATE whatever_case"}',
                  'SELECT x.k, v, y.k AS other, key_hash(x.k, 0) AS _cq_hash FROM _cq_input_1 x LEFT JOIN _cq_input_2 y ON x.k = y.k');
SELECT * FROM node_change($$SELECT k, 1, key_hash(k COLLATE whatever_case, 0), 1 FROM unnest('{a,A,b}'::text[]) k$$, NULL);
SELECT * FROM node_change(NULL, $$SELECT 'A', key_hash('A'::text COLLATE whatever_case, 0), 1$$);
SELECT * FROM node_change($$SELECT 'A', 1, key_hash('A'::text COLLATE whatever_case, 0), -1$$, NULL);
