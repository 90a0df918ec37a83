-- Texts that mean the moment when they are read as dates or times, wherever that happens; domains that ask for it.
CREATE SCHEMA moments;
SET search_path = moments;
CREATE FOREIGN TABLE s (id int, x text, js json, j jsonb) SERVER cq_log;
INSERT INTO s SELECT id, x, j, j FROM (VALUES
  (1, '2025-01-01 10:00', '{"at": "2025-01-01 10:00", "name": "now"}'::jsonb),
  (2, 'now', '{"at": "now", "name": "b"}'),
  (3, '2025-01-03 10:00', '{"at": null, "days": ["2025-01-03", "today"], "name": "c"}'),
  (4, '2025-01-04 10:00', '{"at": 20250104, "inner": {"day": "2025-01-04", "more": [{"at": "yesterday"}]}}'),
  (5, '2025-01-05 10:00', '{"at": "2025-01-05", "days": ["2025-01-05"], "inner": {"day": "2025-01-05", "more": [{"at": "2025-01-05"}]}}'),
  (6, '2025-01-06 10:00', '{"at": "2025-01-06", "span": "[2025-01-01,NOW)"}'),
  (7, '2025-01-07 10:00', '{"at": "2025-01-07", "span": "[2025-01-01,2025-01-02)"}'),
  (8, '2025-01-08 10:00', '{"at": "2025-01-08", "inner": "(tomorrow,)"}'),
  (9, '2025-01-09 10:00', '{}')) v (id, x, j);
INSERT INTO s (id, x, js) VALUES (10, '2025-01-10 10:00', '{"at": "\u006eow"}'), (11, '2025-01-11 10:00', '{"at": "now", "at": "2025-01-11"}');
CREATE TYPE later AS (at timestamptz);
CREATE TYPE part AS (day date, more later[]);
CREATE TYPE doc AS (at timestamptz, name text, days date[], "inner" part, span tstzrange);
-- The good rows of each view, and why the bad ones are bad: the batch is right as long as it does not read the moment.
CREATE FUNCTION bad(v text) RETURNS TABLE ("offset" bigint, message text) LANGUAGE sql
  AS $$ SELECT "offset", message FROM cq.errors WHERE view = v::regclass ORDER BY 1 $$;

-- What makes rows of JSON.
CREATE CONTINUOUS VIEW to_record AS SELECT id, r.* FROM s, jsonb_to_record(j) AS r (at timestamptz, name text, days date[], "inner" part, span tstzrange);
CREATE CONTINUOUS VIEW to_record_json AS SELECT id, r.* FROM s, json_to_record(js) AS r (at timestamptz, name text, days date[]);
CREATE CONTINUOUS VIEW to_set AS SELECT id, r.* FROM s, jsonb_to_recordset(jsonb_build_array(j, j)) AS r (at timestamptz, days date[]);
CREATE CONTINUOUS VIEW populated AS SELECT id, (jsonb_populate_record(NULL::doc, j)).* FROM s;
CREATE CONTINUOUS VIEW populated_json AS SELECT id, d.* FROM s, json_populate_record(NULL::doc, js) d WHERE js IS NOT NULL;
CREATE CONTINUOUS VIEW populated_set AS SELECT id, d.at FROM s, json_populate_recordset(NULL::doc, json_build_array(js)) d WHERE js IS NOT NULL;
CREATE CONTINUOUS VIEW names AS SELECT id, r.* FROM s, jsonb_to_record(j) AS r (name text, "inner" jsonb);
SELECT cq.wait('to_record'), cq.wait('to_record_json'), cq.wait('to_set'), cq.wait('populated'), cq.wait('populated_json'), cq.wait('populated_set'), cq.wait('names');
SELECT * FROM to_record ORDER BY id;
SELECT * FROM bad('to_record');
SELECT * FROM to_record_json ORDER BY id;
SELECT * FROM bad('to_record_json');
SELECT id, count(*) FROM to_set GROUP BY id ORDER BY id;
TABLE to_record EXCEPT ALL TABLE populated;
TABLE populated EXCEPT ALL TABLE to_record;
SELECT id FROM populated_json ORDER BY id;
SELECT id FROM populated_set ORDER BY id;
SELECT count(*) FROM names;
TABLE names EXCEPT ALL SELECT id, r.* FROM s, jsonb_to_record(j) AS r (name text, "inner" jsonb);
CREATE CONTINUOUS VIEW v AS SELECT id, r.f1 FROM s, jsonb_populate_record(ROW(now()), j) AS r (f1 timestamptz);

