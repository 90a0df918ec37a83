-- What is a message: one JSON object and nothing else, whichever columns are wanted.
SET TimeZone = 'UTC';
CREATE TABLE nothing ();
CREATE TABLE ab (a int, b text);

CREATE FUNCTION show(target regclass, VARIADIC messages text[], OUT message int, OUT fields text[], OUT bad text[])
RETURNS SETOF record LANGUAGE sql
AS $$ SELECT * FROM json_decode(target, ARRAY(SELECT convert_to(m, 'UTF8') FROM unnest(messages) WITH ORDINALITY AS u(m, i) ORDER BY i)) $$;

SELECT * FROM show('ab',
    '{"a":1,"b":"x"}',
    '{}',
    '  { "b" : "x" , "a" : 1 }  ',
    E'\t\r\n{"a"\n:\t1\r,"b":""}\n',
    '{"a":1,"b":"x","c":{"a":2,"b":[{"a":3}]},"d":[1,[2,{}],[]]}',
    '{"A":1,"B":"x"," a":2,"b ":3}',
    '{"a":null,"b":null}',
    '{"":5,"a":7}');

-- The last of several fields of one name counts, also if it is null or of another kind.
SELECT * FROM show('ab', '{"a":1,"a":2}', '{"a":1,"a":null}', '{"b":"x","b":5}', '{"a":"not a number","a":3}');

-- Names are compared after their escapes are resolved, and only whole.
SELECT * FROM show('ab', '{"\u0061":1}', '{"\u0061\u0062":1,"b":"\u0062"}', '{"a\u0000":1}', '{"\ud800":1,"a":2}', '{"a\n":1,"a":2}',
    '{"aa":1}', '{"a.":1}');

-- Fields at other places than in the message before, and more of them than are remembered.
SELECT * FROM show('ab', '{"a":1,"b":"x"}', '{"b":"y","a":2}', '{"c":0,"a":3,"b":"z"}', '{"a":4}', '{"b":"v","c":1,"a":5}');
SELECT m.message, m.fields FROM show('ab',
    (SELECT '{' || string_agg(format('"f%s":%s', i, i), ',' ORDER BY i) || ',"b":"x","a":1}' FROM generate_series(1, 100) i),
    (SELECT '{"a":2,' || string_agg(format('"f%s":%s', i, i), ',' ORDER BY i DESC) || ',"b":"y"}' FROM generate_series(1, 100) i)) m;

-- Paths into objects.
CREATE TABLE paths ("p.a" int, "p.b" text, p jsonb, "q.r.s" int, a int);
SELECT * FROM show('paths',
    '{"p":{"a":1,"b":"x"},"q":{"r":{"s":2}},"a":9}',
    '{"p":{"a":1},"p":{"b":"y"}}',
    '{"p":5,"q":{"r":null},"a":1}',
    '{"p":{"p":{"a":1}},"q":[{"r":{"s":1}}]}',
    '{"q":{"r":{"s":1},"r":{}}}',
    '{"p":{},"q":{}}');

-- Bad messages.
CREATE TABLE bad (i serial, m text);
INSERT INTO bad (m) VALUES
    (''), (' '), ('null'), ('1'), ('"x"'), ('[]'), ('[{"a":1}]'), ('{'), ('}'), ('{"a":1'), ('{"a":1}}'), ('{"a":1} x'), ('{"a":1}{"a":2}'),
    ('{"a":1},'), ('{"a"}'), ('{"a":}'), ('{"a" 1}'), ('{"a"::1}'), ('{a:1}'), ('{''a'':1}'), ('{1:1}'), ('{"a":1,}'), ('{,"a":1}'), ('{"a":1 "b":2}'),
    ('{"a":1,,"b":2}'), ('{"a":[1,]}'), ('{"a":[,1]}'), ('{"a":[1 2]}'), ('{"a":[1}'), ('{"a":[1}}'), ('{"a":{"b":1]}'), ('{"a":]}'), ('{"a":tru}'), ('{"a":truee}'),
    ('{"a":True}'), ('{"a":nul}'), ('{"a":NaN}'), ('{"a":Infinity}'), ('{"a":undefined}'), ('{"a":01}'), ('{"a":-01}'), ('{"a":+1}'), ('{"a":.5}'), ('{"a":5.}'),
    ('{"a":1e}'), ('{"a":1e+}'), ('{"a":1.e5}'), ('{"a":-}'), ('{"a":--1}'), ('{"a":1-1}'), ('{"a":0x10}'), ('{"a":1_000}'), ('{"a":1 000}'), ('{"a":12"b"}'),
    ('{"a":"x}'), ('{"a":"x""y"}'), ('{"a":"x"y}'), ('{"a":"\x"}'), ('{"a":"\u12"}'), ('{"a":"\u12g4"}'), ('{"a":"\"}'), ('{"c\q":1}'), ('{"a":"' || E'\t' || '"}'),
    ('{"a":"' || E'\n' || '"}'), ('{"a":1}' || chr(1)), (chr(12) || '{"a":1}'), ('{"a":1' || chr(12) || '"b":2}'), ('{"a"' || chr(26) || '1}'), (chr(65279) || '{"a":1}'),
    ('{"a":1' || chr(160) || '}'), ('// {"a":1}'), ('{"a":1 /* x */}'), ('{"a":1;"b":2}'), ('{"x":"a" "b"}'), ('{"x":["a" "b"]}'), ('{"x":["a":"b"]}'), ('{"x":{"a","b"}}');
