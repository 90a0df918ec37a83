-- Columns from a sample.
CREATE FUNCTION infer(VARIADIC messages text[]) RETURNS TABLE (name text, type regtype) LANGUAGE sql AS $$ SELECT * FROM json_infer(ARRAY(SELECT convert_to(m, 'UTF8') FROM unnest(messages) WITH ORDINALITY AS u(m, i) ORDER BY i)) $$;
SELECT * FROM infer('{"auction":1003,"price":44061,"channel":"Facebook","dateTime":"2025-01-01 00:00:00.000"}');
-- The union, in order of appearance; null says nothing; what is no object is left out.
SELECT * FROM infer('{"b":null,"a":1}', 'x', '{"c":true,"b":"x"}', '[{"z":1}]', '{"d":null,"a":2', '{}', '{"a":null,"d":null,"":1}');
-- Numbers.
SELECT * FROM infer('{"i":1,"i18":999999999999999999,"i19":1234567890123456789,"f":1.5,"e":1e3,"n":1234567890.1234567,"m1":1,"m2":1,"m3":1.5}', '{"m1":2.5,"m2":12345678901234567890,"m3":0.12345678901234567,"f":0.1234567890123450000}');
-- Strings.
SELECT * FROM infer('{"d":"2025-01-01","z":"2025-01-01T00:00:00Z","l":"2025-01-01 00:00:00.123","dz":"2025-01-01","x":"2025-01-01","t":"12","e":"","u":"2025-13-01"}', '{"d":"2024-02-29","dz":"2025-01-01T00:00:00+01:00","x":"soon"}');
-- Nested and mixed.
SELECT * FROM infer('{"o":{"a":1},"a":[1],"m":1,"b":true,"n":[null]}', '{"m":"x","b":1,"o":null}');
-- Duplicate and escaped names.
SELECT * FROM infer('{"a":1,"a":"x","\u0061":true,"\u00e9":1,"é":2,"\u0000":1}');
SELECT * FROM json_infer('{}');
SELECT count(*), max(name) FROM infer((SELECT '{' || string_agg(format('"f%s":%s', i, i), ',' ORDER BY i) || '}' FROM generate_series(1001, 4000) i));
-- Times without a zone are not times with one.
SELECT * FROM infer('{"l":"2025-01-01T00:00:00","z":"2025-01-01T00:00:00+02","m":"2025-01-01T00:00:00Z","d":"2025-01-01"}',
    '{"l":"2025-01-01 00:00:00.5","z":"2025-01-01T00:00:00.123Z","m":"2025-01-01T00:00:00","d":"2025-01-01T10:00:00"}');
-- Numbers in strings are numbers where others are; a few odd values are said.
SELECT * FROM infer('{"n":1,"s":"1","o":1,"b":1}', '{"n":"2.50","s":"2","o":"n/a","b":true}', '{"n":2,"o":2.5,"b":{}}');
-- Names that columns cannot have, and names that would be the same.
SELECT * FROM infer(format('{"ctid":1,"xmin":2,"ctid_1":3,"":4,"%s":5,"%s":6,"%s":7}', repeat('x', 70), repeat('x', 80), repeat('ä', 40)));
