-- Names without regard to case.
CREATE SCHEMA avro_case;
SET search_path = avro_case, public;
SET test.ignore_case = on;
CREATE TABLE plain (id int, "p.city" text, p jsonb, old int, "p.m.k" text, "p.m.K" text);
SELECT '{"type":"record","name":"r","fields":[{"name":"ID","type":"int"},{"name":"P","type":'
    '{"type":"record","name":"place","fields":[{"name":"City","type":"string"},'
    '{"name":"M","type":{"type":"map","values":"string"}}]}},'
    '{"name":"New","aliases":["OLD","Id"],"type":"int"}]}' AS schema \gset
-- An alias that is another field's name so is none; keys of maps are what they are.
SELECT * FROM avro_decode('plain', :'schema', ARRAY['\x02027802026b0276000e',
    '\x02027802024b0276000e']::bytea[]);
-- What is written has the schema's names.
CREATE TABLE "rows" (id int, name text, "Where.CITY" text);
SELECT avro_encode('rows', '{"type":"record","name":"r","fields":[{"name":"ID","type":"int"},
    {"name":"Name","type":"string"},{"name":"where","type":{"type":"record","name":"w","fields":
    [{"name":"city","type":"string"}]}}]}', r) FROM (VALUES (1, 'x'::text, 'y'::text)) r;
-- A schema with two that are one is not read by, nor written, whichever columns there are.
SELECT '{"type":"record","name":"r","fields":[{"name":"a","type":{"type":"record","name":"in",'
    '"fields":[{"name":"x","type":"int"},{"name":"X","type":"int"}]}},{"name":"ID","type":"int"}]}'
    AS schema \gset
SELECT * FROM avro_decode('plain', :'schema', ARRAY['\x020406']::bytea[]);
SELECT avro_encode('plain', :'schema', r) FROM (SELECT (NULL::plain).*) r;
CREATE TABLE nothing ();
SELECT * FROM avro_decode('nothing', :'schema', ARRAY['\x020406']::bytea[]);
RESET test.ignore_case;
SELECT * FROM avro_decode('plain', :'schema', ARRAY['\x020406']::bytea[]);
SET client_min_messages = warning;
DROP SCHEMA avro_case CASCADE;