SELECT replace(b.m, chr(65279), '<BOM>') AS m, d.bad
FROM bad AS b, LATERAL json_decode('ab', ARRAY[convert_to(b.m, 'UTF8')]) AS d ORDER BY b.i;
-- With no column wanted they are just as bad.
SELECT count(*), count(*) FILTER (WHERE d.bad[1] LIKE '0 %') AS bad
FROM bad AS b, LATERAL json_decode('nothing', ARRAY[convert_to(b.m, 'UTF8')]) AS d;
SELECT count(*) FROM bad WHERE json_is_object(convert_to(m, 'UTF8'));

-- Bytes that are no UTF-8, wherever they stand; surrogates and too long forms.
SELECT m, d.bad FROM unnest(ARRAY['\x7b2261223a22ff227d', '\x7b22ff223a317d', '\xff7b7d', '\x7b7dff', '\x7b2261223a22c3227d', '\x7b2261223a22eda080227d',
    '\x7b2261223a22c080227d', '\x7b2261223a22f4908080227d', '\x7b2261223a22e282227d', '\x00', '\x7b7d00', '\x7b2261223a2200227d', '\x7b00', '\xfeff007b007d']::bytea[]) AS m,
    LATERAL json_decode('nothing', ARRAY[m]) AS d;

-- A message without a value is none, and no bad one.
SELECT * FROM json_decode('ab', ARRAY[NULL, '\x7b7d', NULL]::bytea[]);

-- Nesting: a hundred levels, the object itself included, and not one more.
CREATE FUNCTION nested(depth int) RETURNS text LANGUAGE sql AS $$ SELECT '{"b":' || repeat('[', depth - 1) || repeat(']', depth - 1) || '}' $$;
CREATE FUNCTION nested_objects(depth int) RETURNS text LANGUAGE sql AS $$ SELECT repeat('{"b":', depth) || '1' || repeat('}', depth) $$;
SELECT depth, length(d.fields[2]), d.bad FROM unnest(ARRAY[99, 100, 101, 10000, 1000000]) AS depth, LATERAL show('ab', nested(depth)) AS d;
SELECT depth, length(d.fields[2]), d.bad FROM unnest(ARRAY[99, 100, 101, 10000, 100000]) AS depth, LATERAL show('ab', nested_objects(depth)) AS d;
SELECT d.bad FROM show('nothing', '{"b":' || repeat('[', 1000000)) AS d;

-- Large messages.
SELECT length(d.fields[2]), d.fields[1], d.bad FROM show('ab', '{"b":"' || repeat('x', 10 * 1024 * 1024) || '","a":1}') AS d;
SELECT length(d.fields[2]), d.fields[1], d.bad FROM show('ab', '{"c":[' || repeat('1,', 5 * 1024 * 1024) || '1],"a":1}', '{"b":"y"}') AS d;
SELECT d.bad, d.fields FROM show('ab', '{"b":"' || repeat('x', 64 * 1024 * 1024) || '"}', '{"a":5}') AS d;

-- Many columns, many of them wanted from one message.
DO $$ BEGIN EXECUTE (SELECT 'CREATE TABLE wide (' || string_agg(format('c%s int', i), ',') || ')' FROM generate_series(1, 1000) i); END $$;
SELECT d.fields[1], d.fields[500], d.fields[1000], (SELECT sum(f::int) FROM unnest(d.fields) f), d.bad
FROM show('wide', (SELECT '{' || string_agg(format('"c%s":%s', i, i), ',' ORDER BY i * 7919 % 1009) || '}' FROM generate_series(1, 1000) i)) AS d;

-- What a schema registry's clients send begins with a byte 0 and the schema's number.
SELECT * FROM json_decode('ab', ARRAY['\x000000002a7b2261223a317d', '\x00', '\x000000002a', '\x00ffffffff0661']::bytea[]);
