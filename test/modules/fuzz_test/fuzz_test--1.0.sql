\echo Use "CREATE EXTENSION fuzz_test" to load this file. \quit

-- Gives bytes to a target: "registry", "schema", "infer", or the name of a stream, whose messages they are. How many rows were
-- made, and how many cells or messages were bad. An error is a fault.
CREATE FUNCTION fuzz_one(target text, input bytea, OUT nrows int, OUT bad int)
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;
