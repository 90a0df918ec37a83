-- From values to types.
SET TimeZone = 'UTC';
CREATE FUNCTION value(type text, VARIADIC "values" text[], OUT "in" text, OUT "out" text, OUT bad text) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TEMP TABLE t (v %s)', type);
    RETURN QUERY SELECT "values"[d.message], d.fields[1], d.bad[1]
        FROM json_decode('t', ARRAY(SELECT convert_to('{"v":' || v || '}', 'UTF8') FROM unnest("values") v)) AS d ORDER BY d.message;
    DROP TABLE t;
END $$;

-- Integers: whole numbers however written; strings as the server reads them; nothing is rounded, nothing wraps.
SELECT * FROM value('int', '0', '-0', '7', '-7', '12345678', '123456789', '2147483647', '-2147483648', '2147483648', '-2147483649', '12345678901234567890',
    '1.0', '-1.0', '1.50e1', '1e3', '1E+3', '1000e-3', '0.0', '0e999999999', '1.5', '1e-1', '1e10', '1e999999999999999999999', '1e-999999999999999999999', '"12"', '" 12 "', '"1.0"', '""', '"abc"',
    '"12abc"', '"99999999999"', 'true', 'null', '[]', '[1]', '{}', '"\u0031\u0032"', '"1\u0000"', '"\ud800"');
SELECT * FROM value('smallint', '32767', '-32768', '32768', '-32769', '3.2767e4', '"32767"', '"32768"', '65536');
SELECT * FROM value('bigint', '9223372036854775807', '-9223372036854775808', '9223372036854775808', '-9223372036854775809', '999999999999999999', '1234567890123456', '12345678901234567',
    '9223372036854775807.0', '922337203685477580.7e1', '9.223372036854775807e18', '9.223372036854775808e18', '9e18', '1e19', '100000000000000000000e-2', '0.00000000000000000001e20',
    '0.000000000000000000011e20', '1000000000000000000000000000000e-30', '18446744073709551617', '1.8446744073709551617e19', '"9223372036854775808"', '1735689600000000000');

-- Floating point: the nearest, as the server finds it; out of range is an error and not infinity or zero.
SELECT * FROM value('float8', '0', '-0', '-0.0', '1', '0.1', '1e22', '1e23', '123456789.123456789', '0.30000000000000004', '9007199254740993', '9223372036854775807', '1.7976931348623157e308', '1.7976931348623159e308', '1e309', '-1e309',
    '2.2250738585072014e-308', '5e-324', '4e-324', '1e-400', '"NaN"', '"Infinity"', '"-Infinity"', '"1.5"', '"x"', 'true', '3.14159265358979323846264338327950288', '0.1e-6');
SELECT * FROM value('float4', '0.1', '16777217', '3.4028235e38', '3.4028236e38', '1e39', '1e-45', '1e-46', '"NaN"', '1.00000017881393432617187499', '-0.0');

-- numeric keeps what is written; its precision and scale are enforced as the server does.
SELECT * FROM value('numeric', '0', '-0.0', '12.50', '-12.50', '0.001', '123456789012345678', '1234567890123456789', '12345678901234567.8', '0.000000000000000001', '1e3', '1.5e-3', '1e-20', '123456789012345678901234567890.123456789', '1e200000', '"NaN"', '"12.50"',
    '"Infinity"', 'true');
SELECT * FROM value('numeric(6,2)', '1', '1234.5', '1234.56', '1234.567', '9999.99', '9999.995', '10000', '-9999.99', '-10000', '0.001', '0.005', '1e3', '"1234.567"', '"NaN"', '0001');
SELECT * FROM value('numeric(3,-2)', '12345', '99999', '50', '49');
SELECT * FROM value('numeric(3,5)', '0.00123', '0.001', '0.01', '0', '0.001234');

SELECT * FROM value('boolean', 'true', 'false', '1', '0', '2', '"t"', '"yes"', '"off"', '"true"', '"x"', 'null', '{}');

