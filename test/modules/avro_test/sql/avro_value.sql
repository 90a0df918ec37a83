-- What a value is for a column of each type.
CREATE SCHEMA avro_value;
SET search_path = avro_value, public;
SET TimeZone = 'UTC';
SET IntervalStyle = 'postgres';

-- One value, as a row of one column, whose bytes Avro C would write; several of them.
CREATE FUNCTION show(type text, schema text, VARIADIC messages text[], OUT value text, OUT bad text)
RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TEMP TABLE one (v %s)', type);
    RETURN QUERY SELECT d.fields[1], d.bad[1]
        FROM avro_decode('one', format('{"type":"record","name":"r","fields":[{"name":"v","type":%s}]}', schema),
                         ARRAY(SELECT m::bytea FROM unnest(messages) WITH ORDINALITY u(m, i) ORDER BY i)) d ORDER BY d.message;
    DROP TABLE one;
END $$;

-- Numbers, as they are, widened, and where they are too large.
SELECT t, v.* FROM unnest(ARRAY['smallint', 'int', 'bigint', 'real', 'float8', 'numeric', 'numeric(6,1)', 'text', 'varchar(3)', 'jsonb', 'bool', 'bytea']) t,
    show(t, '"long"', '\x02', '\x01', '\xd0860300'::text, '\xfeffffffffffffffff01', '\xc09a0c') v;
SELECT t, v.* FROM unnest(ARRAY['int', 'bigint', 'timestamptz', 'text']) t, show(t, '"int"', '\x02', '\xffffffff0f') v;
SELECT t, v.* FROM unnest(ARRAY['real', 'float8', 'numeric', 'text', 'jsonb', 'int']) t,
    show(t, '"float"', '\xcdcccc3d', '\x00004040', '\x0000c07f', '\x000080ff') v;
SELECT t, v.* FROM unnest(ARRAY['real', 'float8', 'numeric', 'text', 'jsonb', 'int']) t,
    show(t, '"double"', '\x9a9999999999b93f', '\x0000000000000840', '\x000000000000f87f', '\x000000000000f0ff', '\x9c7500883ce4377e') v;
SELECT t, v.* FROM unnest(ARRAY['bool', 'text', 'int', 'jsonb']) t, show(t, '"boolean"', '\x01', '\x00', '\x02') v;

-- Texts and bytes.
SELECT t, v.* FROM unnest(ARRAY['text', 'varchar', 'varchar(2)', 'char(4)', 'bytea', 'int', 'jsonb', 'json', 'uuid', 'timestamptz', 'inet', 'int[]', 'name']) t,
    show(t, '"string"', '\x00', '\x047879', '\x06e282ac', '\x062278225c', '\x0231', '\x02ff', '\x0200', '\x065b315d',
        '\x4861616161616161612d616161612d616161612d616161612d616161616161616161616161', '\x14323032352d30312d3032') v;
SELECT t, v.* FROM unnest(ARRAY['bytea', 'text', 'varchar(1)', 'jsonb', 'int']) t, show(t, '"bytes"', '\x00', '\x043132', '\x04ff00') v;
SELECT t, v.* FROM unnest(ARRAY['bytea', 'text', 'jsonb']) t, show(t, '{"type":"fixed","name":"f","size":2}', '\x3132', '\xff00', '\x31') v;
CREATE TYPE mood AS ENUM ('sad', 'happy');
SELECT t, v.* FROM unnest(ARRAY['text', 'mood', 'jsonb', 'varchar(3)', 'int']) t,
    show(t, '{"type":"enum","name":"e","symbols":["sad","happy","odd"]}', '\x00', '\x02', '\x04', '\x06', '\x01') v;

-- Decimals: two's complement, the highest byte first.
SELECT t, v.* FROM unnest(ARRAY['numeric', 'numeric(5,1)', 'int', 'float8', 'text', 'jsonb']) t,
    show(t, '{"type":"bytes","logicalType":"decimal","precision":5,"scale":2}', '\x023a', '\x0404d2', '\x04fb2e', '\x0200', '\x00', '\x0400ff',
        '\x06ffffff', '\x060f423f', '\x0404d2', '\x02ff', '\x040064', '\x060186a0') v;
SELECT v.* FROM show('numeric', '{"type":"bytes","logicalType":"decimal","precision":30,"scale":5}', '\x1207fffffffffffffffe', '\x12f800000000000000ff',
    '\x107fffffffffffffff', '\x108000000000000000', '\x100de0b6b3a763ffff', '\x100de0b6b3a7640000') v;
SELECT v.* FROM show('numeric', '{"type":"fixed","name":"f","size":4,"logicalType":"decimal","precision":9}', '\x0000007b', '\xffffff85', '\x7fffffff') v;
SELECT v.* FROM show('numeric', '{"type":"bytes","logicalType":"decimal","precision":4,"scale":4}', '\x0205', '\x02fb', '\x04d8f1') v;
-- What makes no decimal is bytes.
SELECT v.* FROM show('bytea', '{"type":"bytes","logicalType":"decimal","precision":2,"scale":3}', '\x023a') v;
-- Ten thousand digits are too many; some are not.
SELECT length(v.value), left(v.value, 20), v.bad FROM show('numeric', '{"type":"bytes","logicalType":"decimal","precision":20000}',
    '\x8040' || repeat('7f', 4096), '\x8240' || repeat('7f', 4097), '\xc801' || repeat('7f', 100), '\x8240' || '00' || repeat('7f', 4096)) v;

