\echo Use "CREATE EXTENSION avro_test" to load this file. \quit

-- Decodes messages of a schema into the columns of a table; a dot in a column's name makes a path. bad: attno and message of each bad cell.
CREATE FUNCTION avro_decode(target regclass, schema text, messages bytea[], OUT message int, OUT fields text[], OUT bad text[])
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT;

CREATE FUNCTION avro_encode(target regclass, schema text, "row" record) RETURNS bytea
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT;

-- What is wrong with a schema; null: nothing.
CREATE FUNCTION avro_check(schema text) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT;

-- A message decoded by Avro C, as JSON in our manner. Null: Avro C refuses it.
CREATE FUNCTION avro_reference(schema text, message bytea) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT;

-- A schema and a value of a schema, by chance; the value is written by Avro C.
CREATE FUNCTION avro_random_schema(seed int) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT;
CREATE FUNCTION avro_random_value(schema text, seed int) RETURNS bytea
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT;

-- Decodes a message rounds times, each time with other bytes changed, cut off or added; how many of them were good, and how many bad.
CREATE FUNCTION avro_fuzz(target regclass, schema text, message bytea, rounds int, seed int, OUT good int, OUT bad int)
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

-- Decodes messages rounds times; CPU nanoseconds a message.
CREATE FUNCTION avro_bench(target regclass, schema text, messages bytea[], rounds int) RETURNS float8
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;
