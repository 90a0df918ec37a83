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
