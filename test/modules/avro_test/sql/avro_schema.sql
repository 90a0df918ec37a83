-- What is a schema.
CREATE SCHEMA avro_schema;
SET search_path = avro_schema, public;
CREATE FUNCTION shown(schemas text[]) RETURNS TABLE (schema text, problem text) LANGUAGE sql
AS $$ SELECT left(s, 100), avro_check(s) FROM unnest(schemas) WITH ORDINALITY u(s, i) ORDER BY i $$;

SELECT * FROM shown(ARRAY['"int"', ' "int" ', '{"type":"int"}', '{"type":{"type":"int"}}', '["null","int"]',
    '{"type":"array","items":"int"}', '{"type":"map","values":["null","int"]}', '{"type":"record","name":"r","fields":[]}',
    '{"type":"error","name":"r","fields":[]}', '{"type":"enum","name":"e","symbols":["A"]}',
    '{"type":"fixed","name":"f","size":0}', '{"type":"record","name":"r","doc":"zwölf \u00e9","fields":[{"name":"a","type":"int","default":5,"order":"ignore","x":[{}]}],"y":{"type":5}}']);
SELECT * FROM shown(ARRAY['', ' ', 'int', '"none"', '5', 'null', '{}', '[]', '"int" "int"', '"int",5', '"int","s":5', '"int"}', '"int"},{"s":"int"',
    '["int",["null"]]', '{"type":"array"}', '{"type":"map"}', '{"type":"record","fields":[]}', '{"type":"record","name":"","fields":[]}',
    '{"type":"record","name":"r"}', '{"type":"record","name":"r","fields":[{"type":"int"}]}', '{"type":"record","name":"r","fields":[{"name":"a"}]}',
    '{"type":"record","name":"r","fields":[{"name":"a","type":"b"}]}', '{"type":"enum","name":"e"}', '{"type":"enum","name":"e","symbols":[5]}',
    '{"type":"fixed","name":"f"}', '{"type":"fixed","name":"f","size":-1}', '{"type":"fixed","name":"f","size":99999999999}',
    '{"type":"array","items":{"type":"fixed"}}', '["null","int"', '{"type":"record","name":"a\u0000b","fields":[]}',
    '[{"type":"fixed","name":"f","size":1},{"type":"fixed","name":"f","size":1}]']);

-- Names and namespaces.
SELECT * FROM shown(ARRAY[
    '{"type":"record","name":"n.r","fields":[{"name":"a","type":["null","r"]},{"name":"b","type":["null","n.r"]}]}',
    '{"type":"record","name":"r","namespace":"n","fields":[{"name":"f","type":{"type":"fixed","name":"f","size":1}},{"name":"g","type":"n.f"},{"name":"h","type":"f"}]}',
    '{"type":"record","name":"r","namespace":"n","fields":[{"name":"f","type":{"type":"fixed","name":"f","namespace":"m","size":1}},{"name":"g","type":"f"}]}',
    '{"type":"record","name":"r","namespace":"n","fields":[{"name":"f","type":{"type":"fixed","name":"f","namespace":"","size":1}},{"name":"g","type":"f"}]}']);

-- Types that hold themselves: with an end, and without.
SELECT * FROM shown(ARRAY[
    '{"type":"record","name":"r","fields":[{"name":"a","type":["null","r"]},{"name":"b","type":{"type":"array","items":"r"}}]}',
    '{"type":"record","name":"r","fields":[{"name":"a","type":"r"}]}',
    '{"type":"record","name":"r","fields":[{"name":"a","type":{"type":"record","name":"s","fields":[{"name":"b","type":"r"}]}}]}']);

-- Large ones.
SELECT avro_check('{"type":"array","items":' || repeat('{"type":"array","items":', 90) || '"int"' || repeat('}', 91));
SELECT avro_check('{"type":"array","items":' || repeat('{"type":"array","items":', 1000) || '"int"' || repeat('}', 1001));
SELECT avro_check('["null"' || repeat(',"int"', 10000) || ']');
SELECT avro_check('["int"' || repeat(' ', 1024 * 1024) || ']');
