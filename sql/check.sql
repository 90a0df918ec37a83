-- What may stand in a view: streams, moments and sessions that hide in whatever place, and what is like them and may stay.
CREATE SCHEMA checked;
SET search_path = checked;
CREATE FOREIGN TABLE s (id int, k int, x text, t timestamptz, j jsonb) SERVER cq_log;
CREATE TABLE dim (k int PRIMARY KEY, name text);
INSERT INTO dim VALUES (0, 'zero'), (1, 'one');
CREATE VIEW through AS SELECT id, k FROM s;
CREATE VIEW grouped AS SELECT k, count(*) FROM s GROUP BY k;

-- Streams.
CREATE CONTINUOUS VIEW v_1 AS SELECT count(*) FROM s, unnest(ARRAY(SELECT id FROM s)) u;
CREATE CONTINUOUS VIEW v_2 AS SELECT count(*) FROM s, unnest(ARRAY(SELECT id FROM through)) u;
CREATE CONTINUOUS VIEW v_3 AS SELECT count(*) FROM s, generate_series(1, (SELECT count(*) FROM s)::int) u;
CREATE CONTINUOUS VIEW v_4 AS SELECT count(*) FROM s, (VALUES ((SELECT max(id) FROM s))) w (m);
CREATE CONTINUOUS VIEW v_5 AS SELECT count(*) FROM s, ROWS FROM (generate_series(1, 2), unnest(ARRAY(SELECT id FROM s))) u;
CREATE CONTINUOUS VIEW v_6 AS WITH c AS (SELECT id FROM s) SELECT id FROM s WHERE id IN (SELECT id FROM c);
CREATE CONTINUOUS VIEW v_7 AS WITH c AS (SELECT k FROM s) SELECT name FROM dim WHERE k IN (SELECT k FROM c);
CREATE CONTINUOUS VIEW v_8 AS WITH c AS (SELECT k FROM s) SELECT * FROM (SELECT count(*) FROM c) q;
CREATE CONTINUOUS VIEW v_9 AS WITH c AS (SELECT k FROM s), d AS (SELECT count(*) AS n FROM c) SELECT n FROM d;
CREATE CONTINUOUS VIEW v_10 AS WITH c AS (SELECT k FROM s), d AS (SELECT k FROM c) SELECT c.k FROM c JOIN d USING (k);
CREATE CONTINUOUS VIEW v_11 AS WITH c AS (VALUES ((SELECT max(id) FROM s))) SELECT id FROM s, c;
CREATE CONTINUOUS VIEW v_12 AS WITH c AS (SELECT u FROM unnest(ARRAY(SELECT id FROM s)) u) SELECT count(*) FROM s, c;
CREATE CONTINUOUS VIEW v_13 AS WITH c AS (SELECT id FROM s) SELECT k FROM dim;
CREATE CONTINUOUS VIEW v_14 AS WITH RECURSIVE c AS (SELECT id FROM s UNION ALL SELECT id - 1 FROM c WHERE id > 0) SELECT id FROM c;
CREATE CONTINUOUS VIEW v_15 AS SELECT id, (SELECT sum(n) FROM (VALUES ((SELECT count(*) FROM s))) w (n)) FROM s;
CREATE CONTINUOUS VIEW v_16 AS SELECT id FROM s ORDER BY (SELECT count(*) FROM s);
CREATE CONTINUOUS VIEW v_17 AS SELECT k, count(*) FROM s GROUP BY k LIMIT (SELECT count(*) FROM s);
CREATE CONTINUOUS VIEW v_18 AS SELECT k, count(*) FILTER (WHERE id > (SELECT avg(id) FROM s)) FROM s GROUP BY k;
CREATE CONTINUOUS VIEW v_19 AS SELECT k, sum(count(*)) OVER (ORDER BY k ROWS (SELECT count(*) FROM s) PRECEDING) FROM s GROUP BY k;
CREATE CONTINUOUS VIEW v_20 AS SELECT id FROM s JOIN dim d ON d.k = s.k AND d.k IN (SELECT k FROM s);
CREATE CONTINUOUS VIEW v_21 AS SELECT s.id, l.id FROM s, LATERAL (SELECT id FROM s o WHERE o.k = s.k LIMIT 1) l (id);
CREATE CONTINUOUS VIEW v_22 AS SELECT s.id FROM s JOIN grouped g ON g.k = s.k;
CREATE CONTINUOUS VIEW v_23 AS SELECT count FROM grouped;
CREATE CONTINUOUS VIEW v_24 AS SELECT s.id FROM s, XMLTABLE('/a' PASSING (SELECT xmlelement(NAME a, max(id)) FROM s) COLUMNS a int PATH '.');
CREATE TABLE parent (id int, k int, x text, t timestamptz, j jsonb);
ALTER FOREIGN TABLE s INHERIT parent;
CREATE CONTINUOUS VIEW v_25 AS SELECT id FROM parent;
CREATE CONTINUOUS VIEW v_26 AS SELECT id FROM s WHERE k IN (SELECT k FROM parent);
ALTER FOREIGN TABLE s NO INHERIT parent;