-- Text.
SELECT * FROM value('text', '"abc"', '""', '"a\"\\\/\b\f\n\r\tz"', '"\u00e9\u20ac\ud83d\ude00"', '"é€😀"', '"\ud83d"', '"\ud83dx"', '"\ude00"', '"\ud83d\ud83d"', '"\ud83d\u0041"', '"a\u0000b"', '"\\u0000"',
    '12.50', 'true', '{"a": [1, 2 ]}', '[1,"x"]', 'null', '"null"');
SELECT * FROM value('varchar(3)', '"abc"', '"abcd"', '"ab   "', '"äöü"', '"äöüß"', '"\u00e4\u00f6\u00fc"', '"😀😀😀"', '1234', 'true', '""');
SELECT "in", '"' || "out" || '"' AS "out", bad FROM value('char(3)', '"ab"', '"abc"', '"abcd"', '"abc  "', '"ä"', '""', '"\u00e4"');
SELECT * FROM value('varchar', '"abc"');
SELECT * FROM value('name', '"abc"', '1');

-- Bytes: base64, or hexadecimal after \x.
SELECT * FROM value('bytea', '"aGVsbG8="', '"aGVsbG8"', '""', '"\\xDEADbeef"', '"\\x"', '"\\xabc"', '"\u0061GVsbG8\u003d"', '"+\/8="', '"@@"', '"\\000"', '5', 'true', '[1]', 'null',
    '"aGVs\nbG8=\r\n"', '" aGVs bG8="', '"aGVs!bG8="', '" \\xdead"');
SELECT * FROM value('uuid', '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"', '"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"', '"{a0eebc999c0b4ef8bb6d6bb9bd380a11}"', '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1"', '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g"',
    '"a0eebc99--c0b-4ef8-bb6d-6bb9bd380a11"', '"-0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"', '5');

-- Documents.
SELECT * FROM value('json', '{"b" : 1, "a":[ 1,2 ]}', '[]', '"x"', '"\u0000"', '12.50', 'true', 'null');
SELECT * FROM value('jsonb', '{"b" : 1, "a":[ 1,2 ], "a":3}', '[]', '"x"', '"x\"y"', '"\u0000"', '12.50', 'true', 'null', '1e200000', '"\ud800"');

-- Arrays.
SELECT * FROM value('int[]', '[]', '[1,2,3]', ' [ 1 , null , 3 ] ', '[[1,2],[3,4]]', '[[1,2],[3]]', '[1,[2]]', '[[1],2]', '[[],[]]', '[[],1]', '[[],[1]]', '[[[1],[2]],[[3],[4]]]', '[[[[[[1]]]]]]', '[[[[[[[1]]]]]]]',
    '[1.5]', '["7"]', '["x"]', '"{1,2}"', '"{1,"', '5', '{}', 'null', '[1.0,1e1]');
SELECT * FROM value('text[]', '["a","b,c","",null,"null","\"]\\","\u00e9"]', '[1,true,{"a":[1,"]"]},"x"]', '["\u0000"]', '[[]]');
SELECT * FROM value('varchar(2)[]', '["ab"]', '["abc"]', '["ab  "]');
SELECT * FROM value('jsonb[]', '[[1,2],{"a":[]},null,"x"]');
SELECT * FROM value('timestamptz[]', '["2025-01-01T00:00:00Z",1735689600000]');
SELECT * FROM value('inet[]', '["10.0.0.1","::1"]', '["x"]');

-- Domains, enums, composites, ranges and all other types.
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN given AS text NOT NULL;
CREATE DOMAIN labels AS text[] CHECK (cardinality(VALUE) < 3);
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE point3 AS (x int, y float8, names text[]);
SELECT * FROM value('positive', '1', '1.0', '-1', 'null', '"5"', '"x"');
SELECT * FROM value('given', '"x"', 'null');
SELECT * FROM value('positive[]', '[1,2]', '[1,null]', '[1,-2]', '[]');
SELECT * FROM value('labels', '["a"]', '["a","b","c"]');
SELECT * FROM value('mood', '"ok"', '"none"', '5');
SELECT * FROM value('point3', '{"x":1,"y":2.5,"names":["a","b"]}', '{"x":"z"}', '{}', '[1]', '"(1,2,{})"', 'null');
SELECT * FROM value('point3[]', '[{"x":1},{"y":2}]');
SELECT * FROM value('interval', '"1 day 02:00"', '"P1DT2H"', '5', '"x"');
SELECT * FROM value('interval hour to minute', '"1 day 02:03:04"');
SELECT * FROM value('time', '"10:11:12.5"', '"25:00"');
SELECT * FROM value('inet', '"10.0.0.1/8"', '"x"');
SELECT * FROM value('int4range', '"[1,5)"', '"[5,1)"');
SELECT * FROM value('bit(3)', '"101"', '"1010"', '101');
SELECT * FROM value('oid', '4294967295', '"1"', '4294967296');
SELECT * FROM value('money', '12.5');
SELECT * FROM value('point', '"(1,2)"', '[1,2]');

