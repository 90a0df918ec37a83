-- What flows from where to where, and the statements that make it anew.
CREATE SCHEMA lineage;
SET search_path = lineage;
SET client_min_messages = warning;
CREATE SERVER away FOREIGN DATA WRAPPER cq_kafka OPTIONS (bootstrap_servers '127.0.0.1:1');
CREATE USER MAPPING FOR CURRENT_USER SERVER away OPTIONS ("sasl.password" 'Rumpelstiltskin');
CREATE FOREIGN TABLE s (k int NOT NULL, "A b" text COLLATE "C", at timestamptz DEFAULT now(),
    twice int GENERATED ALWAYS AS (k * 2) STORED, CHECK (k > 0)) SERVER cq_log OPTIONS (event_time 'at');
CREATE FOREIGN TABLE "from" (k int OPTIONS (path 'a."K k"')) SERVER away OPTIONS (topic 'a, b', format 'json');
CREATE FOREIGN TABLE "out" (k int, n bigint) SERVER away OPTIONS (topic 'out', mode 'upsert');
CREATE TABLE dim (k int, name text);
CREATE TABLE copied (k int PRIMARY KEY, n bigint);
CREATE CONTINUOUS VIEW totals WITH (sink = 'copied', changes = 'told', notify = 'a channel', on_error = pause) AS
    SELECT k, count(*) AS n FROM s GROUP BY k;
CREATE VIEW sent (k, n) WITH (continuous, sink = 'out') AS SELECT k, count(*) FROM "from" GROUP BY k;
CREATE CONTINUOUS VIEW joined AS SELECT s.k, "A b" AS "It's", dim.name FROM s JOIN dim USING (k);
CREATE CONTINUOUS VIEW followed WITH (tables = 'maintained') AS
    SELECT s.k, dim.name FROM s RIGHT JOIN dim USING (k);
CREATE CONTINUOUS VIEW closed WITH (emit = 'close', late = 'keep', retention = '1 day', allowed_lateness = '1 min',
    watermark = '3 s', start = 'latest') AS
    SELECT window_end, count(*) AS n FROM s, cq.tumble(at, '1 min') GROUP BY window_end;
CREATE CONTINUOUS VIEW above AS SELECT n, count(*) AS many FROM totals GROUP BY n;
SELECT from_kind, "from", to_kind, "to", kind, columns FROM cq.lineage
    WHERE concat("from", "to") !~ '[.]' ORDER BY "from" COLLATE "C", "to" COLLATE "C", kind;
SELECT line FROM regexp_split_to_table(cq.lineage_dot(), '\n') WITH ORDINALITY l (line, n)
    WHERE line !~ '[.]|"(topic|channel) (?!a"|b"|out"|a channel")' ORDER BY n;
SELECT cq.show_create('s');
SELECT cq.show_create('"from"');
SELECT cq.show_create('dim');

-- Destinations of requests, and what they answer.
CREATE SERVER web FOREIGN DATA WRAPPER cq_http OPTIONS (url 'http://127.0.0.1:1');
CREATE FOREIGN TABLE said (status int, body jsonb) SERVER cq_log;
CREATE FOREIGN TABLE hook (k int) SERVER web OPTIONS (responses 'said');
CREATE CONTINUOUS VIEW posted WITH (sink = 'hook') AS SELECT k FROM s;
SELECT from_kind, "from", to_kind, "to", kind FROM cq.lineage
    WHERE 'hook' IN ("from", "to") ORDER BY "from" COLLATE "C";
SELECT line FROM regexp_split_to_table(cq.lineage_dot(), '\n') WITH ORDINALITY l (line, n)
    WHERE line ~ '"destination hook"' ORDER BY n;
DROP VIEW posted;
DROP FOREIGN TABLE hook, said;
DROP SERVER web;

-- Dropped and made anew, all is as it was.
CREATE TABLE made AS SELECT view::text, cq.show_create(view) AS statement FROM cq.views WHERE view::text !~ '[.]';
CREATE TABLE streams AS SELECT cq.show_create(s::regclass) AS statement FROM unnest('{s,"from","out"}'::text[]) s;
CREATE FUNCTION catalog() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws('|', v.view, v.on_error, v.start, v.retention, v.settings, v.emit, v.watermark, v.allowed_lateness, v.late,
                     v.sink, v.notify, v.steps_kept, v.expires, v.retention_by)
        FROM _cq.view v WHERE v.view::text !~ '[.]'
    UNION ALL SELECT concat_ws('|', p.view, p.node, p.role, p.number) FROM _cq.part p WHERE p.view::text !~ '[.]'
    UNION ALL SELECT concat_ws('|', n.view, n.number, n.kind, n.rule) FROM _cq.node n WHERE n.view::text !~ '[.]'
    UNION ALL SELECT concat_ws('|', i.view, i.stream, i.number) FROM _cq.input i WHERE i.view::text !~ '[.]'
    UNION ALL SELECT concat_ws('|', r.relname, a.attname, a.atttypid::regtype, a.attnotnull, a.attfdwoptions, a.attcollation)
        FROM pg_attribute a JOIN pg_class r ON r.oid = a.attrelid
        WHERE r.relnamespace = 'lineage'::regnamespace AND r.relkind IN ('v', 'f') AND a.attnum > 0
    UNION ALL SELECT concat_ws('|', ftrelid::regclass, ftoptions) FROM pg_foreign_table
$$;
CREATE TABLE before AS SELECT catalog() AS line;
DROP VIEW above, closed, followed, joined, sent, totals;
DROP FOREIGN TABLE s, "from", "out";
DO $$
DECLARE
    statement text;
BEGIN
    FOR statement IN SELECT m.statement FROM streams m LOOP
        EXECUTE statement;
    END LOOP;
    FOR statement IN SELECT m.statement FROM made m ORDER BY m.view = 'above' LOOP
        EXECUTE statement;
    END LOOP;
END
$$;
CREATE TABLE after AS SELECT catalog() AS line;
SELECT count(*) > 20 AS is_something FROM before;
(TABLE before EXCEPT ALL TABLE after) UNION ALL (TABLE after EXCEPT ALL TABLE before);
SELECT m.view FROM made m WHERE m.statement IS DISTINCT FROM cq.show_create(m.view::regclass);
-- No password of anybody's.
SELECT count(*) FROM (SELECT statement FROM made UNION ALL SELECT statement FROM streams UNION ALL SELECT cq.lineage_dot()) x
    WHERE statement ~ 'Rumpelstiltskin';

-- Only for who may read it.
CREATE ROLE stranger;
GRANT USAGE ON SCHEMA lineage TO stranger;
SET ROLE stranger;
SELECT count(*) FROM cq.lineage;
SELECT cq.show_create('totals');
SELECT cq.show_create('s');
RESET ROLE;
DROP SCHEMA lineage CASCADE;
DROP SERVER away CASCADE;
DROP ROLE stranger;
