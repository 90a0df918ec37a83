-- Which texts are schemas, and what is said of others.
CREATE SCHEMA proto_schema;
SET search_path = proto_schema, public;
-- What libprotobuf says of them depends on its version.
CREATE FUNCTION said(text) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(proto_check($1), '(schema: )(line \d+|[^ ]+):.*', '\1…') $$;
SELECT text, said(text)
    FROM unnest(ARRAY['', 'x', '{"type":"int"}', 'message m {}',
    'syntax = "proto3"; message m { int32 a = 1; }', 'syntax = "proto4"; message m {}',
    'syntax = "proto3"; enum E { A = 0; }', 'syntax = "proto3"; message m { int32 a = 0; }',
    'syntax = "proto3"; message m { int32 a = 1; int32 b = 1; }',
    'syntax = "proto3"; message m { int32 a = 1; int32 a = 2; }',
    'syntax = "proto3"; message m { other a = 1; }',
    'syntax = "proto3"; import "other.proto"; message m {}',
    'syntax = "proto3"; import "google/protobuf/timestamp.proto"; '
    'message m { google.protobuf.Timestamp t = 1; }',
    'syntax = "proto3"; import "confluent/meta.proto"; '
    'message m { option (confluent.message_meta).doc = "x"; '
    'int32 a = 1 [(confluent.field_meta).tags = "PII"]; }',
    'syntax = "proto3"; import "confluent/type/decimal.proto"; '
    'message m { confluent.type.Decimal d = 1; }',
    'syntax = "proto3"; import "the schema"; message m {}',
    'syntax = "proto3"; message m { m a = 1; repeated m b = 2; map<string, m> c = 3; }',
    'syntax = "proto2"; message m { required int32 a = 1; extensions 100 to 200; } '
    'extend m { optional int32 x = 100; }',
    'syntax = "proto3"; message m { option (unknown) = 5; }', 'AAAA', 'CgF4Eg==', 'CgF4IgMKAW0=',
    'CgF4IgMKAW0', 'syntax = "proto3"; message m { oneof o { int32 a = 1; '
    'repeated int32 b = 2; } }',
    'syntax = "proto3"; message m { string é = 1; }',
    'syntax = "proto3"; message m { int32 a = 1; /* not closed',
    'syntax = "proto3"; message m { int32 a = 1; "']) text;
-- Nested without an end: in messages, in options, in comments that are none.
SELECT said(repeat('message m { ', 99) || repeat('}', 99)),
    proto_check(repeat('message m { ', 101) || repeat('}', 101)),
    proto_check(repeat('message m { ', 80000)),
    proto_check('/*' || repeat('{', 100000) || '*/ message m {} // ' || repeat('{', 1000)),
    said('option java_package = "' || repeat('{', 1000) || '\"{"; message m {}'),
    proto_check('message m { option (x) = ' || repeat('{ a: ', 100000) || '}');
SELECT proto_check('syntax = "proto3"; message m { string a = 1; } //' || repeat('x', 1024 * 1024));
SELECT proto_check(repeat('A', 1024 * 1024));
-- A schema without an end to its types, and one of many fields.
SELECT proto_check(string_agg(
    format('message m%s { optional m%s x = 1; }', i, (i + 1) % 15000), ' '))
    FROM generate_series(0, 14999) i;
SELECT proto_check('message m {' || string_agg(format('optional int32 a%s=%s;', i, i), ' ') || '}')
    FROM generate_series(1, 18000) i;
SET client_min_messages = warning;
DROP SCHEMA proto_schema CASCADE;