SELECT _cq.without_moments('{"a": "now"}'::jsonb, '{a}', '{1184,1184}');
SELECT _cq.without_moments('{"a": "now"}'::json, '{a,NULL}', '{1184,1184}');
SELECT _cq.without_moments('["now", {"a": 1}]'::json, '{a}', '{25}');

-- Functions of language SQL: made part of the query, or refused.
CREATE FUNCTION at(jsonb) RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT ($1 ->> 'at')::timestamptz $$;
CREATE FUNCTION day_of(jsonb) RETURNS date LANGUAGE sql STABLE AS $$ SELECT moments.at($1)::date $$;
CREATE FUNCTION days_of(jsonb) RETURNS TABLE (day date) LANGUAGE sql STABLE AS $$ SELECT e::date FROM jsonb_array_elements_text($1 -> 'days') e $$;
CREATE FUNCTION is_after(text, date) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT $1::date > $2 $$;
CREATE OPERATOR >> (leftarg = text, rightarg = date, function = is_after);
CREATE FUNCTION fixed(text) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$ SELECT $1::timestamptz $$;
CREATE FUNCTION fixed_days(jsonb) RETURNS SETOF date LANGUAGE sql IMMUTABLE AS $$ SELECT e::date FROM jsonb_array_elements_text($1 -> 'days') e $$;
CREATE FUNCTION latest_step(timestamptz, text) RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT greatest($1, $2::timestamptz) $$;
CREATE AGGREGATE latest(text) (SFUNC = latest_step, STYPE = timestamptz, COMBINEFUNC = timestamptz_larger);
CREATE TABLE config (k int PRIMARY KEY, v text);
INSERT INTO config VALUES (1, '2025-02-01');
CREATE FUNCTION since(int) RETURNS date LANGUAGE sql STABLE AS $$ SELECT v::date FROM moments.config WHERE k = $1 $$;
CREATE CONTINUOUS VIEW inlined AS SELECT id, at(j), day_of(j), x >> '2025-01-04' AS late, since(1) FROM s;
CREATE CONTINUOUS VIEW inlined_set AS SELECT id, day FROM s, days_of(j) ORDER BY 1, 2;
CREATE CONTINUOUS VIEW by_day AS SELECT day_of(j), count(*), max(at(j)) FROM s GROUP BY 1;
CREATE CONTINUOUS VIEW v AS SELECT id, fixed(x) FROM s;
CREATE CONTINUOUS VIEW v AS SELECT id, upper(x), date_trunc('day', fixed(upper(x))) FROM s;
CREATE CONTINUOUS VIEW fixed_set AS SELECT id, d FROM s, fixed_days(j) d;
CREATE CONTINUOUS VIEW v AS SELECT id, day FROM s, days_of(j) WITH ORDINALITY;
CREATE CONTINUOUS VIEW v AS SELECT id, days_of(j) FROM s;
CREATE CONTINUOUS VIEW v AS SELECT latest(x) FROM s;
SELECT cq.wait('inlined'), cq.wait('inlined_set'), cq.wait('fixed_set'), cq.wait('by_day');
SELECT * FROM inlined ORDER BY id;
SELECT * FROM bad('inlined');
SELECT * FROM inlined_set;
TABLE fixed_set EXCEPT ALL TABLE inlined_set;
SELECT * FROM bad('inlined_set');
SELECT * FROM by_day ORDER BY 1;
-- One that is replaced is replaced in the query as well.
CREATE OR REPLACE FUNCTION at(jsonb) RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT ($1 ->> 'at')::timestamptz + '1 day' $$;
INSERT INTO s (id, x, j) VALUES (20, '2025-01-20', '{"at": "2025-01-20"}'), (21, 'today', '{"at": "today"}');
SELECT cq.wait('inlined');
SELECT * FROM inlined WHERE id >= 20;
SELECT message FROM cq.errors WHERE view = 'inlined'::regclass ORDER BY error_id DESC LIMIT 1;