-- Functions that read one: where the body can be seen.
CREATE FUNCTION count_atomic() RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT count(*) FROM s; END;
CREATE FUNCTION count_text() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM checked.s';
CREATE FUNCTION count_within() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT checked.count_text() + 1';
CREATE FUNCTION ids(anyelement) RETURNS SETOF anyelement LANGUAGE sql STABLE AS 'SELECT $1 FROM checked.through';
CREATE FUNCTION add_count(bigint, int) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT $1 + count(*) FROM checked.s';
CREATE AGGREGATE counts(int) (SFUNC = add_count, STYPE = bigint, COMBINEFUNC = int8pl, INITCOND = 0);
CREATE CONTINUOUS VIEW v_27 AS SELECT id, count_atomic() FROM s;
CREATE CONTINUOUS VIEW v_28 AS SELECT id, count_text() FROM s;
CREATE CONTINUOUS VIEW v_29 AS SELECT id, count_within() FROM s;
CREATE CONTINUOUS VIEW v_30 AS SELECT id FROM s, ids(1);
CREATE CONTINUOUS VIEW v_31 AS SELECT counts(id) FROM s;
-- It may read tables.
CREATE FUNCTION name_of(int) RETURNS text LANGUAGE sql STABLE AS 'SELECT name FROM checked.dim WHERE k = $1';
CREATE CONTINUOUS VIEW names AS SELECT id, name_of(k) FROM s;
-- Where it cannot, the view stops before it sees a part for the whole.
CREATE FUNCTION hidden() RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT count(*) FROM checked.s); END';
CREATE CONTINUOUS VIEW hides AS SELECT id, hidden() FROM s;
CREATE CONTINUOUS VIEW counted AS SELECT count(*) FROM s;
INSERT INTO s (id, k) SELECT i, i % 2 FROM generate_series(1, 3) i;
SELECT cq.wait('names'), cq.wait('counted');
SELECT * FROM names ORDER BY id;
SELECT * FROM counted;
CREATE PROCEDURE wait_until_failed(v text) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1..6000 LOOP
    IF (SELECT status = 'failed' FROM cq.views WHERE view = v::regclass) THEN RETURN; END IF;
    PERFORM pg_sleep(0.01);
    COMMIT;
  END LOOP;
  RAISE 'it has not failed';
