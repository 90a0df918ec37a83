-- What values of Protobuf are for columns of the server's types.
CREATE SCHEMA proto_value;
SET search_path = proto_value, public;
SET TimeZone = 'UTC';

-- Numbers of all kinds at their limits: for their own type, for others, as text and as JSON.
\set numbers 'syntax = "proto3"; message r { int32 a = 1; int64 b = 2; uint32 c = 3; uint64 d = 4; '
\set numbers :numbers 'sint32 e = 5; sint64 f = 6; fixed32 g = 7; fixed64 h = 8; sfixed32 i = 9; '
\set numbers :numbers 'sfixed64 j = 10; bool k = 11; float l = 12; double m = 13; }'
CREATE TABLE own (a int, b bigint, c bigint, d numeric, e int, f bigint, g bigint, h numeric, i int,
    j bigint, k bool, l float4, m float8);
CREATE TABLE small (a smallint, b int, c int, d bigint, e smallint, f int, g int, h bigint,
    i smallint, j int, k int, l float8, m float4);
CREATE TABLE large (a numeric, b numeric(4,1), c float8, d text, e text, f float4, g text, h float8,
    i text, j text, k text, l numeric, m numeric);
CREATE TABLE document ("*" jsonb);
\set values '''\\x'', ''\\x0801100218032004280a300c3d07000000410800000000000000 '
\set values :values '4d090000005102000000000000005801650000803f690000000000000840'', '
\set values :values '''\\x08ffffffffffffffffff0110ffffffffffffffffff0118ffffffff0f20fffffffffffffff'
\set values :values 'fff0128ffffffff0f30ffffffffffffffffff013dffffffff41ffffffffffffffff4d000000805'
\set values :values '1000000000000008058808001650000807f69000000000000f07f'', '
\set values :values '''\\x0880808080f8ffffffff01108080808080808080800118808080801028feffffff0f65cdc'
\set values :values 'ccc3d699a9999999999b93f'''
SELECT * FROM proto_decode('own', :'numbers', NULL, ARRAY[:values]::bytea[]);
SELECT * FROM proto_decode('small', :'numbers', NULL, ARRAY[:values]::bytea[]);
SELECT * FROM proto_decode('large', :'numbers', NULL, ARRAY[:values]::bytea[]);
SELECT * FROM proto_decode('document', :'numbers', NULL, ARRAY[:values]::bytea[]);

-- Texts, bytes, enums: also numbers without a symbol.
\set texts 'syntax = "proto3"; enum E { option allow_alias = true; ZERO = 0; ONE = 1; UN = 1; '
\set texts :texts 'LESS = -1; } message r { string s = 1; bytes b = 2; E e = 3; '
\set texts :texts 'repeated E es = 4; }'
CREATE TABLE texts (s text, b bytea, e text, es text[]);
CREATE TABLE others (s varchar(3), b text, e int, es int[]);
CREATE TABLE more (s uuid, b jsonb, e jsonb, es jsonb);
SELECT * FROM proto_decode('texts', :'texts', NULL,
    ARRAY['\x', '\x0a03225c0a1202ff001801220401020001', '\x0a00120018ffffffffffffffffff01',
    '\x18052005', '\x0a01ff', '\x0a0100']::bytea[]);
SELECT * FROM proto_decode('others', :'texts', NULL, ARRAY['\x', '\x0a06e282ac78797a',
    '\x0a0461626364', '\x1202ff00', '\x1203e282ac1801', '\x180520012001']::bytea[]);
SELECT * FROM proto_decode('more', :'texts', NULL,
    ARRAY['\x0a2436663163306539612d303030302d343030302d383030302d303030303030303030303031',
    '\x0a0178',
    '\x0a2436663163306539612d303030302d343030302d383030302d3030303030303030303030311202ff0018012202'
    '0105']::bytea[]);

