-- What the catalog says of a view with several streams: each by itself, and the view by all of
-- them.
SET client_min_messages = warning;
CREATE SCHEMA inputs;
SET search_path = inputs;
CREATE FOREIGN TABLE a (k int, v int, at timestamptz) SERVER cq_log
    OPTIONS (event_time 'at', watermark '1 s');
CREATE FOREIGN TABLE b (k int, v int, at timestamptz) SERVER cq_log
    OPTIONS (event_time 'at', watermark '2 s');
CREATE CONTINUOUS VIEW v AS
    SELECT k, sum(v) FROM (TABLE a UNION ALL TABLE b) AS ab GROUP BY k;
SELECT cq.wait('v');
SELECT view, stream, number, is_started FROM _cq.input ORDER BY number;
INSERT INTO b VALUES (2, 100, '2025-01-01 00:00:10Z');
SELECT cq.pause('v');
SELECT status, status_detail, stream, streams FROM cq.views
WHERE view = 'v'::regclass;
SELECT cq.resume('v');
SELECT cq.wait('v');
SELECT view, stream, number, is_started FROM _cq.input ORDER BY number;
SELECT stream, streams, lag_messages, lag FROM cq.views WHERE view = 'v'::regclass;
SELECT * FROM v ORDER BY k;
SELECT cq.watermark('v') AS "not all have event times";
INSERT INTO a VALUES (1, 1, '2025-01-01 00:00:20Z'), (2, 2, '2025-01-01 00:00:20Z');
INSERT INTO b VALUES (1, 200, '2025-01-01 00:00:30Z');
SELECT cq.wait('v');
SELECT * FROM v ORDER BY k;
-- The least of both.
SELECT cq.watermark('v') = '2025-01-01 00:00:19Z' AS watermark;
SELECT stream, topic, partition, next_offset, lag_messages FROM cq.positions
WHERE view = 'v'::regclass ORDER BY stream::text;
SELECT stream, state, views FROM cq.streams WHERE stream IN ('a'::regclass, 'b'::regclass)
ORDER BY stream::text;
-- Another view of one of the streams meets this one, and shares its cursor.
CREATE CONTINUOUS VIEW w AS SELECT sum(v) FROM b;
SELECT cq.wait('w');
DO $$
BEGIN
    FOR i IN 1..6000 LOOP
        EXIT WHEN (SELECT count(*) = 2 FROM _cq.cursor);
        PERFORM pg_sleep(0.01);
        COMMIT;
    END LOOP;
END
$$;
SELECT f.view, c.stream, f.stream = c.stream AS same
FROM _cq.follow f JOIN _cq.cursor c USING (cursor_id)
ORDER BY c.stream::text, view::text;
INSERT INTO b VALUES (3, 1000);
SELECT cq.wait('v'), cq.wait('w');
SELECT * FROM v ORDER BY k;
SELECT * FROM w;
-- It begins again in both; offsets are those of every topic of that name.
SET client_min_messages = notice;
SELECT cq.reset('v', '{"log": {"0": 1}}');
SELECT cq.reset('v', '{"0": 1}');
SET client_min_messages = warning;
SELECT cq.wait('v');
SELECT * FROM v ORDER BY k;
SELECT cq.reset('v');
SELECT cq.wait('v');
SELECT * FROM v ORDER BY k;
-- What comes to it by way of another view is waited for, whichever of the streams it comes to.
CREATE FOREIGN TABLE c (k int, v int, at timestamptz) SERVER cq_log;
CREATE CONTINUOUS VIEW u WITH (sink = 'b') AS SELECT k, v, at FROM c;
SELECT cq.wait('u');
INSERT INTO c VALUES (4, 4);
SELECT cq.wait('v');
SELECT * FROM v ORDER BY k;
-- Circles through any of them.
CREATE FOREIGN TABLE d (k int, v bigint) SERVER cq_log;
CREATE FOREIGN TABLE e (k int, v bigint) SERVER cq_log;
CREATE CONTINUOUS VIEW x WITH (sink = 'e') AS
    SELECT k, v FROM d UNION ALL SELECT k, v FROM b;
CREATE CONTINUOUS VIEW y WITH (sink = 'd') AS TABLE e;
CREATE CONTINUOUS VIEW y WITH (sink = 'b') AS
    SELECT k, v::int, NULL::timestamptz AS at FROM e;
