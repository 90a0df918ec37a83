-- Names without regard to case.
CREATE SCHEMA json_case;
SET search_path = json_case, public;
SET test.ignore_case = on;
CREATE FUNCTION shown(target regclass, VARIADIC messages text[], OUT message int,
  OUT fields text[], OUT bad text[])
  RETURNS SETOF record LANGUAGE sql STABLE AS
  $$SELECT * FROM json_decode(target, ARRAY(SELECT convert_to(m, 'UTF8')
                                            FROM unnest(messages) m))$$;

CREATE TABLE plain (id int, "OrderDate" date, "place.City" text, "place" jsonb, z int NOT NULL);
SELECT * FROM shown('plain', '{"id":1,"OrderDate":"2024-01-02","place":{"City":"x"},"z":1}',
  '{"ID":2,"ORDERDATE":"2024-01-02","Place":{"cITY":"x","CITY2":1},"Z":1}',
  '{"\u0049d":3,"orderdate":null,"PLACE":{},"z":2}', '{"iD ":4,"z":1}', '{"ıd":4,"z":1}');
-- Of one spelling the last one counts; of two that are one, none does, whichever comes first, also
-- with what is within them; what nobody wants may be spelt as it will.
SELECT * FROM shown('plain', '{"ID":1,"ID":2,"z":1}', '{"id":1,"ID":2,"z":1}',
  '{"Id":1,"\u0049d":2,"z":1}', '{"ID":1,"Id":2,"ID":3,"id":null,"z":1}',
  '{"place":{"city":"x"},"PLACE":{"city":"y"},"z":1}', '{"place":{"city":"x","City":"y"},"z":1}',
  '{"place":{"city":"x"},"place":{"City":"y"},"z":1}', '{"u":1,"U":2,"z":1}', '{"z":1,"Z":2}',
  '{"place":{"city":"x","City":"y"},"place":{},"z":1}',
  '{"place":1,"Place":2,"place":{"city":3},"z":1}');
SELECT * FROM shown('plain', '{"z":1,"id":1}', '{"Z":1,"ID":1}', '{"z":1,"id":1,"ID":1}',
  '{"z":3}');
-- Letters other than A to Z are what they are.
CREATE TABLE letters ("größe" int, "Ä" int);
SELECT * FROM shown('letters', '{"GRößE":1,"ä":2}', '{"GRÖßE":1,"Ä":2}', '{"größe":1,"Ä":2,"ä":3}');
-- Within composite types, arrays and items.
CREATE TYPE pair AS ("Left" int, "right" text);
CREATE TABLE composite (p pair, ps pair[], "l[0].Name" text, "l[1]" pair);
SELECT * FROM shown('composite',
  '{"P":{"LEFT":1,"Right":"x"},"PS":[{"left":2},{"RIGHT":3}],"L":[{"NAME":"n"}]}',
  '{"p":{"left":1,"Left":2}}', '{"p":{"left":1,"left":2}}',
  '{"ps":[{},{"right":1,"RIGHT":2,"right":3}]}',
  '{"l":[{"name":1,"NAME":2},{"left":1,"LEFT":2}]}',
  '{"l":[{"name":1,"\u006eame":2}],"p":{"l\u0065ft":1,"left":2}}',
  '{"l":[{"name":1}],"L":[{"name":2}]}');
-- Without the option names are what they are.
RESET test.ignore_case;
SELECT * FROM shown('plain', '{"ID":2,"id":1,"z":1}', '{"Z":1}');
SET client_min_messages = warning;
DROP SCHEMA json_case CASCADE;
