-- Bytes that claim what they do not have, and schemas that make much of little.
CREATE SCHEMA avro_hostile;
SET search_path = avro_hostile, public;
CREATE TABLE nothing ();
CREATE TABLE document (v jsonb);
CREATE FUNCTION field(type text) RETURNS text LANGUAGE sql AS $$ SELECT format('{"type":"record","name":"r","fields":[{"name":"v","type":%s}]}', type) $$;

CREATE FUNCTION show(schema text, VARIADIC messages text[], OUT value text, OUT bad text, OUT bad_unread text)
RETURNS SETOF record LANGUAGE sql AS $$
    SELECT left(d.fields[1], 60), d.bad[1], n.bad[1]
    FROM avro_decode('document', field(schema), ARRAY(SELECT m::bytea FROM unnest(messages) WITH ORDINALITY u(m, i) ORDER BY i)) d
    JOIN avro_decode('nothing', field(schema), ARRAY(SELECT m::bytea FROM unnest(messages) WITH ORDINALITY u(m, i) ORDER BY i)) n USING (message)
    ORDER BY message
$$;

-- As deep whether somebody reads it or not.
SELECT n, v.bad, v.bad_unread FROM generate_series(48, 51) n, show('{"type":"record","name":"list","fields":[{"name":"next","type":["null","list"]}]}', '\x' || repeat('02', n) || '00') v;
-- Billions of nothing: passed over, but no value.
SELECT * FROM show('{"type":"array","items":"null"}', '\x0600', '\x80d0dbc3f40200', '\xfeffffffffffffffff0100', '\xfeffffffffffffffff01' || repeat('feffffffffffffffff01', 20) || '00');
SELECT * FROM show('{"type":"array","items":{"type":"fixed","name":"f","size":0}}', '\x80d0dbc3f40200');
SELECT * FROM show('{"type":"array","items":{"type":"record","name":"e","fields":[{"name":"n","type":"null"}]}}', '\x80d0dbc3f40200');
-- Lengths beyond the end, of all kinds.
SELECT * FROM show('"bytes"', '\xfeffffffffffffffff01', '\x80808080202020', '\x01', '\xffffffffffffffffff01');
SELECT * FROM show('{"type":"map","values":"int"}', '\xfeffffffffffffffff01', '\x02feffffffffffffffff01', '\x0201', '\x03feffffffffffffffff0102610200', '\xffffffffffffffffff01');
SELECT * FROM show('{"type":"fixed","name":"f","size":1000000000}', '\x00');
-- Records that double: 2^60 nothings, or bytes that are not there.
CREATE FUNCTION doubled(type text, depth int) RETURNS text LANGUAGE sql AS $$
    SELECT '{"type":"record","name":"top","fields":[{"name":"f0","type":{"type":"record","name":"d0","fields":[{"name":"a","type":"' || type || '"}]}}'
        || string_agg(format(',{"name":"f%s","type":{"type":"record","name":"d%s","fields":[{"name":"a","type":"d%s"},{"name":"b","type":"d%s"}]}}', i, i, i - 1, i - 1), '' ORDER BY i) || ']}'
    FROM generate_series(1, depth) i
$$;
SELECT * FROM show(doubled('null', 60), '\x', '\x00');
SELECT * FROM show(doubled('boolean', 60), '\x', '\x00' || repeat('00', 10000));
SELECT length(value), bad, bad_unread FROM show(doubled('boolean', 3), '\x' || repeat('01', 15));
-- Values within each other without an end.
SELECT * FROM show('{"type":"record","name":"list","fields":[{"name":"next","type":["null","list"]}]}', '\x' || repeat('02', 40) || '00', '\x' || repeat('02', 100000) || '00');
SELECT * FROM show('{"type":"record","name":"tree","fields":[{"name":"t","type":{"type":"array","items":"tree"}}]}', '\x' || repeat('02', 30) || repeat('00', 31),
    '\x' || repeat('02', 100000));
-- A name that is longer than all that it names.
SELECT length(value), bad FROM show('{"type":"array","items":{"type":"record","name":"e","fields":[{"name":"' || repeat('x', 10000) || '","type":"boolean"}]}}', '\x0400'
    || '0000', '\xd00f' || repeat('00', 1001));

-- Changed at random.
CREATE TABLE wide (a int, b text, c numeric, d timestamptz, e jsonb, f bytea, "g.x" int, "g.m.k" text, h int[], i uuid, j float8, k interval, l text, g jsonb);
SELECT good > 100 AS some_good, bad > 1000 AS some_bad, good + bad AS rounds FROM avro_fuzz('wide', '{"type":"record","name":"r","fields":[{"name":"a","type":"int"},{"name":"b","type":["null","string"]},
    {"name":"c","type":{"type":"bytes","logicalType":"decimal","precision":20,"scale":3}},{"name":"d","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"e","type":["int","string",{"type":"map","values":["null","double"]},{"type":"array","items":"r"}]},{"name":"f","type":{"type":"fixed","name":"f","size":4}},
    {"name":"g","type":["null",{"type":"record","name":"g","fields":[{"name":"x","type":"int"},{"name":"m","type":{"type":"map","values":"string"}}]}]},
    {"name":"h","type":{"type":"array","items":["null","int"]}},{"name":"i","type":{"type":"string","logicalType":"uuid"}},{"name":"j","type":"double"},
    {"name":"k","type":{"type":"fixed","name":"d","size":12,"logicalType":"duration"}},{"name":"l","type":{"type":"enum","name":"e","symbols":["A","B"]}}]}',
    ('\x2a0206c3a974040fa0aac68bcea6650404' || '0261020000000000000840' || '0262' || '0000' || '00010203' || '020a' || '02026b0276' || '00' || '04020600' || '00'
    || '4861616161616161612d616161612d616161612d616161612d616161616161616161616161' || '000000000000f03f' || '010000000200000088130000' || '02')::bytea, 20000, 1);
-- Random schemas, and what is written changed.
SELECT sum(good + bad) FROM generate_series(1000, 1100) seed, avro_random_schema(seed) s, avro_fuzz('document', replace(s, '"name":"r"', '"name":"v"'), avro_random_value(s, seed), 200, seed);