END $$;
CALL wait_until_failed('hides');
SELECT status_detail FROM cq.views WHERE view = 'hides'::regclass;
SELECT count(*) FROM cq.errors;
-- Nor where it catches the error, is run over rows that are kept, or when the plan is made; nor another stream.
CREATE FOREIGN TABLE elsewhere (id int) SERVER cq_log;
CREATE FUNCTION hidden_and_caught() RETURNS bigint LANGUAGE plpgsql STABLE AS
$$BEGIN RETURN (SELECT count(*) FROM checked.s); EXCEPTION WHEN OTHERS THEN RETURN -1; END$$;
CREATE FUNCTION hidden_constant() RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN checked.hidden(); END';
CREATE FUNCTION hidden_elsewhere() RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT count(*) FROM checked.elsewhere); END';
CREATE FUNCTION add_hidden(bigint, int) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 + checked.hidden(); END';
CREATE AGGREGATE hidden_sum(int) (SFUNC = add_hidden, STYPE = bigint, INITCOND = 0);
CREATE CONTINUOUS VIEW hides_1 AS SELECT id, hidden_and_caught() FROM s;
CREATE CONTINUOUS VIEW hides_2 AS SELECT id, hidden_constant() FROM s;
CREATE CONTINUOUS VIEW hides_3 AS SELECT id, hidden_elsewhere() FROM s;
CREATE CONTINUOUS VIEW hides_4 AS SELECT k, hidden_sum(id) FROM s GROUP BY k;
CREATE CONTINUOUS VIEW hides_5 AS SELECT k, count(DISTINCT id + hidden_and_caught()) FROM s GROUP BY k;
CREATE FOREIGN TABLE timed (t timestamptz) SERVER cq_log OPTIONS (event_time 't', watermark '0 s');
CREATE CONTINUOUS VIEW hides_6 WITH (emit = 'close') AS
  SELECT window_start, count(*) FROM timed, cq.tumble(t, '1 s') GROUP BY 1 HAVING count(*) < hidden_and_caught();
INSERT INTO timed VALUES ('2026-01-01 00:00:00Z'), ('2026-01-01 00:00:05Z');
SELECT format('CALL wait_until_failed(%L)', 'hides_' || i) FROM generate_series(1, 6) i \gexec
SELECT view, status_detail FROM cq.views WHERE view::text ~ '^hides_' ORDER BY view::text;
DROP VIEW hides_1, hides_2, hides_3, hides_4, hides_5, hides_6;
-- Nor where a view that is read comes to read one: what is kept does not fit then.
CREATE VIEW altered AS SELECT k FROM dim;
CREATE CONTINUOUS VIEW kept AS SELECT s.id, e.id AS other FROM s LEFT JOIN elsewhere e USING (id) WHERE s.k IN (SELECT k FROM altered);
SELECT cq.wait('kept');
CREATE OR REPLACE VIEW altered AS SELECT k FROM s;
INSERT INTO elsewhere VALUES (1);
CALL wait_until_failed('kept');
SELECT status_detail FROM cq.views WHERE view = 'kept'::regclass;
CREATE OR REPLACE CONTINUOUS VIEW kept AS SELECT s.id, e.id AS other FROM s LEFT JOIN elsewhere e USING (id) WHERE s.k IN (SELECT k FROM altered);
SELECT cq.wait('kept');
TABLE kept ORDER BY id;
DROP VIEW kept, altered;

-- What owners of tables add to a query: a policy that reads one.
CREATE TABLE guarded (k int);
INSERT INTO guarded VALUES (0), (1);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY enough ON guarded USING (k >= 0);
CREATE ROLE checked_owner;
GRANT ALL ON SCHEMA checked TO checked_owner;
GRANT ALL ON ALL TABLES IN SCHEMA checked TO checked_owner;
SET ROLE checked_owner;
CREATE CONTINUOUS VIEW joined AS SELECT id, k FROM s JOIN guarded USING (k);
RESET ROLE;
ALTER POLICY enough ON guarded USING ((SELECT count(*) FROM checked.s) > 3);
SET ROLE checked_owner;
CREATE CONTINUOUS VIEW v AS SELECT id, k FROM s JOIN guarded USING (k);
RESET ROLE;
CALL wait_until_failed('joined');
SELECT status_detail FROM cq.views WHERE view = 'joined'::regclass;
DROP VIEW joined;

