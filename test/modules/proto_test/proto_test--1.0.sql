\echo Use "CREATE EXTENSION proto_test" to load this file. \quit

-- Decodes messages of a schema into the columns of a table; a dot in a column's name makes a path.
-- bad: attno and message of each bad cell.
CREATE FUNCTION proto_decode(target regclass, schema text, message text, messages bytea[],
    OUT message int, OUT fields text[], OUT bad text[])
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STABLE;

CREATE FUNCTION proto_encode(target regclass, schema text, message text, "row" record) RETURNS bytea
AS 'MODULE_PATHNAME' LANGUAGE C STABLE;

-- The schema that is made of a table's columns.
CREATE FUNCTION proto_columns(target regclass, is_enveloped boolean DEFAULT false) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT;

-- What is wrong with a schema; null: nothing.
CREATE FUNCTION proto_check(schema text) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT;

-- Decodes a message rounds times, each time with other bytes changed, cut off or added; how many of
-- them were good, and how many bad.
CREATE FUNCTION proto_fuzz(target regclass, schema text, message bytea, rounds int, seed int,
    OUT good int, OUT bad int)
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

-- Decodes messages rounds times; CPU nanoseconds a message.
CREATE FUNCTION proto_bench(target regclass, schema text, messages bytea[], rounds int)
    RETURNS float8
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;
