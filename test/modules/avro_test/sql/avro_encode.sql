-- What is written: as Avro C reads it, and as we read it back.
CREATE SCHEMA avro_encode;
SET search_path = avro_encode, public;
SET TimeZone = 'Europe/Amsterdam';
SET DateStyle = 'German';
SET IntervalStyle = 'sql_standard';

CREATE FUNCTION field(type text) RETURNS text LANGUAGE sql AS $$ SELECT format('{"type":"record","name":"r","fields":[{"name":"v","type":%s}]}', type) $$;

-- A value of a type, written by a schema: the bytes, and what comes back.
CREATE FUNCTION trip(type text, schema text, VARIADIC vals text[], OUT written text, OUT back text, OUT problem text)
RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    val text;
BEGIN
    EXECUTE format('CREATE TEMP TABLE one (v %s)', type);
    FOREACH val IN ARRAY vals LOOP
        BEGIN
            problem := NULL;
            EXECUTE format('SELECT avro_encode(%L, %L, ROW(%L::%s))', 'one', field(schema), val, type) INTO written;
            SELECT d.fields[1], d.bad[1] INTO back, problem FROM avro_decode('one', field(schema), ARRAY[written::bytea]) d;
        EXCEPTION WHEN OTHERS THEN
            written := NULL;
            back := NULL;
            problem := SQLSTATE || ' ' || SQLERRM;
        END;
        RETURN NEXT;
    END LOOP;
    DROP TABLE one;
END $$;

SELECT t.* FROM unnest(ARRAY['int', 'bigint', 'numeric', 'float8', 'text']) c, trip(c, '"int"', '0', '-1', '2147483647', '2147483648', '1.5') t;
SELECT t.* FROM unnest(ARRAY['bigint', 'numeric']) c, trip(c, '"long"', '9223372036854775807', '-9223372036854775808', '9223372036854775808', '64') t;
SELECT t.* FROM unnest(ARRAY['real', 'float8', 'numeric', 'int', 'text']) c, trip(c, '"double"', '1', '-2.5', '0.1', 'NaN', '-Infinity', '1e30') t;
SELECT t.* FROM unnest(ARRAY['real', 'float8']) c, trip(c, '"float"', '0.1', 'Infinity', '1e30') t;
SELECT t.* FROM unnest(ARRAY['bool', 'text']) c, trip(c, '"boolean"', 'true', 'false') t;
SELECT t.* FROM unnest(ARRAY['text', 'varchar(5)', 'char(3)', 'jsonb']) c, trip(c, '"string"', '"x"', '', 'é"\') t;
SELECT t.* FROM unnest(ARRAY['int', 'timestamptz', 'interval', 'int[]', 'uuid']) c, trip(c, '"string"', '5', '2025-01-01', '{1,2}', '00000000000000000000000000000005') t;
SELECT t.* FROM unnest(ARRAY['bytea', 'text']) c, trip(c, '"bytes"', '\x', '\x00ff', 'é') t;
SELECT t.* FROM trip('bytea', '{"type":"fixed","name":"f","size":2}', '\x00ff', '\x00') t;
CREATE TYPE mood AS ENUM ('sad', 'happy');
SELECT t.* FROM unnest(ARRAY['text', 'mood']) c, trip(c, '{"type":"enum","name":"e","symbols":["happy","odd"]}', 'happy', 'sad') t;

SELECT t.* FROM trip('numeric', '{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}', '0', '1.28', '-1.28', '1.27', '-1.29', '2.5600', '12345678.99',
    '-12345678.99', '123456789', '0.001', 'NaN', '99999999.99') t;
SELECT t.* FROM trip('numeric', '{"type":"fixed","name":"f","size":3,"logicalType":"decimal","precision":6}', '0', '1', '-1', '999999', '-128', '32768') t;
SELECT t.* FROM trip('numeric', '{"type":"bytes","logicalType":"decimal","precision":60,"scale":30}',
    '123456789012345678901234567890.123456789012345678901234567890', '-0.000000000000000000000000000001') t;
SELECT t.* FROM trip('numeric', '{"type":"fixed","name":"f","size":1,"logicalType":"decimal","precision":6}', '127', '128', '-128') t;

SELECT t.* FROM trip('date', '{"type":"int","logicalType":"date"}', '1970-01-01', '1969-12-31', '2025-02-28', '0044-03-15 BC', 'infinity') t;
SELECT t.* FROM trip('time', '{"type":"int","logicalType":"time-millis"}', '00:00', '12:34:56.789', '12:34:56.789999', '24:00') t;
SELECT t.* FROM trip('time', '{"type":"long","logicalType":"time-micros"}', '12:34:56.789999') t;
SELECT u, t.* FROM unnest(ARRAY['millis', 'micros', 'nanos']) u, trip('timestamptz', format('{"type":"long","logicalType":"timestamp-%s"}', u),
    '1970-01-01 00:00+00', '1969-12-31 23:59:59.9995+00', '2025-06-01 12:00:00.123456', '9999-12-31', 'infinity') t;
SELECT u, t.* FROM unnest(ARRAY['millis', 'micros', 'nanos']) u, trip('timestamp', format('{"type":"long","logicalType":"local-timestamp-%s"}', u),
    '1970-01-01 00:00', '2025-06-01 12:00:00.123456') t;
SELECT t.* FROM unnest(ARRAY['uuid', 'text']) c, trip(c, '{"type":"fixed","name":"f","size":16,"logicalType":"uuid"}', '00000000-0000-0000-0000-0000000000ff', 'x') t;
SELECT t.* FROM trip('interval', '{"type":"fixed","name":"f","size":12,"logicalType":"duration"}', '1 mon 2 days 00:00:03.004', '0', '-1 day') t;

-- Unions.
SELECT t.* FROM trip('int', '["null","int"]', '5', NULL) t;
SELECT t.* FROM trip('int', '"int"', NULL) t;
SELECT t.* FROM trip('jsonb', '["null","string","long",{"type":"array","items":"boolean"},{"type":"map","values":"string"}]', '5', '"5"', 'null', '[true]', '{"a":"b"}', '1.5', '{"a":1}') t;
SELECT t.* FROM unnest(ARRAY['numeric', 'timestamptz']) c, trip(c, '["null","string",{"type":"long","logicalType":"timestamp-micros"}]', '5', '2025-01-01') t;

-- Arrays, maps, records.
CREATE TYPE pair AS (x int, y text);
SELECT t.* FROM unnest(ARRAY['int[]', 'jsonb']) c, trip(c, '{"type":"array","items":["null","int"]}', '{1,NULL,2}', '[1,null,2]', '{}', '[]', '{{1},{2}}') t;
SELECT t.* FROM trip('pair', '{"type":"record","name":"p","fields":[{"name":"y","type":["null","string"]},{"name":"x","type":"int"}]}', '(1,a)', '(1,)', '(,a)') t;
SELECT t.* FROM trip('pair[]', '{"type":"array","items":{"type":"record","name":"p","fields":[{"name":"x","type":"int"}]}}', '{"(1,a)"}') t;
SELECT t.* FROM trip('pair[]', '{"type":"array","items":{"type":"record","name":"p","fields":[{"name":"x","type":"int"},{"name":"y","type":"string"},{"name":"z","type":"int","default":7}]}}', '{"(1,a)"}') t;

-- What a row has no column for is the field's default, or null.
CREATE TABLE part (a int, "n.x" int);
SELECT avro_reference(s, avro_encode('part', s, ROW(1, 2))) FROM (SELECT '{"type":"record","name":"r","fields":[{"name":"a","type":"int"},
    {"name":"n","type":["null",{"type":"record","name":"n","fields":[{"name":"y","type":["null","int"]},{"name":"x","type":"int"}]}]},
    {"name":"b","type":"bytes","default":"\u0001\u00ffa"},{"name":"s","type":"string","default":"é"},{"name":"u","type":["null","int"]},
    {"name":"v","type":["int","null"],"default":3},{"name":"e","type":{"type":"enum","name":"e","symbols":["A","B"]},"default":"B"},
    {"name":"l","type":{"type":"array","items":"int"},"default":[1,2]},{"name":"m","type":{"type":"map","values":"long"},"default":{"k":1}},
    {"name":"d","type":{"type":"int","logicalType":"date"},"default":1}]}' AS s) _;