-- Rights are asked for at CREATE, of all that is read, wherever it stands; and again when they have gone.
CREATE FOREIGN TABLE kept_back (id int, k int, secret text) SERVER cq_log;
CREATE TABLE kept_back_table (k int, secret text);
GRANT SELECT (k) ON kept_back, kept_back_table TO checked_owner;
SET ROLE checked_owner;
CREATE CONTINUOUS VIEW v AS SELECT id FROM s WHERE k IN (SELECT k FROM kept_back_table WHERE secret > '');
CREATE CONTINUOUS VIEW v AS SELECT id, (SELECT max(secret) FROM kept_back_table) FROM s;
CREATE CONTINUOUS VIEW v AS SELECT k, count(DISTINCT id) FROM s WHERE k IN (SELECT k FROM kept_back_table WHERE secret > '') GROUP BY k;
CREATE CONTINUOUS VIEW v AS SELECT id FROM s LEFT JOIN (SELECT secret FROM kept_back_table) b ON true;
CREATE CONTINUOUS VIEW v AS SELECT id, (SELECT count(*) FROM (SELECT secret FROM kept_back) b) FROM s;
CREATE CONTINUOUS VIEW v AS WITH c AS (SELECT secret FROM kept_back) SELECT id FROM s WHERE k > (SELECT count(*) FROM c);
CREATE CONTINUOUS VIEW v AS WITH c AS (SELECT secret FROM kept_back) SELECT id FROM s;
CREATE CONTINUOUS VIEW permitted AS WITH c AS (SELECT k FROM kept_back) SELECT id FROM s
  WHERE NOT EXISTS (SELECT FROM kept_back b WHERE b.k = s.k) AND k IN (SELECT k FROM kept_back_table);
CREATE CONTINUOUS VIEW unused AS WITH c AS (SELECT k FROM kept_back) SELECT id FROM s;
RESET ROLE;
SELECT cq.wait('permitted'), cq.wait('unused');
SELECT id FROM unused ORDER BY id;
REVOKE SELECT (k) ON kept_back FROM checked_owner;
INSERT INTO kept_back VALUES (1, 1, 'x');
CALL wait_until_failed('permitted');
SELECT status_detail FROM cq.views WHERE view = 'permitted'::regclass;
DROP VIEW permitted, unused;
DROP OWNED BY checked_owner;
DROP ROLE checked_owner;

-- Moments and sessions.
CREATE CONTINUOUS VIEW v_32 AS SELECT id, current_setting('cq.workers') FROM s;
CREATE CONTINUOUS VIEW v_33 AS SELECT id, pg_postmaster_start_time() FROM s;
CREATE CONTINUOUS VIEW v_34 AS SELECT id FROM s WHERE inet_client_addr() IS NULL;
CREATE CONTINUOUS VIEW v_35 AS SELECT id, pg_current_xact_id_if_assigned() FROM s;
CREATE CONTINUOUS VIEW v_36 AS SELECT id, current_user FROM s;
CREATE CONTINUOUS VIEW v_37 AS SELECT id, current_database() FROM s;
CREATE CONTINUOUS VIEW v_38 AS SELECT id, version() FROM s;
CREATE CONTINUOUS VIEW v_39 AS SELECT id, age(t) FROM s;
CREATE CONTINUOUS VIEW v_40 AS SELECT id, t::time::timetz FROM s;
CREATE CONTINUOUS VIEW v_41 AS SELECT id, '10:00+01'::timetz AT TIME ZONE 'Europe/Berlin' FROM s;
CREATE CONTINUOUS VIEW v_42 AS SELECT id, 'now'::text::timestamptz FROM s;
CREATE CONTINUOUS VIEW v_43 AS SELECT id, ('tod' || 'ay')::date FROM s;
CREATE CONTINUOUS VIEW v AS SELECT id, concat('n', 'ow')::timestamptz FROM s;
CREATE CONTINUOUS VIEW v AS SELECT id FROM s WHERE t < format('%s', 'now')::timestamptz;
CREATE CONTINUOUS VIEW v AS SELECT k, count(DISTINCT id) FROM s WHERE t < concat('n', 'ow')::timestamptz GROUP BY k;
CREATE CONTINUOUS VIEW v AS SELECT id, (jsonb_build_array('now') ->> 0)::timestamptz FROM s;
CREATE CONTINUOUS VIEW v AS SELECT id, (ARRAY['now']::text[])::timestamptz[] FROM s;
CREATE CONTINUOUS VIEW v AS SELECT a.id FROM s a LEFT JOIN s b ON a.k = b.k AND a.t < concat('n', 'ow')::timestamptz;
CREATE CONTINUOUS VIEW v AS SELECT id, xmin AS x FROM s;
CREATE CONTINUOUS VIEW v AS SELECT count(*) FROM s JOIN dim USING (k) GROUP BY s.ctid;
CREATE CONTINUOUS VIEW v_44 AS SELECT id FROM s WHERE t > 'Yesterday 10:00'::varchar::timestamptz;
CREATE CONTINUOUS VIEW v_45 AS SELECT id, '{now}'::text::time[] FROM s;
CREATE CONTINUOUS VIEW v_46 AS SELECT id, '[now,)'::text::tstzrange FROM s;
CREATE CONTINUOUS VIEW v_47 AS SELECT id, timestamptz_in('now', 0, -1) FROM s;
CREATE CONTINUOUS VIEW v_48 AS SELECT k, count(*) FROM s GROUP BY k HAVING max(t) < now();
CREATE CONTINUOUS VIEW v_49 AS SELECT id FROM s, generate_series(t, now(), '1 day') g;
CREATE CONTINUOUS VIEW v_50 AS SELECT s.id FROM s, (VALUES (now())) w (n);
CREATE CONTINUOUS VIEW v_51 AS SELECT s.id FROM s JOIN (SELECT k FROM dim TABLESAMPLE BERNOULLI (50)) d USING (k);
CREATE CONTINUOUS VIEW v_52 AS SELECT s.id FROM s JOIN pg_stat_activity a ON a.pid = s.k;
CREATE VIEW lately AS SELECT k FROM dim WHERE now() > '2000-01-01';
CREATE CONTINUOUS VIEW v_53 AS SELECT s.id FROM s JOIN lately USING (k);
CREATE FUNCTION moment() RETURNS timestamptz LANGUAGE sql IMMUTABLE AS 'SELECT now()';
CREATE CONTINUOUS VIEW v_54 AS SELECT id, moment() FROM s;
CREATE FUNCTION careless(int) RETURNS int LANGUAGE sql AS 'SELECT $1 + 1';
CREATE CONTINUOUS VIEW v_55 AS SELECT id, careless(id) FROM s;
ALTER FUNCTION careless(int) IMMUTABLE;
CREATE CONTINUOUS VIEW careful AS SELECT id, careless(id) FROM s;
CREATE CONTINUOUS VIEW v_56 AS SELECT id, cq.watermark('careful') FROM s;
CREATE FUNCTION broken() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT 1::bigint';
SET check_function_bodies = off;
CREATE OR REPLACE FUNCTION broken() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM nowhere';
CREATE CONTINUOUS VIEW v_57 AS SELECT id, broken() FROM s;

