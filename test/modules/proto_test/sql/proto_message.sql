-- What is a message: fields that are well formed, whichever columns are wanted.
CREATE SCHEMA proto_message;
SET search_path = proto_message, public;
SET TimeZone = 'UTC';
CREATE TABLE nothing ();
CREATE TABLE ab (a int, b text);

\set schema 'syntax = "proto3"; message r { int32 a = 1; optional string b = 2; }'
SELECT * FROM proto_decode('ab', :'schema', NULL, ARRAY['\x', '\x0801', '\x08011200',
    '\x0801120178', '\x12017808ffffffffffffffffff01', NULL]::bytea[]);
-- Last ones count; unknown fields of all kinds, and those that are not as the schema has them, are
-- passed over.
SELECT * FROM proto_decode('ab', :'schema', NULL, ARRAY['\x080108021201781202797a',
    '\x18071908070605040302012202ffff2d01020304080a',
    '\x0a0178', '\x0d01000000', '\x1001', '\x1b08051c0806', '\x0b08050c',
    '\x1b1b1c1c1206e282ace282ac', '\x180708ac02b89c0105']::bytea[]);
-- Cut off, too long, of no kind, without a number, groups that do not end, that end as others, that
-- have not begun.
\set bad '''\\x08'', ''\\x0880'', ''\\x08808080808080808080808001'', '
\set bad :bad '''\\x08ffffffffffffffffff02'', ''\\x120578'', ''\\x12ffffffff0f'', '
\set bad :bad '''\\x12ffffffffffffffffff01'', ''\\x0e'', ''\\x0f00'', ''\\x0001'', ''\\x80'', '
\set bad :bad '''\\x8080808080808001'', ''\\xffffffff7f01'', ''\\x1b'', ''\\x1b1801'', '
\set bad :bad '''\\x1b24'', ''\\x1c'', ''\\x2d010203'', ''\\x1901020304050607'''
SELECT * FROM proto_decode('ab', :'schema', NULL, ARRAY[:bad]::bytea[]);
SELECT message, bad FROM proto_decode('nothing', :'schema', NULL,
    ARRAY['\x', '\x1200', :bad]::bytea[]) WHERE bad <> '{}' AND message < 6;
SELECT count(*) FILTER (WHERE bad = '{}') AS good, count(*)
    FROM proto_decode('nothing', :'schema', NULL, ARRAY['\x', '\x1200', :bad]::bytea[]);
-- Text is looked at where a column needs it.
SELECT * FROM proto_decode('ab', :'schema', NULL,
    ARRAY['\x1201ff', '\x120100', '\x1203e282ac']::bytea[]);

-- By name, in any order; what the schema does not have is null, or a bad cell.
CREATE TABLE other (b text, c int, a bigint NOT NULL, d int NOT NULL);
SELECT * FROM proto_decode('other', :'schema', NULL, ARRAY['\x', '\x0801120178']::bytea[]);

-- Presence and defaults: of proto3, of proto2, within messages that are there and that are not.
CREATE TABLE present (plain int, maybe int, plain_text text, many int[], m jsonb, "inner.x" int,
    "inner.y" int, "inner" jsonb);
SELECT * FROM proto_decode('present',
    'syntax = "proto3"; message r { int32 plain = 1; optional int32 maybe = 2;
    string plain_text = 3;
    repeated int32 many = 4; map<string, int32> m = 5; message i { int32 x = 1;
    optional int32 y = 2; } i inner = 6; }', NULL,
    ARRAY['\x', '\x080010001a0022002a003200',
    '\x080110021a0178220201022a050a016110073204080110023a00']::bytea[]);
CREATE TABLE early (n int, t text, e text, r int, o int NOT NULL, "G.x" int, "g.x" int, g jsonb,
    d float8, b bytea);
SELECT * FROM proto_decode('early',
    'syntax = "proto2"; message r { optional int32 n = 1 [default = -7];
    optional string t = 2 [default = "x\ny"];
    enum E { ONE = 1; TWO = 2; } optional E e = 3 [default = TWO]; required int32 r = 4;
    optional int32 o = 5;
    optional group G = 6 { optional int32 x = 1 [default = 3]; }
    optional double d = 7 [default = inf]; optional bytes b = 8 [default = "\001"]; }', NULL,
    ARRAY['\x', '\x08002001280533083434', '\x12001801333439000000000000f8ff4200',
    '\x330805330806342801', '\x33080134330834280133', '\x33080134331034']::bytea[]);

-- Of a oneof the last one counts, whichever columns there are.
\set schema 'syntax = "proto3"; message r { oneof choice { int32 a = 1; string b = 2; m c = 3; } '
\set schema :schema 'message m { int32 x = 1; } int32 d = 4; }'
CREATE TABLE choices (a int, b text, "c.x" int, c jsonb, d int, "*" jsonb);
SELECT * FROM proto_decode('choices', :'schema', NULL, ARRAY['\x', '\x0800', '\x0801120178',
    '\x12017808011a0208072001', '\x1a0208071a001200']::bytea[]);
SELECT * FROM proto_decode('ab', :'schema', NULL, ARRAY['\x0801', '\x08011a00', '\x1201781a00',
    '\x1a000801']::bytea[]);

-- Messages in parts are one; paths through messages and maps, by the keys' text.
CREATE TABLE paths ("p.x" int, "p.m.k" text, p jsonb, "p.m" jsonb, "p.nothing" int, "n.7.x" int,
    "n.-1.x" int, "b.true" int, "u.18446744073709551615" int, "r.x" int, r jsonb);
\set schema 'syntax = "proto3"; message i { int32 x = 1; map<string, string> m = 2; int32 y = 3; } '
\set schema :schema 'message r { i p = 1; map<sint64, i> n = 2; map<bool, int32> b = 3; '
\set schema :schema 'map<uint64, int32> u = 4; repeated i r = 5; }'
SELECT * FROM proto_decode('paths', :'schema', 'r',
    ARRAY['\x', '\x0a0208050a0218060a0612040a016b00',
    '\x0a0812060a016b120176120a080e1206080112020a001206080112020805', '\x1204080e1200',
    '\x1a0210051a0408011006220c08ffffffffffffffffff0110092a0208012a0018072a021801',
    '\x0a0208', '\x0a0312010a', '\x12020a05', '\x2a0108']::bytea[]);

-- Entries of maps that leave out what is zero, or empty; also in proto2.
CREATE TABLE entries (m jsonb, "m." int, n jsonb, "n.0" text, e jsonb);
SELECT * FROM proto_decode('entries', 'syntax = "proto2"; enum E { X = 0; Y = 1; } message r {
    map<string, int32> m = 1; map<int32, string> n = 2; map<bool, E> e = 3; }', NULL,
    ARRAY['\x0a00', '\x0a021004', '\x0a030a0161', '\x12001a00', '\x120312017812020801']::bytea[]);

-- Which message: the first, or by its name.
\set schema 'syntax = "proto3"; package p.q; message one { int32 a = 1; message two { int32 b = 1; '
\set schema :schema 'message three { int32 a = 2; } } } message on { int32 b = 1; }'
SELECT name, fields FROM unnest(ARRAY[NULL, 'p.q.one', 'p.q.one.two', 'p.q.one.two.three',
    'p.q.on']) name,
    LATERAL proto_decode('ab', :'schema', name, ARRAY['\x08051006']::bytea[]);
SELECT * FROM proto_decode('ab', :'schema', 'one', ARRAY['\x08051006']::bytea[]);
SET client_min_messages = warning;
DROP SCHEMA proto_message CASCADE;
