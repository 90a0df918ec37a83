-- Schemas and values by chance: what Avro C reads of a message is what a column of jsonb has, both ways.
CREATE SCHEMA avro_random;
SET search_path = avro_random, public;
CREATE TABLE document (r jsonb);
CREATE TABLE nothing ();

CREATE FUNCTION check_seed(seed int) RETURNS TABLE (problem text) LANGUAGE plpgsql AS $$
DECLARE
    schema text := avro_random_schema(seed);
    messages bytea[] := ARRAY(SELECT avro_random_value(schema, seed * 100 + i) FROM generate_series(1, 8) i ORDER BY i);
    message bytea;
    found record;
    wanted jsonb;
    written bytea;
BEGIN
    FOR found IN SELECT * FROM avro_decode('document', schema, messages) LOOP
        message := messages[found.message];
        wanted := avro_reference(schema, message)::jsonb -> 'r';
        IF found.bad <> '{}' OR nullif(wanted, 'null') IS DISTINCT FROM found.fields[1]::jsonb THEN
            problem := format('%s %s: %s is %s %s', seed, schema, wanted, found.fields[1], found.bad);
            RETURN NEXT;
            CONTINUE;
        END IF;
        written := avro_encode('document', schema, ROW(found.fields[1]::jsonb));
        wanted := avro_reference(schema, written)::jsonb -> 'r';
        IF nullif(wanted, 'null') IS DISTINCT FROM found.fields[1]::jsonb THEN
            problem := format('%s %s: wrote %s for %s', seed, schema, wanted, found.fields[1]);
            RETURN NEXT;
        END IF;
    END LOOP;
    -- Passed over as a whole, it ends at the same byte.
    FOR found IN SELECT * FROM avro_decode('nothing', schema, messages) WHERE bad <> '{}' LOOP
        problem := format('%s %s: %s', seed, schema, found.bad);
        RETURN NEXT;
    END LOOP;
END $$;

SELECT problem FROM generate_series(1, 300) seed, check_seed(seed) LIMIT 10;