-- What a message has is its own fault.
CREATE VIEW parsed AS SELECT id, (j ->> 'at')::timestamptz AS at FROM s;
CREATE CONTINUOUS VIEW parsed_rows AS SELECT id, at::date AS day FROM parsed;
CREATE CONTINUOUS VIEW cast_rows AS SELECT id, x::varchar(20)::date AS day, ARRAY[x]::date[] AS days FROM s WHERE id > 10;
INSERT INTO s (id, x, j) VALUES (11, '2025-01-01', '{"at": "2025-01-01 10:00"}'), (12, 'ToMorrow', '{"at": "now"}'), (13, '2025-02-03', '{"at": null}'),
  (14, '2025-01-02', '{"at": "yesterday 10:00"}'), (15, 'epoch', '{"at": "infinity"}');
SELECT cq.wait('parsed_rows'), cq.wait('cast_rows');
SELECT * FROM parsed_rows WHERE id > 10 ORDER BY id;
SELECT * FROM cast_rows ORDER BY id;
SELECT view, sqlstate, message FROM cq.errors ORDER BY view::text, error_id;

-- What depends on pinned settings alone.
SET timezone = 'Europe/Berlin';
CREATE CONTINUOUS VIEW kept AS SELECT id, to_char(t, 'HH24:MI') AS c, t::date AS d, date_trunc('day', t) AS day, t::text AS x, x::timestamptz AS t,
  t + '1 day' AS next, t > '2024-01-01'::date AS late, j, (j ->> 'at')::timestamptz AS at, to_tsvector(x) AS v, concat(id, x, t) AS all,
  jsonb_build_object('t', t) AS o, extract(day FROM t) AS n, 's'::regclass AS r FROM s;
