-- What is a message: one value of its schema and nothing else, whichever columns are wanted.
CREATE SCHEMA avro_message;
SET search_path = avro_message, public;
SET TimeZone = 'UTC';
CREATE TABLE nothing ();
CREATE TABLE ab (a int, b text);

\set schema '{"type":"record","name":"r","fields":[{"name":"a","type":"int"},{"name":"b","type":["null","string"]}]}'
SELECT * FROM avro_decode('ab', :'schema', ARRAY['\x020202', '\x020202', '\x0200', '\x02020478', '\x', '\x02', '\x0204', '\x020102',
    '\x0202047879', '\x020204787900', '\xfeffffffff0f00', '\xffffffff0f00', '\x808080808000', '\x8080808080808080808000',
    '\x80808080808080808080800000', NULL]::bytea[]);
SELECT message, bad FROM avro_decode('nothing', :'schema', ARRAY['\x0200', '\x02020478', '\x', '\x02', '\x020178',
    '\x0202047879', '\x020204787900', '\x020202ff']::bytea[]);
-- Text is looked at where a column needs it.
SELECT * FROM avro_decode('ab', :'schema', ARRAY['\x020202ff', '\x02020400ff', '\x02020200', '\x020206e282ac']::bytea[]);

-- By name, in any order; what the schema does not have is null, or a bad cell.
CREATE TABLE other (b text, c int, a bigint NOT NULL, d int NOT NULL);
SELECT * FROM avro_decode('other', :'schema', ARRAY['\x0200', '\x02020278']::bytea[]);

-- A field that was renamed says how it was called.
CREATE TABLE old (was int, b text, also int);
SELECT * FROM avro_decode('old', '{"type":"record","name":"r","fields":[{"name":"a","type":"int","aliases":["was","b","also"]},{"name":"b","type":"string"}]}',
    ARRAY['\x020278']::bytea[]);

-- Paths: records, maps, unions in between; the value as a whole beside parts of it.
CREATE TABLE paths ("p.x" int, "p.m.k" text, p jsonb, "p.m" jsonb, "p.nothing" int, "q.x" int, "q.y" text, q jsonb);
SELECT * FROM avro_decode('paths', '{"type":"record","name":"r","fields":[
    {"name":"p","type":["null",{"type":"record","name":"inner","fields":[{"name":"x","type":"int"},{"name":"m","type":{"type":"map","values":"string"}}]}]},
    {"name":"q","type":["inner",{"type":"record","name":"second","fields":[{"name":"y","type":["null","string"]}]},"int"]}]}',
    ARRAY['\x021402026b023100000800', '\x02140002020278', '\x00040a', '\x021404026b0231026a0232000200',
        '\x021402026b023102026b023200040a', '\x02140000', '\x02140006']::bytea[]);

-- Schemas that are no record, and the message as a whole.
CREATE TABLE whole ("*" int, a int);
CREATE TABLE document ("*" jsonb, a int);
SELECT * FROM avro_decode('whole', '"int"', ARRAY['\x02', '\x0202']::bytea[]);
SELECT * FROM avro_decode('whole', '["null","int"]', ARRAY['\x0204', '\x00']::bytea[]);
SELECT * FROM avro_decode('document', '{"type":"record","name":"r","fields":[{"name":"a","type":"int"},{"name":"b","type":"string"}]}',
    ARRAY['\x040278']::bytea[]);
SELECT * FROM avro_decode('ab', '{"type":"map","values":["int","string"]}', ARRAY['\x040261020602620002', '\x0402610006026202027800']::bytea[]);
SELECT * FROM avro_decode('ab', '["null",{"type":"record","name":"r","fields":[{"name":"a","type":"int"}]}]', ARRAY['\x00', '\x0206']::bytea[]);

-- Arrays and maps in several blocks, with and without their lengths.
CREATE TABLE items (a int[], m jsonb);
\set schema '{"type":"record","name":"r","fields":[{"name":"a","type":{"type":"array","items":"int"}},{"name":"m","type":{"type":"map","values":"int"}}]}'
SELECT * FROM avro_decode('items', :'schema', ARRAY['\x0000', '\x040204000202610200', '\x0202020400020261020202620400',
    '\x030402040001060261020000', '\x0304020400010602610200ff', '\x03ff0204000000', '\x01020400', '\x0a020400']::bytea[]);
SELECT message, bad FROM avro_decode('nothing', :'schema', ARRAY['\x0000', '\x040204000202610200',
    '\x030402040001060261020000', '\x03ff0204000000', '\x01020400', '\x0a020400', '\xffffffffffffffffff01020000']::bytea[]);