-- What repeats: packed or not, or both; in one message or in parts. Maps.
\set many 'syntax = "proto3"; message i { int32 x = 1; } message r { repeated int32 a = 1; '
\set many :many 'repeated string b = 2; repeated double c = 3; repeated i d = 4; '
\set many :many 'map<string, i> e = 5; map<int32, string> f = 6; map<bool, double> g = 7; }'
CREATE TABLE many (a int[], b text[], c float8[], d jsonb, e jsonb, f jsonb, g jsonb);
CREATE TABLE wide (a bigint[], b jsonb, c numeric[], d text, e text, f text, g text);
\set values '''\\x'', ''\\x0a0301020308040a00'', ''\\x120178120012027978'', '
\set values :values '''\\x1a10000000000000f03f00000000000000401900000000000000c0'', '
\set values :values '''\\x220022020805'', ''\\x2a050a017812002a090a0179120208051800'', '
\set values :values '''\\x2a00'', ''\\x2a070a017812020801'', '
\set values :values '''\\x320208013205080112017832070801120161 1a00'', '
\set values :values '''\\x3a0b080111000000000000f03f3a00'''
SELECT * FROM proto_decode('many', :'many', 'r', ARRAY[:values]::bytea[]);
SELECT * FROM proto_decode('wide', :'many', 'r', ARRAY[:values]::bytea[]);
SELECT * FROM proto_decode('many', :'many', 'r', ARRAY['\x0a0180', '\x1a0100', '\x220108',
    '\x2a010a', '\x2a0512030a0178', '\x2a0a0a017812020801120108', '\x1201ff',
    '\x2a050a01ff1200']::bytea[]);

-- Composite types and domains.
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE TYPE pair AS (x positive, y text);
CREATE TABLE composed (p pair, ps pair[], x positive, q text);
\set composed 'syntax = "proto3"; message i { int32 x = 1; optional string y = 2; } '
\set composed :composed 'message r { i p = 1; repeated i ps = 2; '
\set composed :composed 'optional int32 x = 3; int32 q = 4; }'
SELECT * FROM proto_decode('composed', :'composed', 'r',
    ARRAY['\x', '\x0a0508011201781202080212020803 18052009', '\x0a00',
    '\x18ffffffffffffffffff01']::bytea[]);

-- The types that are known: times, wrappers, what is like JSON; and Any, which is not looked into.
\set known 'syntax = "proto3"; import "google/protobuf/timestamp.proto"; '
\set known :known 'import "google/protobuf/duration.proto"; '
\set known :known 'import "google/protobuf/wrappers.proto"; import "google/protobuf/struct.proto"; '
\set known :known 'import "google/protobuf/any.proto"; '
\set known :known 'message r { google.protobuf.Timestamp t = 1; google.protobuf.Duration d = 2; '
\set known :known 'google.protobuf.Int64Value i = 3; google.protobuf.StringValue s = 4; '
\set known :known 'google.protobuf.Struct j = 5; google.protobuf.Value v = 6; '
\set known :known 'google.protobuf.ListValue l = 7; google.protobuf.Any a = 8; '
\set known :known 'repeated google.protobuf.Timestamp ts = 9; '
\set known :known 'repeated google.protobuf.Value vs = 10; google.protobuf.BoolValue b = 11; '
\set known :known 'google.protobuf.BytesValue y = 12; google.protobuf.DoubleValue f = 13; '
\set known :known 'google.protobuf.UInt64Value u = 14; }'
CREATE TABLE known (t timestamptz, d interval, i bigint, s text, j jsonb, v jsonb, l jsonb, a jsonb,
    ts timestamp[], vs jsonb, b bool, y bytea, f float8, u numeric);
CREATE TABLE as_text (t text, d text, i text, s jsonb, j text, v text, l text, a text, ts text,
    vs text, b text, y text, f text, u text);
CREATE TABLE parts ("t.seconds" bigint, "t.nanos" int, t timestamp(3), "d.seconds" int,
    "i.value" int, "j.x" text, "j.x.y" text, "v.x" int, "a.type_url" text);
\set values '''\\x'', ''\\x0a0012001a0022002a0032003a0042004a0052005a0062006a007200'', '
\set values :values '''\\x0a0b0880a2e2ba0610959aef3a121608ffffffffffffffffff0110ffffffffffffffffff0'
\set values :values '11a02080522050a03225c0a'', '
\set values :values '''\\x2a220a170a017812122a100a0e0a0179120911000000000000f83f0a070a016e120208003'
\set values :values '2122a100a0e0a01781209110000000000001c40'', '
\set values :values '''\\x0a0e08ffffffffffffffffff0110e807120708cdbf0510f40332091100000000000014403'
\set values :values 'a0d0a0220010a031a01730a023200420c0a06747970652f54120208014a0208014a0310e707520'
\set values :values '2200052005a02080162030a01ff6a09090000000000000c40720b08ffffffffffffffffff'
\set values :values '01'', ''\\x0a0208010a031088271a0208011a00'''
SELECT * FROM proto_decode('known', :'known', NULL, ARRAY[:values]::bytea[]);
SELECT * FROM proto_decode('as_text', :'known', NULL, ARRAY[:values]::bytea[]);
SELECT * FROM proto_decode('parts', :'known', NULL, ARRAY[:values]::bytea[]);
-- Times that there are not, and what is no message of these types.
SELECT message, bad FROM proto_decode('known', :'known', NULL, ARRAY['\x0a0a08ffffffffffffffff7f',
    '\x0a0b10ffffffffffffffffff01', '\x0a06108094ebdc03', '\x120d080110ffffffffffffffffff01',
    '\x120b0880808080808080808001', '\x0a0108', '\x1a0108', '\x2a020a05', '\x32022a05',
    '\x0a0208010a0110', '\x2a070a0512031a01ff', '\x6a020901']::bytea[]);
SET client_min_messages = warning;
DROP SCHEMA proto_value CASCADE;