CREATE CONTINUOUS VIEW days AS SELECT t::date AS day, count(*), max(to_char(t, 'HH24')) FROM s GROUP BY 1;
INSERT INTO s VALUES (4, 0, '2025-03-01 12:00', '2025-03-01 23:30Z', '{"at": "2025-01-01 10:00"}');
SELECT cq.wait('kept'), cq.wait('days'), cq.wait('careful');
SELECT id, c, d, day, x, t, next, late, at, v, o, n, r FROM kept WHERE id = 4;
TABLE days EXCEPT ALL SELECT t::date, count(*), max(to_char(t, 'HH24')) FROM s GROUP BY 1;
SELECT t::date, count(*), max(to_char(t, 'HH24')) FROM s GROUP BY 1 EXCEPT ALL TABLE days;
SELECT * FROM careful ORDER BY id;

-- Above the aggregation they are the reader's in the view, as in a batch; a sink has those of CREATE.
CREATE TABLE told (k int, day date, below date);
CREATE CONTINUOUS VIEW last_day WITH (sink = 'told') AS SELECT k, max(t)::date AS day, max(t::date) AS below FROM s WHERE t IS NOT NULL GROUP BY k;
SELECT cq.wait('last_day');
TABLE told EXCEPT ALL TABLE last_day;
TABLE last_day EXCEPT ALL SELECT k, max(t)::date, max(t::date) FROM s WHERE t IS NOT NULL GROUP BY k;
SET timezone = 'America/New_York';
SELECT v.day - told.day AS days, v.below - told.below AS below FROM last_day v JOIN told USING (k);
SET timezone = 'Europe/Berlin';

-- Names that are ours, and groups that no page can hold.
CREATE CONTINUOUS VIEW v_58 AS SELECT id AS _cq_window_end FROM s;
CREATE CONTINUOUS VIEW v (_cq_time) AS SELECT id FROM s;
CREATE CONTINUOUS VIEW v_59 AS SELECT k, count(*) AS _cq_event_time FROM s GROUP BY k;
DO $$
DECLARE
  reason text; detail text;
BEGIN
  EXECUTE (SELECT format('CREATE VIEW v WITH (continuous) AS SELECT k, %s FROM s GROUP BY k', string_agg(format('avg(id + %s) AS a%s', i, i), ', '))
    FROM generate_series(1, 500) i);
EXCEPTION WHEN program_limit_exceeded THEN
  GET STACKED DIAGNOSTICS reason = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
  RAISE NOTICE '%: %', reason, detail;
END $$;

