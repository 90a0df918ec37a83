-- Broken and hostile bytes: what the server's type json refuses is refused here, what it takes is taken, and nothing else happens.
SET TimeZone = 'UTC';
SET extra_float_digits = 1;
CREATE TABLE no_fields ();
CREATE TABLE fields (auction bigint, price numeric(10,2), channel varchar(10), "dateTime" timestamptz, extra text, tags text[], "nested.a" int, nested jsonb, ok boolean);
CREATE TABLE seeds (seed bytea);
INSERT INTO seeds VALUES
    ('{"auction":1003,"bidder":1001,"price":44061.25,"channel":"Facebook","url":"https://www.nexmark.com/q","dateTime":"2025-01-01 00:00:00.000","extra":"uhtt"}'),
    (convert_to('{ "auction" : -5e2 , "tags" : [ "a\\b" , null , "\u00e9\ud83d\ude00" , "é" ] , "nested" : { "a" : 7 , "b" : [ [ ] , { } ] } , "ok" : true }', 'UTF8')),
    (convert_to('{"\u0061uction":12345678901234567890,"ok":false,"channel":"\"\\\/\b","x":[1.5e-7,-0,0.1],"y":{"":{"":""}}}', 'UTF8'));

-- Decodes many messages with one decoder, without and with columns; how often the answer is not that of the type json, or depends on the columns.
CREATE FUNCTION judge(messages bytea[], OUT messages bigint, OUT bad bigint, OUT differ bigint, OUT differ_by_columns bigint) LANGUAGE sql AS $$
    SELECT count(*), count(*) FILTER (WHERE n.bad <> '{}'), count(*) FILTER (WHERE (n.bad = '{}') <> json_is_object(m)),
           count(*) FILTER (WHERE (n.bad = '{}') <> ((f.bad[1] LIKE '0 %') IS NOT TRUE))
    FROM json_decode('no_fields', messages) AS n JOIN json_decode('fields', messages) AS f USING (message)
         JOIN unnest(messages) WITH ORDINALITY AS u(m, message) USING (message)
$$;

-- Cut anywhere, a message is bad.
SELECT j.* FROM seeds, LATERAL judge(ARRAY(SELECT substr(seed, 1, cut) FROM generate_series(0, length(seed) - 1) AS cut)) AS j;
-- Cut out of the middle.
SELECT j.* FROM seeds, LATERAL judge(ARRAY(SELECT substr(seed, 1, at - 1) || substr(seed, at + cut) FROM generate_series(1, length(seed)) AS at, generate_series(1, 3) AS cut)) AS j;
-- Each byte replaced by each of those that mean something, and by some that do not.
CREATE TABLE bytes AS SELECT unnest(ARRAY['{', '}', '[', ']', ',', ':', '"', '\\', '/', ' ', '0', '9', '-', '+', '.', 'e', 'E', 'u', 't', 'n', 'x',
    '\x00', '\x01', '\x09', '\x0a', '\x0c', '\x1a', '\x1f', '\x7f', '\x80', '\xc3', '\xed', '\xff']::bytea[]) AS b;
SELECT j.* FROM seeds, LATERAL judge(ARRAY(SELECT set_byte(seed, at, get_byte(b, 0)) FROM generate_series(0, length(seed) - 1) AS at, bytes)) AS j;
-- Each of them put in everywhere.
SELECT j.* FROM seeds, LATERAL judge(ARRAY(SELECT substr(seed, 1, at) || b || substr(seed, at + 1) FROM generate_series(0, length(seed)) AS at, bytes)) AS j;

-- Several changes at random, behind zero to 130 spaces, so that blocks end anywhere.
CREATE FUNCTION mutate(m bytea, times int) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    bytes constant bytea := convert_to('{}[],:"\ 0123456789-+.eEtrufalsn', 'UTF8') || '\x00090a0c1f7fc3a9ff'::bytea;
    at int;
