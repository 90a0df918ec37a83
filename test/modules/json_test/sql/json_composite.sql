-- Within a composite type each field follows the rules of its own type, however deep.
SET TimeZone = 'UTC';
CREATE EXTENSION hstore;
CREATE TYPE inner_row AS (b bytea, at timestamptz, i int, d date, "N m" text, h hstore, m money, j json);
CREATE DOMAIN checked_row AS inner_row CHECK ((VALUE).i > 0);
CREATE DOMAIN given_int AS int NOT NULL;
CREATE TYPE outer_row AS (x inner_row, many inner_row[], checked checked_row);
CREATE TYPE strict_row AS (g given_int, t text);
CREATE TABLE as_type (id int NOT NULL, gone text, at timestamp);
ALTER TABLE as_type DROP COLUMN gone;
CREATE VIEW decoded AS SELECT NULL::text AS type, NULL::text AS "in", NULL::text AS "out", NULL::text AS bad;
CREATE FUNCTION of_type(type text, VARIADIC "values" text[]) RETURNS SETOF decoded LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TEMP TABLE t (v %s)', type);
    RETURN QUERY SELECT type, "values"[d.message], d.fields[1], d.bad[1]
        FROM json_decode('t', ARRAY(SELECT convert_to('{"v":' || v || '}', 'UTF8') FROM unnest("values") v)) AS d ORDER BY d.message;
    DROP TABLE t;
END $$;
\x on
SELECT * FROM of_type('inner_row', '{"b":"aGVsbG8=","at":1735689600000,"i":1e3,"d":"2025-01-01","N m":"x","h":{"a":"1","b":null,"q\"\\":"\u00e9"},"m":12.5,"j":"s"}',
    '{"at":"now"}', '{"i":1.5}', '{"d":20089}', '{}', '{"i":1,"i":2,"unknown":5, "N\u0020m" : "e" , "j":{"a" : [1]}}', '{"I":1,"n m":"no"}',
    '"(,now,1,,,,,)"', '"(,2025-01-01,1,,knowing now,,,)"', '"(,2025-01-01,1,,knowing,,,)"', '[]', '5', 'null');
SELECT * FROM of_type('outer_row', '{"x":{"b":"aGVsbG8="},"many":[{"i":1.0},null,{"at":0}],"checked":{"i":5}}', '{"x":{"at":"today"}}', '{"checked":{"i":-1}}',
    '{"many":[{"at":"tomorrow"}]}', '{"many":[{"b":"!"}]}', '{"many":[],"x":null}');
SELECT * FROM of_type('checked_row[]', '[{"i":1e0}]', '[{"i":0}]', '[null]');
SELECT * FROM of_type('strict_row', '{"g":1}', '{"g":null}', '{"t":"x"}');
SELECT * FROM of_type('as_type', '{"id":1e1,"at":0,"gone":"x"}');
\x off

-- hstore takes an object, since that is what is written.
SELECT "in", "out", bad FROM of_type('hstore', '{"a":{"b":[1]},"c":true,"a":"last"}', '"a=>1"', '{}', '{"a":"\u0000"}');
SELECT "in", "out", bad FROM of_type('hstore[]', '[{"a":"1"},null,"b=>2"]');