-- NOT NULL.
CREATE TABLE strict_columns (a int NOT NULL, b given NOT NULL, c positive);
SELECT * FROM json_decode('strict_columns', ARRAY['{"a":1,"b":"x","c":1}', '{"a":null,"b":null,"c":null}', '{}', '{"a":"x","b":"y","c":-1}', '{"a":2,"b":"z"}']::bytea[]);

-- One bad value in many harms no other, whether the quick or the slow way finds it; bad cells come in order.
CREATE TABLE many (i int, n inet, p positive);
SELECT count(*), count(*) FILTER (WHERE fields[2] IS NULL) AS no_inet, count(*) FILTER (WHERE fields[3] IS NULL) AS no_p,
       count(*) FILTER (WHERE fields[1]::int <> message) AS wrong, sum(cardinality(bad)) AS bad,
       count(*) FILTER (WHERE (message % 100 = 0) <> (fields[2] IS NULL) OR (message % 250 = 0) <> (fields[3] IS NULL)) AS unexpected
FROM json_decode('many', ARRAY(SELECT convert_to(format('{"i":%s,"n":"%s","p":%s}', i, CASE WHEN i % 100 = 0 THEN 'x' ELSE '10.0.0.1' END, CASE WHEN i % 250 = 0 THEN -1 ELSE 1 END), 'UTF8')
                               FROM generate_series(1, 5000) AS i ORDER BY i));

-- An error that is not the value's goes through.
CREATE FUNCTION check_slowly(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE query_canceled; END $$;
CREATE DOMAIN cancelled AS int CHECK (check_slowly(VALUE));
SELECT * FROM value('cancelled', '1');
SELECT * FROM value('date', '20089', '"2025-01-01"');
SELECT * FROM value('time', '1', '"now"');
SELECT * FROM value('timestamptz', '9223372036854775', '9224318015999999', '9224318016000000', '-210866803200000', '-210866803200001', '9223372036854775807', '-9223372036854775808');
SELECT * FROM value('timestamp', '9224318015999999', '9224318016000000', '-210866803200000');
SELECT * FROM value('timetz', '1', '"10:00+02"');
-- Not even within the text of a range or an array.
SELECT * FROM value('tstzrange', '"[now,infinity)"', '"[2025-01-01,2025-02-01)"');
SELECT * FROM value('tsmultirange', '"{[2025-01-01, TODAY )}"', '"{[2025-01-01,2025-02-01)}"');
SELECT * FROM value('timestamp[]', '"{now}"', '["now"]', '"{2025-01-01}"');
SELECT * FROM value('text[]', '"{now}"');
-- A time of day has an offset of its own only where the time zone has had but one.
CREATE TYPE opening AS (at timetz);
SELECT * FROM value('timetz', '"10:00"', '"2025-07-01 10:00"');
SET timezone = 'Europe/Berlin';
SELECT * FROM value('timetz', '"10:00"', '"10:00+02"', '"10:00:00.5-0330"', '"10:00Z"', '"10:00 utc"', '"2025-07-01 10:00"', '"x"');
SELECT * FROM value('timetz[]', '["10:00"]', '["10:00+02"]', '"{10:00+02}"');
SELECT * FROM value('opening', '{"at": "10:00"}', '{"at": "10:00+02"}', '"(10:00+02)"');
RESET timezone;
DROP TYPE opening;
