-- A database that is not in UTF-8: text is converted, and refused where that cannot be.
SELECT current_database() AS tests \gset
SET client_encoding = 'UTF8';
CREATE DATABASE json_test_latin1 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
\connect json_test_latin1
SET client_encoding = 'UTF8';
CREATE EXTENSION json_test;
CREATE TABLE t ("é" int, t text, v varchar(2), c char(2), j jsonb, a text[]);
SELECT * FROM json_decode('t', ARRAY[convert_to('{"é":1,"t":"plain","v":"ab","c":"a","j":{"k":"v"},"a":["x"]}', 'UTF8'),
    convert_to('{"\u00e9":2,"t":"é","v":"éé","c":"é","j":{"é":"\u00e9"},"a":["é","\u00fc"]}', 'UTF8'),
    '\x7b2274223a22e282ac222c2276223a225c7532306163222c226a223a7b226b223a22e282ac227d2c2261223a5b22e282ac225d7d']);
SELECT convert_from(json_encode('t', ROW(1, 'é', 'ü', 'ß', '{"é":1}', '{é}')::t)::bytea, 'UTF8');
SELECT * FROM json_infer(ARRAY[convert_to('{"é":1}', 'UTF8')]);
\connect :tests
DROP DATABASE json_test_latin1;
