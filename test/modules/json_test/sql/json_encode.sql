-- From rows to messages, and back.
SET TimeZone = 'Europe/Berlin';
SET IntervalStyle = 'iso_8601';
CREATE TYPE pair AS (x int, y text);
CREATE TABLE everything (i2 smallint, i4 int, i8 bigint, f4 float4, f8 float8, n numeric, b boolean, t text, v varchar(5), c char(3), by bytea, d date, ts timestamp, tz timestamptz, iv interval, u uuid, j json, jb jsonb,
    ai int[], at text[], p pair, r int4range, ip inet, "nested.a" int, "nested.deep.b" text, "we""ird" int);
INSERT INTO everything VALUES
    (-32768, 2147483647, -9223372036854775808, 1.5, 0.1, 12.50, true, E'a"b\\c\n\té😀' || chr(1), 'xyz', 'ab', '\xdeadbeef', '2025-07-01', '2025-07-01 12:00:00.123456', '2025-07-01 12:00:00+02', '1 day 2 hours', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
     '{"k" : [1, 2]}', '{"k": [1, 2]}', '{1,NULL,3}', '{a,"b,c",NULL}', '(1,"y z")', '[1,5)', '10.0.0.1', 7, 'deep', 9),
    (NULL, NULL, NULL, 'NaN', '-Infinity', 'NaN', false, '', '', '', '', 'infinity', '-infinity', 'infinity', NULL, NULL, 'null', 'null', '{}', '{{a,b},{c,d}}', '(,)', NULL, NULL, NULL, NULL, NULL),
    (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SELECT json_encode('everything', e) FROM everything e;
-- What was written is JSON, and reads back to the same row.
SELECT json_is_object(convert_to(written, 'UTF8')), d.bad, json_encode('everything', again) = written AS same
FROM everything AS e, LATERAL json_encode('everything', e) AS written, LATERAL json_decode('everything', ARRAY[convert_to(written, 'UTF8')]) AS d,
     LATERAL (SELECT ('(' || string_agg(COALESCE('"' || replace(replace(f, '\', '\\'), '"', '""') || '"', ''), ',' ORDER BY i) || ')')::everything AS again
              FROM unnest(d.fields) WITH ORDINALITY AS u(f, i)) AS x;
CREATE TABLE none ();
SELECT json_encode('none', ROW());
CREATE TABLE clash (a jsonb, "a.b" int);
SELECT json_encode('clash', ROW('{}'::jsonb, 1));
CREATE TABLE clash2 ("a.b" int, a jsonb);
SELECT json_encode('clash2', ROW(1, '{}'::jsonb));
