-- Paths into fields that repeat.
CREATE SCHEMA proto_items;
SET search_path = proto_items, public;
SELECT 'syntax = "proto3"; import "google/protobuf/struct.proto"; '
    'message i { string b = 1; repeated sint32 c = 2; } '
    'message r { repeated int32 a = 1; repeated i m = 2; i one = 3; google.protobuf.Value v = 4; '
    'repeated bytes by = 5; repeated string s = 6; }' AS schema \gset
CREATE TABLE items ("a[0]" int, "a[1]" bigint, "m[1].b" text, "m[0].c[1]" int, "one.c[0]" int,
  "v.k[0]" jsonb, "v[1]" text, "by[0]" bytea, "s[1]" varchar(3), "a[-1]" int, "one[0]" int);
-- Packed and not, in parts; messages that repeat; documents.
SELECT * FROM proto_decode('items', :'schema', 'r', ARRAY['\x', '\x0a03050607', '\x0805',
  '\x08080a02090a1a0412020106', '\x12070a01611202020312030a0162', '\x120012030a0179',
  '\x221b2a190a170a016b121232100a0911000000000000f83f0a031a0171',
  '\x221432120a0911000000000000f03f0a051a0374776f', '\x22051a035b305d', '\x2a0201ff2a00',
  '\x3201613203626364', '\x320161320461626364', '\x1a001a03120108']::bytea[]);
CREATE TABLE wanted ("a[0]" int NOT NULL, "m[0].b" text NOT NULL);
SELECT * FROM proto_decode('wanted', :'schema', 'r', ARRAY['\x', '\x08051200',
  '\x08051202ffff']::bytea[]);
SET client_min_messages = warning;
DROP SCHEMA proto_items CASCADE;
