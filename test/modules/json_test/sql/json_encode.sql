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
-- Whatever settings it is written under.
CREATE EXTENSION IF NOT EXISTS hstore;
CREATE TYPE of_settings AS (x float8, at timestamptz, b bytea);
CREATE TYPE own_json AS (a int);
CREATE TABLE settings (b bytea, f8 float8, f4 float4, m money, h hstore, i interval, tz timestamptz, r tstzrange, tt timetz, rc regclass,
    f8s float8[], bs bytea[], hs hstore[], c of_settings, cs of_settings[]);
INSERT INTO settings VALUES ('abcd', 0.1::float8 + 0.2, 0.1, 12.5, 'a=>1,b=>NULL', '1 day -02:00', '2025-07-01 12:00+02', '[2025-01-01 00:00+00,2025-02-01 00:00+00)', '10:00+03', 'settings',
    '{0.30000000000000004,NaN}', '{abcd}', ARRAY['a=>2'::hstore], ROW(0.1 + 0.2::float8, '2025-01-01 00:00+00', 'ab'), ARRAY[ROW(1e20, NULL, '')::of_settings]);
CREATE TABLE written AS SELECT json_encode('settings', s) AS json FROM settings s;
SELECT jsonb_pretty(json::jsonb) FROM written;
SET bytea_output = 'escape';
SET extra_float_digits = -5;
SET IntervalStyle = 'sql_standard';
SET DateStyle = 'German';
SET TimeZone = 'America/St_Johns';
SET search_path = public, pg_temp;
SELECT json_encode('settings', s) = json AS same FROM settings s, written;
SHOW TimeZone;
SHOW search_path;
-- It reads back under them as well.
SELECT d.bad, d.fields = ARRAY[s.b::text, s.f8::text, s.f4::text, s.m::text, s.h::text, s.i::text, s.tz::text, s.r::text, s.tt::text, s.rc::text, s.f8s::text, s.bs::text,
                               s.hs::text, s.c::text, s.cs::text] AS same
FROM settings s, written, json_decode('settings', ARRAY[convert_to(json, 'UTF8')]) AS d;
RESET ALL;
-- A type whose own cast makes JSON of it is written as its text, which it can read.
CREATE FUNCTION as_json(own_json) RETURNS json LANGUAGE sql AS $$ SELECT '{"what": "ever"}'::json $$;
CREATE CAST (own_json AS json) WITH FUNCTION as_json(own_json);
CREATE TABLE casts (o own_json);
SELECT json_encode('casts', ROW(ROW(7)::own_json));
SELECT fields, bad FROM json_decode('casts', ARRAY['{"o":"(7)"}']::bytea[]);
-- Money is a number wherever it is.
CREATE DOMAIN fee AS money;
CREATE TYPE priced AS (name text, price fee, at timestamptz, more money[]);
CREATE TABLE prices (m money, ms money[], p priced, ps priced[], n int);
SELECT json_encode('prices', ROW(1234.5, ARRAY[[1.5, NULL], [1000, -0.01]]::money[], ROW('a"b', 2.5, '2025-01-01 00:00Z', ARRAY[3, 1000000]::money[])::priced,
  ARRAY[ROW(NULL, NULL, NULL, '{}')::priced, NULL], 7)::prices) AS json INTO priced_json;
SELECT json FROM priced_json;
SELECT p->'m', p->'ms', p->'p'->'more' FROM (SELECT json::jsonb AS p FROM priced_json) x;
SELECT json_encode('prices', ROW(d.fields[1], d.fields[2], d.fields[3], d.fields[4], d.fields[5])::prices) = json AS same, d.bad
FROM priced_json, json_decode('prices', ARRAY[convert_to(json, 'UTF8')]) AS d;
CREATE TABLE none ();
SELECT json_encode('none', ROW());
CREATE TABLE clash (a jsonb, "a.b" int);
SELECT json_encode('clash', ROW('{}'::jsonb, 1));
CREATE TABLE clash2 ("a.b" int, a jsonb);
SELECT json_encode('clash2', ROW(1, '{}'::jsonb));
