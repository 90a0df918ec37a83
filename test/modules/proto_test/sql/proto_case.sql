-- Names without regard to case.
CREATE SCHEMA proto_case;
SET search_path = proto_case, public;
SET test.ignore_case = on;
CREATE TABLE plain (id int, "p.city" text, p jsonb, "p.m.k" text, "p.m.K" text, b int);
SELECT 'syntax = "proto3"; message place { string City = 1; map<string, string> M = 2; } '
    'message r { int32 ID = 1; place P = 2; oneof c { int32 A = 3; int32 B = 4; } }' AS schema \gset
-- Keys of maps are what they are.
SELECT * FROM proto_decode('plain', :'schema', 'r', ARRAY['\x08011a00',
    '\x0801120b0a017812060a016b1201762005', '\x0801120b0a017812060a014b12017620051801']::bytea[]);
-- What is written has the schema's names.
CREATE TABLE "rows" (id int, "p.CITY" text);
SELECT proto_encode('rows', :'schema', 'r', r) FROM (VALUES (1, 'x'::text)) r;
-- A schema with two that are one is not read by, nor written, whichever columns there are.
SELECT 'syntax = "proto2"; message r { optional int32 id = 1; optional s m = 2; } '
    'message s { optional int32 x = 1; optional int32 X = 2; }' AS schema \gset
SELECT * FROM proto_decode('plain', :'schema', 'r', ARRAY['\x0801']::bytea[]);
CREATE TABLE one (id int);
SELECT proto_encode('one', :'schema', 'r', r) FROM (VALUES (1)) r;
RESET test.ignore_case;
SELECT * FROM proto_decode('one', :'schema', 'r', ARRAY['\x0801']::bytea[]);
SET client_min_messages = warning;
DROP SCHEMA proto_case CASCADE;