-- Times.
SELECT t, v.* FROM unnest(ARRAY['date', 'text', 'timestamp', 'int', 'jsonb']) t,
    show(t, '{"type":"int","logicalType":"date"}', '\x00', '\x01', '\xc2b202', '\xfeffffff0f') v;
SELECT u, t, v.* FROM unnest(ARRAY['millis', 'micros', 'nanos']) u, unnest(ARRAY['timestamptz', 'timestamp', 'timestamptz(0)', 'date', 'text', 'bigint']) t,
    show(t, format('{"type":"long","logicalType":"timestamp-%s"}', u), '\x00', '\x01', '\xaac68bcea665', '\xfeffffffffffffffff01', '\xffffffffffffffffff01') v;
SELECT u, t, v.* FROM unnest(ARRAY['millis', 'micros', 'nanos']) u, unnest(ARRAY['timestamptz', 'timestamp', 'text']) t,
    show(t, format('{"type":"long","logicalType":"local-timestamp-%s"}', u), '\x00', '\x01', '\xaac68bcea665') v;
SELECT t, v.* FROM unnest(ARRAY['time', 'time(0)', 'text', 'interval']) t,
    show(t, '{"type":"int","logicalType":"time-millis"}', '\x00', '\xd2f6a125', '\x80b0b352', '\x82b0b352', '\x01') v;
SELECT v.* FROM show('time', '{"type":"long","logicalType":"time-micros"}', '\x02', '\x80c0e2fdee04', '\x80e0cbffc60a') v;
SELECT t, v.* FROM unnest(ARRAY['interval', 'text', 'bytea']) t,
    show(t, '{"type":"fixed","name":"d","size":12,"logicalType":"duration"}', '\x010000000200000088130000', '\x000000000000000000000000', '\xffffffffffffffffffffffff') v;
SELECT t, v.* FROM unnest(ARRAY['uuid', 'text']) t,
    show(t, '{"type":"fixed","name":"d","size":16,"logicalType":"uuid"}', '\x000102030405060708090a0b0c0d0e0f') v;
-- As Debezium names them.
SELECT v.* FROM show('timestamp', '{"type":"long","connect.name":"io.debezium.time.MicroTimestamp"}', '\xaac68bcea665') v;
SELECT v.* FROM show('date', '{"type":"int","connect.name":"io.debezium.time.Date"}', '\xc2b202') v;
-- A time of another kind than the specification has it is a number.
SELECT v.* FROM show('bigint', '{"type":"int","logicalType":"timestamp-millis"}', '\x02') v;

-- Unions, arrays, maps, records.
CREATE TYPE pair AS (x int, y text);
SELECT t, v.* FROM unnest(ARRAY['jsonb', 'text', 'int', 'bool']) t, show(t, '["int","null","string","boolean"]', '\x0002', '\x02', '\x040231', '\x0601', '\x08') v;
SELECT t, v.* FROM unnest(ARRAY['int[]', 'jsonb', 'text', 'text[]']) t, show(t, '{"type":"array","items":["null","int"]}', '\x00', '\x06020200020400') v;
SELECT t, v.* FROM unnest(ARRAY['int[]', 'jsonb']) t, show(t, '{"type":"array","items":{"type":"array","items":"int"}}', '\x04040204000406080000', '\x040202000406080000') v;
SELECT t, v.* FROM unnest(ARRAY['pair', 'jsonb', 'json', 'text', 'int']) t,
    show(t, '{"type":"record","name":"p","fields":[{"name":"y","type":"string"},{"name":"x","type":["null","int"]},{"name":"z","type":"null"}]}', '\x02780202', '\x022200') v;
SELECT v.* FROM show('pair[]', '{"type":"array","items":{"type":"record","name":"p","fields":[{"name":"x","type":"int"},{"name":"y","type":"string"}]}}',
    '\x0402027804027900') v;
SELECT t, v.* FROM unnest(ARRAY['jsonb', 'text']) t, show(t, '{"type":"map","values":{"type":"long","logicalType":"timestamp-millis"}}', '\x0402610002620200', '\x00', '\x0202ff0000') v;

-- Domains.
CREATE DOMAIN small AS int CHECK (value < 10);
CREATE DOMAIN present AS text NOT NULL;
SELECT v.* FROM show('small', '["null","int"]', '\x0202', '\x0228', '\x00') v;
SELECT v.* FROM show('present', '["null","string"]', '\x020278', '\x00') v;
SELECT v.* FROM show('int NOT NULL', '["null","int"]', '\x0202', '\x00') v;
