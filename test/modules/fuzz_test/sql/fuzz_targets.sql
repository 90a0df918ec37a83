-- Streams whose messages are any bytes: see fuzz_test.c for how the bytes become messages. tools/fuzz-formats runs this file too.
CREATE SCHEMA fuzz;
CREATE SERVER fuzz FOREIGN DATA WRAPPER cq_kafka OPTIONS (bootstrap_servers 'localhost:1', schema_registry 'http://localhost:1');
CREATE TYPE fuzz.mood AS ENUM ('sad', 'ok');
CREATE DOMAIN fuzz.small AS numeric(8,2) CHECK (VALUE < 1000);
CREATE TYPE fuzz.place AS (x float8, y float8, tags text[], mood fuzz.mood);

CREATE FOREIGN TABLE fuzz.json (
    i2 smallint, i4 int NOT NULL, i8 bigint, f4 real, f8 float8, n numeric, m fuzz.small, b boolean, t text, v varchar(5), c char(3),
    by bytea, u uuid, d date, ti time, tz timetz, ts timestamp, tstz timestamptz, iv interval, ip inet, cash money, j json, jb jsonb,
    mood fuzz.mood, place fuzz.place, places fuzz.place[], ints int[], grid int[], words text[], range int4range, x xml, jp jsonpath,
    city text OPTIONS (path 'address.city'), zip int OPTIONS (path 'address.zip'), first text OPTIONS (path 'a.b.c.d'), topic text OPTIONS (metadata 'topic'),
    twice int GENERATED ALWAYS AS (i4 * 2) STORED, CHECK (i4 > -1000)
) SERVER fuzz OPTIONS (topic 'fuzz');

CREATE FOREIGN TABLE fuzz.styles (
    s timestamptz OPTIONS (time_format 'seconds'), ms timestamp OPTIONS (time_format 'milliseconds'), us timestamptz OPTIONS (time_format 'microseconds'),
    ns timestamp OPTIONS (time_format 'nanoseconds'), iso date OPTIONS (time_format 'iso'), p date OPTIONS (time_format 'DD.MM.YYYY'),
    q timestamptz OPTIONS (time_format 'YYYY-MM-DD"T"HH24:MI:SS.MS'), t time OPTIONS (time_format 'milliseconds'),
    n numeric OPTIONS (number_format 'number'), ns2 numeric OPTIONS (number_format 'string'), b64 numeric(20,3) OPTIONS (number_format 'base64'), i bigint
) SERVER fuzz OPTIONS (topic 'fuzz', framing 'connect');

CREATE FOREIGN TABLE fuzz.upsert (
    k text OPTIONS (key '"k"'), id int OPTIONS (key 'id'), v jsonb, n numeric NOT NULL, large text
) SERVER fuzz OPTIONS (topic 'fuzz', mode 'upsert', deleted_field 'gone');

CREATE FOREIGN TABLE fuzz.debezium (
    id int OPTIONS (key 'id'), name text, n numeric, at timestamptz, day date, doc jsonb, large text, large_json json, iv interval,
    op text OPTIONS (envelope 'op'), lsn bigint OPTIONS (envelope 'source.lsn'), tx text OPTIONS (envelope 'transaction.id')
) SERVER fuzz OPTIONS (topic 'fuzz', mode 'debezium');

CREATE FUNCTION fuzz.avro_schema() RETURNS text LANGUAGE sql AS $$ SELECT '{"type":"record","name":"r","fields":[{"name":"a","type":"int"},{"name":"b","type":["null","string"]},
    {"name":"c","type":{"type":"bytes","logicalType":"decimal","precision":20,"scale":3}},{"name":"d","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"e","type":["int","string",{"type":"map","values":["null","double"]},{"type":"array","items":"r"}]},{"name":"f","type":{"type":"fixed","name":"f","size":4}},
    {"name":"g","type":["null",{"type":"record","name":"g","fields":[{"name":"x","type":"int"},{"name":"m","type":{"type":"map","values":"string"}}]}]},
    {"name":"h","type":{"type":"array","items":["null","int"]}},{"name":"i","type":{"type":"string","logicalType":"uuid"}},{"name":"j","type":"double"},
    {"name":"k","type":{"type":"fixed","name":"d","size":12,"logicalType":"duration"}},{"name":"l","type":{"type":"enum","name":"e","symbols":["A","B"]}},
    {"name":"o","type":{"type":"array","items":"null"}},{"name":"p","type":{"type":"int","logicalType":"date"}},{"name":"q","type":{"type":"long","logicalType":"time-micros"}},
    {"name":"s","type":"float"},{"name":"u","type":"boolean"}]}' $$;
