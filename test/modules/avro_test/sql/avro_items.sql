-- Paths into arrays.
CREATE SCHEMA avro_items;
SET search_path = avro_items, public;
SET TimeZone = 'UTC';
SELECT '{"type":"record","name":"r","fields":[{"name":"a","type":["null",{"type":"array","items":'
    '["null","int",{"type":"record","name":"i","fields":['
    '{"name":"b","type":"string"},'
    '{"name":"t","type":{"type":"array","items":{"type":"long",'
    '"logicalType":"timestamp-millis"}}}]}'
    ']}]},{"name":"d","type":{"type":"array","items":{"type":"bytes","logicalType":"decimal",'
    '"precision":5,"scale":2}}}]}' AS schema \gset
CREATE TABLE items ("a[0]" int, "a[1].b" text, "a[1].t[1]" timestamptz, "a[-1]" int,
  "d[0]" numeric, a jsonb);
-- null and empty; an int and a record; blocks of one item each, with their size; nulls; a record
-- first; cut off.
SELECT * FROM avro_decode('items', :'schema', ARRAY['\x0000', '\x020000',
  '\x0204020e04027804d00f80a0abfef96200000204303900', '\x0201040212010c04027902020000010402ff00',
  '\x020400000000', '\x020204027a000000', '\x0204020e04027802d0']::bytea[]);
CREATE TABLE wanted ("a[0]" int NOT NULL, "a[5]" int NOT NULL);
SELECT * FROM avro_decode('wanted', :'schema', ARRAY['\x0000', '\x0202020e0000',
  '\x0202000000']::bytea[]);
-- An array of the default's has items as well; one that is in the message and is too short has not.
SELECT * FROM avro_decode('items', '{"type":"record","name":"r","fields":[{"name":"a",
    "type":{"type":"array","items":"int"}}]}',
    ARRAY['\x020e00', '\x00']::bytea[]);
SET client_min_messages = warning;
DROP SCHEMA avro_items CASCADE;