-- What else reads texts, on whatever version; casts to times that need a day; numbers that hang on storage.
CREATE CONTINUOUS VIEW v AS SELECT id, t.at FROM s, XMLTABLE('/a' PASSING xmlparse(content x) COLUMNS at timestamptz PATH '.') t;
CREATE CONTINUOUS VIEW v AS SELECT id, jsonb_path_query_tz(j, '$.at.datetime() ? (@ < "10:00+01".datetime())') FROM s;
CREATE CONTINUOUS VIEW v AS SELECT id, pg_column_size(x) FROM s;
DO $$
DECLARE
  query text;
BEGIN
  IF current_setting('server_version_num')::int >= 170000 THEN
    FOREACH query IN ARRAY ARRAY[
      'SELECT id, JSON_VALUE(j, ''$.at'' RETURNING timestamptz) FROM s',
      'SELECT id, JSON_QUERY(j, ''$.days'' RETURNING date[]) FROM s',
      'SELECT id, JSON_EXISTS(j, ''$.at.datetime() ? (@.time_tz() < "10:00".time())'') FROM s',
      'SELECT id, t.at FROM s, JSON_TABLE(j, ''$'' COLUMNS (at timestamptz)) t'] LOOP
      BEGIN
        EXECUTE 'CREATE VIEW v WITH (continuous) AS ' || query;
        RAISE 'accepted: %', query;
      EXCEPTION WHEN feature_not_supported OR invalid_object_definition THEN
      END;
    END LOOP;
    EXECUTE 'CREATE VIEW v WITH (continuous) AS
      SELECT id, t.at::timestamptz, JSON_VALUE(j, ''$.at'' RETURNING text)::date AS day FROM s, JSON_TABLE(j, ''$'' COLUMNS (at text)) t';
    DROP VIEW v;
  END IF;
END $$;
SET timezone = 'Europe/Berlin';
CREATE FOREIGN TABLE z (id int, x text, j jsonb, o timetz) SERVER cq_log;
INSERT INTO z VALUES (1, '10:00', '{"o": "10:00"}', NULL), (2, '10:00+02', '{"o": "10:00+02"}', NULL), (3, '2025-07-01 10:00', '{"o": "2025-07-01 10:00"}', NULL),
  (4, '10:00', NULL, '10:00+03');
CREATE CONTINUOUS VIEW zones AS SELECT id, x::timetz, (ARRAY[x]::timetz[])[1] AS a FROM z;
CREATE CONTINUOUS VIEW zone_records AS SELECT id, r.o, z.o AS own FROM z, jsonb_to_record(j) AS r (o timetz);
SELECT cq.wait('zones'), cq.wait('zone_records');
SELECT * FROM zones ORDER BY id;
SELECT * FROM bad('zones');
SELECT * FROM zone_records ORDER BY id;
SELECT * FROM bad('zone_records');
RESET timezone;

-- Domains.
CREATE DOMAIN past AS timestamptz CHECK (VALUE <= now());
CREATE FUNCTION is_positive(int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN $1 > 0; END';
CREATE DOMAIN positive AS int CHECK (is_positive(VALUE));
CREATE DOMAIN recent AS past;
CREATE TYPE event AS (at recent, n positive);
CREATE FOREIGN TABLE d (id positive, at past, e event, p positive[]) SERVER cq_log;
CREATE TABLE kept_dates (id int, at past);
CREATE CONTINUOUS VIEW v AS SELECT id, at FROM d;
CREATE CONTINUOUS VIEW v AS SELECT count(*) FROM d WHERE (e).n > 1;
CREATE CONTINUOUS VIEW v AS SELECT id, x::timestamptz::recent FROM s;
CREATE CONTINUOUS VIEW v AS SELECT id, x::past[] FROM s;
CREATE CONTINUOUS VIEW v AS SELECT id, r.at FROM s, jsonb_to_record(j) AS r (at past);
CREATE CONTINUOUS VIEW v AS SELECT id, jsonb_populate_record(NULL::event, j) FROM s;
CREATE CONTINUOUS VIEW v AS SELECT id, d FROM d;
CREATE CONTINUOUS VIEW v AS SELECT id, q.at FROM d JOIN (SELECT id AS k, at FROM d) q ON k = id;
-- A table's values are there, and so may be what is not asked for.
CREATE CONTINUOUS VIEW fine AS SELECT d.id, p, k.at, x.n::positive FROM d JOIN kept_dates k USING (id), LATERAL (VALUES (1)) x (n);

DROP SCHEMA moments CASCADE;