-- Windows whose sizes are known: wherever the call stands.
CREATE CONTINUOUS VIEW v_60 AS SELECT window_start, count(*) FROM s, cq.tumble(t, '0 s') GROUP BY 1;
CREATE CONTINUOUS VIEW v_61 AS SELECT window_start, count(*) FROM s, cq.tumble(t, '-1 s') GROUP BY 1;
CREATE CONTINUOUS VIEW v_62 AS SELECT window_start, count(*) FROM s, cq.tumble(t, '1 day 12 hours') GROUP BY 1;
CREATE CONTINUOUS VIEW v_63 AS SELECT window_start, count(*) FROM s, cq.tumble(t, '1 month 1 day') GROUP BY 1;
CREATE CONTINUOUS VIEW v_64 AS SELECT window_start, count(*) FROM s, cq.tumble(t, NULL) GROUP BY 1;
CREATE CONTINUOUS VIEW v_65 AS SELECT window_start, count(*) FROM s, cq.tumble(t, '1 day', 'infinity') GROUP BY 1;
CREATE CONTINUOUS VIEW v_66 AS SELECT window_start, count(*) FROM s, cq.tumble(t::timestamp, '213503983 days') GROUP BY 1;
CREATE CONTINUOUS VIEW v_67 AS SELECT window_start, count(*) FROM s, cq.tumble(t, '999999999 days') GROUP BY 1;
CREATE CONTINUOUS VIEW v_68 AS SELECT window_start, count(*) FROM s, cq.tumble(id, 0) GROUP BY 1;
CREATE CONTINUOUS VIEW v_69 AS SELECT window_start, count(*) FROM s, cq.tumble(t, interval '1 s' - interval '1 s') GROUP BY 1;
CREATE CONTINUOUS VIEW v_70 AS SELECT window_start, count(*) FROM s, cq.hop(t, '7 s', '1 min') GROUP BY 1;
CREATE CONTINUOUS VIEW v_71 AS SELECT window_start, count(*) FROM s, cq.hop(t, '1 hour', '1 day') GROUP BY 1;
CREATE CONTINUOUS VIEW v_72 AS SELECT window_start, count(*) FROM s, cq.hop(t, '1 ms', '1 day') GROUP BY 1;
CREATE CONTINUOUS VIEW v_73 AS SELECT window_start, count(*) FROM s, cq.hop(t, NULL, '1 min') GROUP BY 1;
CREATE CONTINUOUS VIEW v_74 AS SELECT window_start, count(*) FROM s, cq.hop(t, make_interval(secs => k), '0 s') GROUP BY 1;
CREATE CONTINUOUS VIEW v_75 AS SELECT window_start, count(*) FROM s, cq.hop(id, 3, 10) GROUP BY 1;
CREATE CONTINUOUS VIEW v_76 AS SELECT window_end, count(*) FROM s, cq.cumulate(t, '-1 s', '1 min') GROUP BY 1;
CREATE CONTINUOUS VIEW v_77 AS SELECT window_end, count(*) FROM s, cq.cumulate(t, '1 min', '1 month') GROUP BY 1;
CREATE CONTINUOUS VIEW v_78 AS SELECT id, cq.tumble(t, '0 s') FROM s;
CREATE CONTINUOUS VIEW v_79 AS SELECT window_start, count(*) FROM (SELECT * FROM s, cq.tumble(t, '0 s')) x GROUP BY 1;
CREATE VIEW windowed AS SELECT * FROM s, cq.tumble(t, '0 s');
CREATE CONTINUOUS VIEW v_80 AS SELECT window_start, count(*) FROM windowed GROUP BY 1;
CREATE CONTINUOUS VIEW v_81 AS SELECT count(*) FROM s WHERE cq.sliding(t, '1 min', '7 s');
CREATE CONTINUOUS VIEW v_82 AS SELECT count(*) FROM s WHERE cq.sliding(t, '0 s', '7 s');
CREATE CONTINUOUS VIEW v_83 AS SELECT count(*) FROM s WHERE cq.sliding(t, '1 min', NULL);
CREATE CONTINUOUS VIEW v_84 AS SELECT g, count(*) FROM (SELECT cq.session(t, '0 s') OVER (ORDER BY t) AS g FROM s) x GROUP BY 1;
CREATE CONTINUOUS VIEW v_85 AS SELECT g, count(*) FROM (SELECT cq.session(t, '1 day') OVER (ORDER BY t) AS g FROM s) x GROUP BY 1;
CREATE CONTINUOUS VIEW v_86 AS SELECT g, count(*) FROM (SELECT cq.session(t::timestamp, '213503983 days') OVER (ORDER BY t::timestamp) AS g FROM s) x GROUP BY 1;
CREATE CONTINUOUS VIEW v WITH (retention = '213503983 days') AS SELECT id FROM s;


-- What was accepted is right.
CREATE FUNCTION wrong() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    v record;
    n bigint;
BEGIN
    FOR v IN SELECT view, query FROM _cq.view WHERE view::text ~ '^v_' ORDER BY view::text LOOP
        EXECUTE format('WITH shown AS (SELECT x::text FROM %s x), batch AS (SELECT x::text FROM (%s) x) '
                       'SELECT count(*) FROM ((TABLE shown EXCEPT ALL TABLE batch) '
                       'UNION ALL (TABLE batch EXCEPT ALL TABLE shown)) x', v.view, v.query) INTO n;
        IF n > 0 THEN
            RETURN NEXT format('%s: %s rows', v.view, n);
        END IF;
    END LOOP;
END
$$;
SET client_min_messages = warning;
SELECT view, status, status_detail FROM cq.views WHERE status NOT IN ('running', 'waiting') ORDER BY 1;
SELECT cq.wait(view) FROM _cq.view \g /dev/null
SELECT wrong();
DROP SCHEMA checked CASCADE;
