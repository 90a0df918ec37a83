\echo Use "CREATE EXTENSION json_test" to load this file. \quit

-- Decodes messages into the columns of a table; a dot in a column's name makes a path. bad: attno and message of each bad cell.
CREATE FUNCTION json_decode(target regclass, messages bytea[], OUT message int, OUT fields text[], OUT bad text[])
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT;

-- The same, as the server's type json sees the message: true where it is a JSON object.
CREATE FUNCTION json_is_object(message bytea) RETURNS boolean LANGUAGE plpgsql STABLE STRICT AS $$
BEGIN
    RETURN json_typeof(convert_from(message, 'UTF8')::json) = 'object';
EXCEPTION
    WHEN invalid_text_representation OR character_not_in_repertoire THEN
        RETURN false;
END $$;

CREATE FUNCTION json_encode(target regclass, "row" record) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT;

CREATE FUNCTION json_infer(messages bytea[], OUT name text, OUT type regtype) RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT;

-- Decodes each line of a server's file rounds times; CPU nanoseconds a message.
CREATE FUNCTION json_bench(target regclass, file text, rounds int) RETURNS float8
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;