DO $$ BEGIN EXECUTE format($t$
CREATE FOREIGN TABLE fuzz.avro (
    a int NOT NULL, b text, c numeric, d timestamptz, e jsonb, f bytea, x int OPTIONS (path 'g.x'), mk text OPTIONS (path 'g.m.k'), h int[], i uuid, j float8,
    k interval, l fuzz.mood, g jsonb, o jsonb, p date, q time, s real, u boolean, all_of_it jsonb OPTIONS (path '""'), b8 bigint OPTIONS (path 'a'), bt text OPTIONS (path 'e')
) SERVER fuzz OPTIONS (topic 'fuzz', format 'avro', framing 'none', schema %L)$t$, fuzz.avro_schema()); END $$;
CREATE FOREIGN TABLE fuzz.avro_debezium (
    id int OPTIONS (key 'id'), name text, n numeric, large text, op text OPTIONS (envelope 'op'), lsn bigint OPTIONS (envelope 'source.lsn')
) SERVER fuzz OPTIONS (topic 'fuzz', format 'avro', mode 'debezium', framing 'none',
    key_schema '{"type":"record","name":"k","fields":[{"name":"id","type":"int"}]}',
    schema '{"type":"record","name":"e","fields":[{"name":"before","type":["null",{"type":"record","name":"row","fields":[{"name":"id","type":"int"},{"name":"name","type":["null","string"]},{"name":"n","type":["null","string"]},{"name":"large","type":["null","string"]}]}]},
    {"name":"after","type":["null","row"]},{"name":"source","type":{"type":"record","name":"s","fields":[{"name":"lsn","type":["null","long"]}]}},{"name":"op","type":"string"}]}');
CREATE FOREIGN TABLE fuzz.protobuf (
    a int NOT NULL, b text, c numeric, d timestamptz, e jsonb, f bytea, g fuzz.mood, h int[],
    i uuid, j float8, k interval, l jsonb, mk text OPTIONS (path 'm.k'), m jsonb,
    x int OPTIONS (path 'n.x'), nn jsonb OPTIONS (path 'n.n'), n fuzz.place, o int, p text, q jsonb,
    qk text OPTIONS (path 'q.k.k'), r bigint, s text[], t real, u jsonb, v int,
    w date OPTIONS (path 'd'), y int[], all_of_it jsonb OPTIONS (path '""'),
    b8 bigint OPTIONS (path 'a'), bt text OPTIONS (path 'f'), gx int OPTIONS (path 'z.x'), z jsonb
) SERVER fuzz OPTIONS (topic 'fuzz', format 'protobuf', framing 'none',
    schema 'syntax = "proto2"; import "google/protobuf/timestamp.proto";
    import "google/protobuf/duration.proto";
    import "google/protobuf/wrappers.proto"; import "google/protobuf/struct.proto";
    enum mood { sad = 0; ok = 1; } message n { optional double x = 1 [default = 2.5];
    optional n n = 2; repeated string tags = 3;
    optional mood mood = 4; map<int32, n> many = 5; } message r { required int32 a = 1;
    optional string b = 2 [default = "b"]; optional uint64 c = 3;
    optional google.protobuf.Timestamp d = 4; repeated n e = 5;
    optional bytes f = 6; optional mood g = 7; repeated sint32 h = 8; optional string i = 9;
    optional double j = 10; optional google.protobuf.Duration k = 11;
    repeated google.protobuf.Value l = 12;
    map<string, string> m = 13; optional n n = 14; oneof choice { int32 o = 15; string p = 16; }
    optional google.protobuf.Struct q = 17; optional google.protobuf.Int64Value r = 18;
    repeated string s = 19; optional float t = 20; map<bool, google.protobuf.Timestamp> u = 21;
    optional fixed32 v = 22; repeated fixed64 y = 23 [packed = true];
    optional group Z = 24 { optional int32 x = 1; } }');
SELECT foreign_table_name FROM information_schema.foreign_tables WHERE foreign_table_schema = 'fuzz' ORDER BY 1;