DROP VIEW x;
-- Parts and nodes go with the view.
CREATE TABLE _cq.v_kept (k int);
INSERT INTO _cq.part VALUES ('_cq.v_kept', 'v', 2, 'input', 1);
INSERT INTO _cq.node VALUES ('v', 2, 'keep', 'linear', 'x');
SELECT _cq.adopt_parts();
SELECT _cq.complete_parts();
SELECT relreplident FROM pg_class WHERE oid = '_cq.v_kept'::regclass;
DROP TABLE _cq.v_kept;
INSERT INTO _cq.v_kept VALUES (1);
SELECT cq.reset('v');
SELECT count(*) FROM _cq.v_kept;
CREATE OR REPLACE CONTINUOUS VIEW v AS SELECT k, sum(v) FROM b GROUP BY k;
SELECT to_regclass('_cq.v_kept'), (SELECT count(*) FROM _cq.node WHERE number > 0);
SELECT cq.wait('v');
SELECT view, stream, number, is_started FROM _cq.input WHERE view = 'v'::regclass;
SELECT * FROM v ORDER BY k;
CREATE TABLE _cq.v_kept (k int);
INSERT INTO _cq.part VALUES ('_cq.v_kept', 'v', 1, 'input', 1);
INSERT INTO _cq.node VALUES ('v', 1, 'keep', 'linear', 'x');
DROP VIEW v;
SELECT to_regclass('_cq.v_kept'), (SELECT count(*) FROM _cq.node WHERE number > 0),
    (SELECT count(*) FROM _cq.part WHERE node > 0);
-- The root and its parts; a fingerprint is equal where what is kept is.
CREATE CONTINUOUS VIEW one WITH (emit = 'close', sink = 'd') AS
    SELECT k, count(*) AS v FROM a, cq.tumble(at, '1 min') GROUP BY window_end, k;
CREATE CONTINUOUS VIEW two WITH (changes = 'changes', start = 'latest', on_error = 'pause') AS
    SELECT k, max(at) FROM a WHERE at > '2025-01-01 00:00Z' GROUP BY k;
SELECT view, node, role, number, relation FROM _cq.part
WHERE view IN ('one'::regclass, 'two'::regclass) ORDER BY view::text, role;
CREATE TEMP TABLE before AS TABLE _cq.node;
CREATE OR REPLACE CONTINUOUS VIEW two WITH (changes = 'changes') AS
    SELECT k, max(at) FROM inputs.a WHERE (a.at > '2025-01-01 01:00+01') GROUP BY 1;
SELECT view, number, kind, node.fingerprint = before.fingerprint AS same
FROM _cq.node JOIN before USING (view, number, kind)
WHERE view IN ('one'::regclass, 'two'::regclass) ORDER BY view::text;
-- What is kept, of what, and under what settings.
CREATE FUNCTION differs(how text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    was text := (SELECT fingerprint FROM _cq.node WHERE view = 'two'::regclass);
BEGIN
    EXECUTE how;
    RETURN was <> (SELECT fingerprint FROM _cq.node WHERE view = 'two'::regclass);
END
$$;
SELECT differs('CREATE OR REPLACE VIEW two WITH (continuous, start = ''latest'') AS
                SELECT k, max(at) FROM a WHERE at > ''2025-01-01 00:00Z'' GROUP BY k') AS untold;
SELECT differs('CREATE OR REPLACE VIEW two WITH (continuous, on_error = ''pause'') AS
                SELECT k, max(at) FROM a WHERE at > ''2025-01-01 00:00Z'' GROUP BY k')
    AS "start, on_error";
SELECT differs('CREATE OR REPLACE VIEW two WITH (continuous) AS
                SELECT k, max(at) FROM a WHERE at > ''2025-01-01 00:01Z'' GROUP BY k') AS query;
SELECT differs('CREATE OR REPLACE VIEW two WITH (continuous) AS
                SELECT k, max(at) FROM b a WHERE at > ''2025-01-01 00:01Z'' GROUP BY k') AS stream;
SET TimeZone = 'Asia/Kabul';
SELECT differs('CREATE OR REPLACE VIEW two WITH (continuous) AS
                SELECT k, max(at) FROM b a WHERE at > ''2025-01-01 00:01Z'' GROUP BY k') AS setting;
DROP SCHEMA inputs CASCADE;
SELECT (SELECT count(*) FROM _cq.input) + (SELECT count(*) FROM _cq.node) +
    (SELECT count(*) FROM _cq.part) AS left_over;
