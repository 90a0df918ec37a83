-- The corpus: inputs by which libFuzzer got somewhere new, and those that found a fault. Each is a line in hexadecimal.
\getenv abs_srcdir PG_ABS_SRCDIR
\set corpus :abs_srcdir '/corpus/'
SELECT target, count(*) > 3 AS has_several, sum(nrows) > 0 AS made_rows, sum(bad) > 0 AS refused_some
FROM unnest(ARRAY['schema', 'schema_protobuf', 'registry', 'infer', 'fuzz.avro',
    'fuzz.avro_debezium', 'fuzz.debezium', 'fuzz.json', 'fuzz.protobuf', 'fuzz.styles',
    'fuzz.upsert']) target,
    regexp_split_to_table(rtrim(pg_read_file(:'corpus' || target || '.hex'), E'\n'), '\n') line, fuzz_one(target, decode(line, 'hex'))
GROUP BY target ORDER BY target;
\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA fuzz CASCADE;
DROP SERVER fuzz;
