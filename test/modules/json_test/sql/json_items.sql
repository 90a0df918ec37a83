-- Paths into arrays.
CREATE SCHEMA json_items;
SET search_path = json_items, public;
CREATE FUNCTION shown(target regclass, VARIADIC messages text[], OUT message int,
  OUT fields text[], OUT bad text[])
  RETURNS SETOF record LANGUAGE sql STABLE AS
  $$SELECT * FROM json_decode(target, ARRAY(SELECT convert_to(m, 'UTF8')
                                            FROM unnest(messages) m))$$;

CREATE TABLE items ("a[0]" int, "a[1].b" text, "a[1].c[0][1]" numeric, "a[-1]" int, "p.a[0]" int,
  a jsonb, "a[999999999]" text);
SELECT * FROM shown('items', '{"a":[1,{"b":"x","c":[[1,2.50],[3]]}]}', '{"a":[]}', '{}',
  '{"a":null}', '{"a":{"0":1}}', '{"a":7}',
  '{"a":[null,null]}',
  '{ "a" : [ 1 , { "b" : "\u00e9\"]" , "c" : [ [ "[" , 5 ] ] } , 9 ] , "p" : {"a":[ -3 ]} }',
  '{"a":[1],"a":[2]}', '{"a":[2],"a":{}}', '{"a":[1,{"b":"x","b":"y","\u0063":[[0,1]]}]}',
  '{"a":[[[[[0]]]],"b",[]]}');
-- What an item has is converted as a field is, the slow way too.
CREATE TABLE kinds ("a[0]" timestamptz, "a[1]" text[], "a[2]" jsonb, "a[3]" bool, "a[4]" uuid,
  "a[5]" varchar(2), "a[6]" bigint);
SET TimeZone = 'UTC';
SELECT * FROM shown('kinds',
  '{"a":[1700000000000,["x",null],{"k":[1]},true,"00000000-0000-0000-0000-000000000001",'
    '"ab",9223372036854775807]}',
  '{"a":["2024-01-01 00:00","{}",[],"true",1,"abc",9223372036854775808]}',
  '{"a":[false,{},1,0,"x",1,1.5]}');
-- Where there is none, a column that takes no null has a bad cell.
CREATE TABLE wanted ("a[1]" int NOT NULL, "a[0].b" text NOT NULL);
SELECT * FROM shown('wanted', '{"a":[{"b":"x"},2]}', '{"a":[{"b":null},null]}', '{"a":[{}]}',
  '{}', '{"a":null}', '{"a":[{"b":1},"2"]}');
-- Domains have a say in what null is.
CREATE DOMAIN filled AS int CHECK (VALUE IS NOT NULL);
CREATE TABLE checked ("a[0]" filled);
SELECT * FROM shown('checked', '{"a":[1]}', '{"a":[]}', '{"a":[null]}', '{}');
-- Names that hold brackets stand in quotes.
CREATE TABLE quoted ("""a[0]""" int, """b.c[0]""[0].""d]""" int);
SELECT * FROM shown('quoted', '{"a[0]":1,"a":[2],"b.c[0]":[{"d]":3}]}');
SET client_min_messages = warning;
DROP SCHEMA json_items CASCADE;