SELECT avro_encode('part', '{"type":"record","name":"r","fields":[{"name":"a","type":"int"},{"name":"n","type":"int"}]}', ROW(1, 2));
SELECT avro_encode('part', '{"type":"record","name":"r","fields":[{"name":"a","type":"int"},{"name":"n","type":{"type":"record","name":"n","fields":[]}}]}', ROW(1, 2));
CREATE TABLE a (a int);
SELECT avro_encode('a', '{"type":"record","name":"r","fields":[{"name":"a","type":"int"},{"name":"b","type":"int"}]}', ROW(1));
SELECT avro_encode('a', '{"type":"record","name":"r","fields":[{"name":"b","type":"int"}]}', ROW(1));
SELECT avro_encode('a', '{"type":"record","name":"r","fields":[{"name":"b","type":"int","aliases":["a"]}]}', ROW(1));
SELECT avro_encode('a', '"int"', ROW(1));
-- A null where there is no place for it.
SELECT avro_encode('a', '{"type":"record","name":"r","fields":[{"name":"a","type":"int","default":7}]}', ROW(NULL::int));
SELECT avro_encode('a', '{"type":"record","name":"r","fields":[{"name":"a","type":["int","null"],"default":7}]}', ROW(NULL::int));
-- A default that never ends.
SELECT avro_encode('a', '{"type":"record","name":"r","fields":[{"name":"a","type":"int"},{"name":"b","type":["r","null"],"default":{"a":1}}]}', ROW(1));
