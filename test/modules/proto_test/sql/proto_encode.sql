-- Rows as messages: what is written reads back, and is what others write.
CREATE SCHEMA proto_encode;
SET search_path = proto_encode, public;
SET TimeZone = 'UTC';
CREATE TABLE t (a int, b text, c bytea, d bool, e float8, f text, g int[], h jsonb, i timestamptz,
    j interval, k bigint, l jsonb, m jsonb, n numeric, o int, p text);
\set schema 'syntax = "proto3"; import "google/protobuf/timestamp.proto"; '
\set schema :schema 'import "google/protobuf/duration.proto"; '
\set schema :schema 'import "google/protobuf/wrappers.proto"; '
\set schema :schema 'import "google/protobuf/struct.proto"; message r { int32 a = 1; '
\set schema :schema 'optional string b = 2; bytes c = 3; bool d = 4; double e = 5; enum E { Z = 0; '
\set schema :schema 'O = 1; } E f = 6; repeated sint32 g = 7; map<string, r> h = 8; '
\set schema :schema 'google.protobuf.Timestamp i = 9; google.protobuf.Duration j = 10; '
\set schema :schema 'google.protobuf.Int64Value k = 11; google.protobuf.Struct l = 12; '
\set schema :schema 'repeated google.protobuf.Value m = 13; uint64 n = 14; '
\set schema :schema 'oneof choice { fixed32 o = 15; string p = 16; } }'
CREATE TABLE wanted AS SELECT 0 AS id, t.* FROM t;
INSERT INTO wanted VALUES (1);
INSERT INTO wanted VALUES (2, 0, '', '', false, 0, 'Z', '{}', '{}', '1970-01-01Z', '0', 0, '{}',
    '[]', 0, 0, NULL),
    (3, -1, E'x"\\\n€', '\x00ff', true, -0.5, 'O', '{1,-1,2147483647}', '{"k": {"a": 5}, "": {}}',
    '1969-12-31 23:59:59.000001Z', '-1 day -1.000001 s', -5,
        '{"a": [1, "x", null, {"b": false}]}', '[null, 1, [], {}]',
        18446744073709551615, NULL, 'p'),
    (4, 2147483647, NULL, NULL, NULL, 'NaN', '7', NULL, NULL, '2025-01-01 00:00:00.5Z', NULL, NULL,
    NULL, NULL, NULL, 2000000000, NULL);
SELECT id, proto_encode('t', :'schema', NULL, ROW(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p))
    FROM wanted WHERE id < 4 ORDER BY id;
SELECT id, fields FROM wanted,
    LATERAL proto_decode('t', :'schema', NULL, ARRAY[proto_encode('t', :'schema', NULL,
        ROW(a, b, c, d, e, f, g, h, i, j, k, l, m, n, NULL::int, p))]) ORDER BY id;

-- What does not fit is an error, not something else.
CREATE TABLE u (a numeric, b jsonb, c text, d text, e jsonb, f text, g jsonb, h jsonb, i text,
    j interval, k numeric, l jsonb, o int, p text);
SELECT proto_encode('u', :'schema', NULL, ROW(1.5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL)::u);
SELECT proto_encode('u', :'schema', NULL, ROW(2147483648, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL, NULL)::u);
SELECT proto_encode('u', :'schema', NULL, ROW(NULL, NULL, NULL, 'x', NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL)::u);
SELECT proto_encode('u', :'schema', NULL, ROW(NULL, NULL, NULL, NULL, '"x"', NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL)::u);
SELECT proto_encode('u', :'schema', NULL, ROW(NULL, NULL, NULL, NULL, NULL, 'X', NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL)::u);
SELECT proto_encode('u', :'schema', NULL, ROW(NULL, NULL, NULL, NULL, NULL, NULL, '[1, null]', NULL,
    NULL, NULL, NULL, NULL, NULL, NULL)::u);
SELECT proto_encode('u', :'schema', NULL, ROW(NULL, NULL, NULL, NULL, NULL, NULL, '5', NULL, NULL,
    NULL, NULL, NULL, NULL, NULL)::u);
SELECT proto_encode('u', :'schema', NULL, ROW(NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    '{"x": {"h": {"y": {"a": "z"}}}}', NULL, NULL, NULL, NULL, NULL, NULL)::u);
SELECT proto_encode('u', :'schema', NULL, ROW(NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    '{"x": {"nothing": 1}}', NULL, NULL, NULL, NULL, NULL, NULL)::u);
SELECT proto_encode('u', :'schema', NULL, ROW(NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    '{"x": null}', NULL, NULL, NULL, NULL, NULL, NULL)::u);
SELECT proto_encode('u', :'schema', NULL, ROW(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    'yesterday', NULL, NULL, NULL, NULL, NULL)::u);
SELECT proto_encode('u', :'schema', NULL, ROW(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    '1 month', NULL, NULL, NULL, NULL)::u);
SELECT proto_encode('u', :'schema', NULL, ROW(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, 1e30, NULL, NULL, NULL)::u);
SELECT proto_encode('u', :'schema', NULL, ROW(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, '[]', NULL, NULL)::u);
SELECT proto_encode('u', :'schema', NULL, ROW(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, 1, 'x')::u);
SELECT proto_encode('u', :'schema', NULL, ROW(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, -1, NULL)::u);
CREATE TABLE v (a int, x int);
SELECT proto_encode('v', :'schema', NULL, ROW(1, 2)::v);
SELECT proto_encode('v',
    'syntax = "proto2"; message r { required int32 a = 1; optional int32 x = 2 [default = 5]; }',
    NULL, ROW(1, 5)::v),
    proto_encode('v', 'syntax = "proto2"; message r { required int32 x = 2; optional int32 a = 1; '
    '}', NULL, ROW(NULL, 0)::v);
SELECT proto_encode('v',
    'syntax = "proto2"; message r { required int32 a = 1; optional int32 x = 2; }', NULL,
    ROW(NULL, 5)::v);

-- The schema that is made of columns.
CREATE TYPE pair AS (x int, y text);
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE TABLE made (a int NOT NULL, gone int, b bigint, c smallint, d real, e float8, f text,
    g bytea, h bool NOT NULL, i timestamptz, j timestamp, k date, l numeric(5,2), m uuid, n jsonb,
    o pair, p pair[], q positive, r text[], s interval, t jsonb[]);
ALTER TABLE made DROP gone;
CREATE TABLE kept AS SELECT * FROM made;
SELECT proto_columns('kept'), proto_check(proto_columns('kept')) IS NULL AS is_one;
SELECT proto_columns('v', true), proto_check(proto_columns('v', true)) IS NULL AS is_one;
CREATE TABLE "no name" ("a b" int);
SELECT proto_columns('"no name"');
INSERT INTO kept VALUES (0, 1, 2, 0.1, 0.2, 'x', '\xff', false, '2025-01-01Z', '2025-01-01',
    '2025-01-01', 1.50, '6f1c0e9a-0000-4000-8000-000000000001', '"x"', (1, 'y'), '{"(2,)"}', 5,
    '{a}', '1 mon 2 d', '{1,"\"s\""}');
INSERT INTO kept VALUES (1);
SELECT fields, bad FROM kept,
    LATERAL proto_decode('kept', proto_columns('kept'), NULL,
        ARRAY[proto_encode('kept', proto_columns('kept'), NULL, kept)]);
SET client_min_messages = warning;
DROP SCHEMA proto_encode CASCADE;