BEGIN
    FOR i IN 1 .. times LOOP
        at := floor(random() * length(m));
        CASE floor(random() * 4)
            WHEN 0 THEN m := set_byte(m, at, get_byte(bytes, floor(random() * length(bytes))::int));
            WHEN 1 THEN m := set_byte(m, at, floor(random() * 256)::int);
            WHEN 2 THEN m := substr(m, 1, at) || substr(m, at + 2);
            ELSE m := substr(m, 1, at) || substr(m, 1 + floor(random() * length(m))::int, floor(random() * 9)::int) || substr(m, at + 1);
        END CASE;
    END LOOP;
    RETURN convert_to(repeat(' ', floor(random() * 130)::int), 'UTF8') || m;
END $$;
SELECT setseed(0.25);
CREATE TABLE mutants AS SELECT row_number() OVER () AS message, m FROM (SELECT mutate(seed, 1 + i % 3) AS m FROM seeds, generate_series(1, 5000) AS i) AS x;
SELECT messages, differ, differ_by_columns, bad BETWEEN 5000 AND 14000 AS some_are_bad FROM judge(ARRAY(SELECT m FROM mutants ORDER BY message));

-- In the good ones, each field is what jsonb makes of it.
SELECT count(*) > 300 AS many,
       count(*) FILTER (WHERE auction IS DISTINCT FROM f.fields[1] OR ok IS DISTINCT FROM f.fields[9]::boolean OR nested IS DISTINCT FROM f.fields[8]
                           OR extra IS DISTINCT FROM f.fields[5] OR a IS DISTINCT FROM f.fields[7]) AS wrong
FROM mutants JOIN json_decode('fields', ARRAY(SELECT m FROM mutants ORDER BY message)) AS f USING (message),
     LATERAL (SELECT convert_from(m, 'UTF8')::jsonb AS j WHERE f.bad = '{}' AND encode(m, 'escape') !~ 'u[dD][89a-fA-F]') AS j,
     LATERAL (SELECT CASE WHEN j->'auction' IS NOT NULL THEN trim_scale((j->>'auction')::numeric)::text END AS auction, (j->>'ok')::boolean AS ok, NULLIF(j->'nested', 'null')::text AS nested,
                     j->>'extra' AS extra, CASE WHEN jsonb_typeof(j->'nested') = 'object' THEN trim_scale((j->'nested'->>'a')::numeric)::text END AS a) AS x;

-- Random numbers, as every type sees them.
CREATE TABLE numbers (i bigint, f float8, g float4, n numeric, t text);
CREATE FUNCTION differing_numbers(texts text[]) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT texts[message] || ': ' || fields::text || bad::text FROM json_decode('numbers', ARRAY(SELECT convert_to(format('{"i":%1$s,"f":%1$s,"g":%1$s,"n":%1$s,"t":%1$s}', v), 'UTF8') FROM unnest(texts) v))
    WHERE fields[2:5] IS DISTINCT FROM ARRAY[texts[message]::float8::text, texts[message]::float4::text, texts[message]::numeric::text, texts[message]]
       OR fields[1] IS DISTINCT FROM CASE WHEN trunc(texts[message]::numeric) = texts[message]::numeric AND abs(texts[message]::numeric) <= 9223372036854775807 THEN trunc(texts[message]::numeric)::text END
$$;
SELECT differing_numbers(ARRAY(SELECT ((random() * 2 - 1) * 10 ^ (random() * 30 - 10))::text FROM generate_series(1, 5000)));
SELECT differing_numbers(ARRAY(SELECT trunc((random() * 2 - 1)::numeric * 10::numeric ^ (random() * 19)::int)::text FROM generate_series(1, 5000)));
SELECT differing_numbers(ARRAY(SELECT round((random() * 2 - 1)::numeric * 10::numeric ^ (random() * 12)::int, (random() * 8)::int)::text FROM generate_series(1, 5000)));
SELECT differing_numbers(ARRAY(SELECT format('%s%s.%se%s', CASE WHEN random() < 0.5 THEN '-' END, (random() * 1000)::int, (random() * 1e9)::int, (random() * 40 - 20)::int) FROM generate_series(1, 5000)));
