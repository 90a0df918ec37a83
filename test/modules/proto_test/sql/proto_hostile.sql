-- Messages that claim, repeat and nest more than there is; and any bytes.
CREATE SCHEMA proto_hostile;
SET search_path = proto_hostile, public;
SET TimeZone = 'UTC';
CREATE FUNCTION varint(n bigint) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT decode(string_agg(lpad(to_hex((n >> (7 * i)) & 127
                | CASE WHEN n >> (7 * (i + 1)) > 0 THEN 128 ELSE 0 END), 2, '0'), ''
                ORDER BY i), 'hex')
        FROM generate_series(0, 8) i WHERE i = 0 OR n >> (7 * i) > 0 $$;
CREATE FUNCTION nested(depth int) RETURNS bytea LANGUAGE plpgsql AS $$
    DECLARE message bytea := '\x1001';
    BEGIN
        FOR i IN 1..depth LOOP message := '\x0a' || varint(length(message)) || message; END LOOP;
        RETURN message;
    END $$;
CREATE TABLE tree (a jsonb, "a.a.x" int, x int);
\set tree 'syntax = "proto3"; message n { n a = 1; int32 x = 2; repeated n b = 3; }'
-- Within each other: where a column needs it, as deep as libprotobuf takes it.
SELECT depth, fields[1] IS NOT NULL AS a, fields[2] AS aax, fields[3] AS x, bad
    FROM unnest(ARRAY[0, 1, 2, 100, 101, 10000]) depth,
    LATERAL proto_decode('tree', :'tree', NULL, ARRAY[nested(depth)]);
SELECT bad FROM proto_decode('tree', :'tree', NULL,
    ARRAY[convert_to(repeat(E'\x0b', 10000), 'UTF8'),
    convert_to(repeat(E'\x0b', 99) || repeat(E'\x0c', 99), 'UTF8'),
    convert_to(repeat(E'\x0b', 101) || repeat(E'\x0c', 101), 'UTF8')]);
\set groups 'syntax = "proto2"; message n { optional group G = 1 { optional group G = 1 { '
\set groups :groups 'optional int32 x = 2; } } }'
CREATE TABLE groups (g jsonb, "g.g.x" int);
SELECT * FROM proto_decode('groups', :'groups', NULL,
    ARRAY['\x0b0b10050c0c', '\x0b0b10050c0c0b0b0c0c', '\x0b0b1005', '\x0b0b10050c14']::bytea[]);
-- Messages that have the names of known ones, and are made otherwise, are what they are.
CREATE TABLE known (d jsonb, "d.x" int, w float8);
SELECT fields, bad FROM proto_decode('known',
    'syntax = "proto3"; package google.protobuf; message M { ListValue d = 1; DoubleValue w = 2; } '
    'message ListValue { int32 x = 1; } message DoubleValue {}',
    'google.protobuf.M', ARRAY['\x0a020805', '\x1200']::bytea[]);
-- JSON is limited by the message's length: of items that are nothing, of fields that each has by
-- default.
CREATE TABLE items (items jsonb);
SELECT length(fields[1]), bad
    FROM (SELECT 'syntax = "proto3"; message i { '
    || string_agg(format('int32 a_long_name_%s = %s;', i, i), ' ')
    || '} message r { repeated i items = 1; }' AS schema FROM generate_series(1, 100) i) s,
    LATERAL proto_decode('items', schema, 'r', ARRAY[convert_to(repeat(E'\n', 1), 'UTF8') || '\x00',
        decode(repeat('0a00', 100000), 'hex')]);
SELECT length(fields[1]), bad
    FROM (SELECT 'syntax = "proto3"; message i { '
    || string_agg(format('optional int32 a%s = %s;', i, i), ' ')
    || '} message r { repeated i items = 1; }' AS schema FROM generate_series(1, 10000) i) s,
    LATERAL proto_decode('items', schema, 'r', ARRAY[decode(repeat('0a00', 200000), 'hex')]);
-- Many numbers in few bytes are as many as there are bytes; many parts of one message.
CREATE TABLE numbers (n int[]);
SELECT array_length(fields[1]::int[], 1), bad
    FROM proto_decode('numbers', 'syntax = "proto3"; message r { repeated int32 n = 1; }', NULL,
    ARRAY['\x0a' || varint(300000) || decode(repeat('01', 300000), 'hex'),
    decode(repeat('0801', 300000), 'hex')]);
SELECT length(fields[1]), bad FROM proto_decode('tree', :'tree', NULL,
    ARRAY[decode(repeat('0a021001', 100000), 'hex'),
        decode(repeat('0a040a021001', 100000), 'hex')]);

-- Any bytes: good or bad, never anything else.
CREATE TABLE rich (a int, b text, c jsonb, d timestamptz, e text, f int[], "c.s" text, "m.k" int,
    m jsonb, w bigint, j jsonb, "j.k" text, o1 int, o2 text, "*" jsonb);
\set rich 'syntax = "proto3"; import "google/protobuf/timestamp.proto"; '
\set rich :rich 'import "google/protobuf/wrappers.proto"; import "google/protobuf/struct.proto"; '
\set rich :rich 'message r { int32 a = 1; string b = 2; i c = 3; google.protobuf.Timestamp d = 4; '
\set rich :rich 'E e = 5; repeated sint32 f = 6; map<string, int32> m = 7; '
\set rich :rich 'google.protobuf.Int64Value w = 8; google.protobuf.Struct j = 9; '
\set rich :rich 'oneof o { int32 o1 = 10; string o2 = 11; } } enum E { Z = 0; O = 1; } '
\set rich :rich 'message i { string s = 1; repeated i is = 2; map<int32, i> im = 3; }'
\set message '\\x080512017a1a130a017312050a01741a001a07080112030a01751a0022060880a2e2ba062801320301'
\set message :message '0203320404050607 3a050a016b10073a0042020809 '
\set message :message '4a0b0a090a016b12041a020a0050018a0500 5a0178'
SELECT good + bad FROM proto_fuzz('rich', :'rich',
    decode(replace(substr(:'message', 3), ' ', ''), 'hex'), 20000, 1);
SET client_min_messages = warning;
DROP SCHEMA proto_hostile CASCADE;
