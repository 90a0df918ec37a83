-- Continuous views over continuous views by their names: each is its query over what they show, in
-- every snapshot.
SET client_min_messages = warning;
CREATE SCHEMA graph;
SET search_path = graph;
CREATE FOREIGN TABLE s (id int, k text, v int, ts timestamptz) SERVER cq_log;
CREATE FOREIGN TABLE u (id int, w int) SERVER cq_log;
CREATE TABLE names (k text, name text);
INSERT INTO names VALUES ('k1', 'one'), ('k2', 'two');

-- What is read: rows, groups with and without changes, panes, sessions, what stands above groups, joins.
CREATE CONTINUOUS VIEW r AS SELECT id, k, v FROM s WHERE v > 2;
CREATE CONTINUOUS VIEW g WITH (changes = 'g_changes') AS
    SELECT k, count(*) AS n, sum(v) AS sv, max(v) AS mv FROM s GROUP BY k;
CREATE CONTINUOUS VIEW h AS SELECT k, count(*) AS n, avg(v)::numeric(10, 3) AS av FROM s GROUP BY k;
CREATE CONTINUOUS VIEW p AS
    SELECT window_start, k, count(*) AS n FROM s, cq.hop(s.ts, '1 min', '3 min') GROUP BY 1, 2;
CREATE CONTINUOUS VIEW rk AS
    SELECT k, count(*) AS n, rank() OVER (ORDER BY count(*) DESC, k) AS place FROM s GROUP BY k;
CREATE CONTINUOUS VIEW li AS SELECT k, sum(v) AS sv FROM s GROUP BY k ORDER BY 2 DESC, 1 LIMIT 3;
CREATE CONTINUOUS VIEW j AS SELECT s.id, s.k, u.w FROM s JOIN u ON s.id = u.id;
CREATE CONTINUOUS VIEW tot AS SELECT count(*) AS n, sum(v) AS sv FROM s;
CREATE VIEW plain AS SELECT k, n FROM g WHERE n > 1;
INSERT INTO s SELECT i % 9, 'k' || i % 4, nullif(i % 7, 5), '2026-01-01 00:00Z'::timestamptz + i * interval '20 s'
    FROM generate_series(1, 20) i;
INSERT INTO u SELECT i, i % 4 FROM generate_series(1, 6) i;

CREATE TABLE shape (number serial, name text, query text);
INSERT INTO shape (name, query) VALUES
    ('flow', $$select k, n * 2 as n2 from g where n > 2$$),
    ('flowr', $$select id + 1 as id, upper(k) as k from r where v <> 4$$),
    ('flowt', $$select g.n, names.name from g join names using (k)$$),
    ('gg', $$select n, count(*), max(sv), string_agg(k, ',' order by k) from g group by n$$),
    ('gh', $$select n, count(*), sum(av) from h group by n$$),
    ('gp', $$select k, max(n), count(*) from p group by k$$),
    ('gr', $$select k, count(*), count(distinct v) as d, min(v) from r group by k$$),
    ('grk', $$select k, place from rk where place <= 2$$),
    ('gli', $$select sum(sv), count(*) from li$$),
    ('gj', $$select k, count(*), sum(w) from j group by k$$),
    ('gtot', $$select n, sv, n > 20 as large from tot$$),
    ('cnt', $$select count(*) from g$$),
    ('have', $$select n from g group by n having count(*) > 1$$),
    ('js', $$select s.id, g.n from s join g on s.k = g.k$$),
    ('ljs', $$select g.k, g.n, u.w from g left join u on u.id = g.n$$),
    ('jgh', $$select g.k, g.n, h.av from g join h on g.k = h.k and g.n = h.n$$),
    ('fjr', $$select coalesce(g.k, r.k) as k, g.sv, r.id from g full join r on g.k = r.k and g.mv = r.v$$),
    ('self', $$select x.k, y.k as k2 from g x join g y on x.n = y.n where x.k < y.k$$),
    ('semi', $$select k from g where exists (select from r where r.k = g.k and r.v > 5)$$),
    ('anti', $$select id, v from r where k not in (select k from g where n > 6)$$),
    ('sub', $$select id, (select max(n) from g) as m from r$$),
    ('top', $$select * from (select k, n, row_number() over (order by n desc, k) as rn from g) x where rn <= 2$$),
    ('topr', $$select distinct on (k) k, v, id from r order by k, v desc, id$$),
    ('lim', $$select k, n from g order by n desc, k limit 2$$),
    ('dis', $$select distinct n from g$$),
    ('uni', $$select k from g union select k from r$$),
    ('una', $$select k, n from g union all select k, v from s$$),
    ('exc', $$select k from h except select k from r where v > 4$$),
    ('pl', $$select n, count(*) from plain group by n$$),
    ('cte', $$with x as (select k, n from g where n > 2) select x.k, y.n from x join h y on x.k = y.k$$),
    ('row', $$select g as g, n from g$$),
    -- … to any depth, and several ways to the same.
    ('b2', $$select count, count(*) as c from gg group by count$$),
    ('dia', $$select g.k, g.n, gg.count from g join gg on g.n = gg.n$$),
    ('dia2', $$select dia.k, dia.count, gr.count as c from dia left join gr on gr.k = dia.k$$),
    ('dia3', $$select dia2.k, g.sv, js.id from dia2 join g on g.k = dia2.k left join js on js.n = g.n$$),
    ('top3', $$select k, n from dia3 join (select k as k, n from dia) d using (k) order by n desc, k, id limit 3$$);
SELECT format('CREATE CONTINUOUS VIEW %I AS %s', name, query) FROM shape ORDER BY number \gexec
-- Views that differ from their queries run as a batch, each in one snapshot.
CREATE FUNCTION wrong() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    s shape;
    n bigint;
BEGIN
    FOR s IN SELECT * FROM shape ORDER BY number LOOP
        EXECUTE format('SELECT count(*) FROM ((TABLE %1$I EXCEPT ALL (%2$s)) '
                       'UNION ALL ((%2$s) EXCEPT ALL TABLE %1$I)) x', s.name, s.query) INTO n;
        IF n > 0 THEN
            RETURN NEXT format('%s: %s rows', s.name, n);
        END IF;
    END LOOP;
END
$$;
CREATE FUNCTION wait() RETURNS bigint LANGUAGE sql AS
    $$SELECT count(cq.wait(view)) FROM cq.views WHERE status IN ('running', 'waiting')$$;

-- They begin with what is there; of streams, they read it from now on.
SELECT wrong FROM wrong() WHERE NOT EXISTS
    (SELECT FROM _cq.input WHERE view = split_part(wrong, ':', 1)::regclass);
SELECT wait() \g /dev/null
SELECT wrong();
SELECT * FROM gg ORDER BY n;
SELECT * FROM dia3 ORDER BY k, id LIMIT 3;
-- Those that read no stream themselves show where a batch of another one brings them at once.
INSERT INTO u SELECT i, i % 5 FROM generate_series(4, 12) i;
SELECT wait() \g /dev/null
SELECT wrong();
INSERT INTO s SELECT i % 5, 'k' || i % 6, i % 8, '2026-01-01 00:05Z'::timestamptz + i * interval '7 s'
    FROM generate_series(1, 30) i;
SELECT wait() \g /dev/null
SELECT wrong();
INSERT INTO s VALUES (NULL, NULL, NULL, NULL), (7, 'k9', 3, NULL), (7, 'k9', 3, NULL);
INSERT INTO u VALUES (NULL, 1), (3, NULL);
SELECT wait() \g /dev/null
SELECT wrong();
SELECT view, bad_rows, status, status_detail FROM cq.views
    WHERE bad_rows > 0 OR status <> 'running' OR status_detail IS NOT NULL;

-- One that stands still keeps those above it, and no other; they go on with nothing lost.
SELECT cq.pause('gg');
INSERT INTO s SELECT i, 'k' || i % 3, i % 4, NULL FROM generate_series(1, 15) i;
SELECT cq.wait(v) FROM unnest('{r,g,h,tot,gr,flow}'::regclass[]) v \g /dev/null
SELECT wrong();
SELECT view, status, status_detail FROM cq.views WHERE status <> 'running' OR status_detail IS NOT NULL
    ORDER BY view::text;
SELECT cq.wait('dia', '0 s');
SELECT cq.resume('gg');
SELECT wait() \g /dev/null
SELECT wrong();

-- One that is read may begin again, or be made anew.
SELECT cq.reset('g');
SELECT wrong();
SELECT wait() \g /dev/null
SELECT wrong();
SELECT cq.reset('gg');
SELECT cq.reset('js');
SELECT wait() \g /dev/null
SELECT wrong();
CREATE OR REPLACE CONTINUOUS VIEW h AS
    SELECT k, count(*) + 1 AS n, min(v)::numeric(10, 3) AS av, max(v) AS added FROM s GROUP BY k;
SELECT wrong();
SELECT wait() \g /dev/null
SELECT wrong();
CREATE OR REPLACE CONTINUOUS VIEW gg AS
    SELECT n, count(*), max(sv), string_agg(k, ';' ORDER BY k) FROM g WHERE n > 3 GROUP BY n;
UPDATE shape SET query = $$select n, count(*), max(sv), string_agg(k, ';' order by k) from g where n > 3 group by n$$
    WHERE name = 'gg';
SELECT wait() \g /dev/null
SELECT wrong();
-- As with any view that others read.
CREATE OR REPLACE CONTINUOUS VIEW g AS SELECT k, sum(v) AS n FROM s GROUP BY k;
CREATE OR REPLACE CONTINUOUS VIEW g AS
    SELECT k, count(*) AS n, sum(v) AS sv, max(v) AS mv FROM s WHERE cq.sliding(ts, '1 hour', '1 min') GROUP BY k;
CREATE OR REPLACE CONTINUOUS VIEW r AS SELECT s.id, k, d::int AS v FROM s JOIN gr USING (k);
\set VERBOSITY terse
DROP VIEW g;
DROP VIEW gg;
\set VERBOSITY default
ALTER VIEW g RENAME TO g_renamed;
ALTER VIEW g_renamed RENAME COLUMN mv TO most;
INSERT INTO s VALUES (1, 'k1', 7);
SELECT cq.wait('gg');
SELECT view, named FROM _cq.reads WHERE view = 'gg'::regclass;
ALTER VIEW g_renamed RENAME COLUMN most TO mv;
ALTER VIEW g_renamed RENAME TO g;
SELECT wait() \g /dev/null
SELECT wrong();

-- What cannot be read so.
CREATE CONTINUOUS VIEW sl AS SELECT k, count(*) FROM s WHERE cq.sliding(ts, '1 hour', '1 min') GROUP BY k;
CREATE CONTINUOUS VIEW no AS SELECT k FROM sl;
CREATE CONTINUOUS VIEW no WITH (emit = 'close') AS SELECT count(*), n FROM g GROUP BY n;
CREATE CONTINUOUS VIEW no WITH (retention = '1 day') AS SELECT count(*), n FROM g GROUP BY n;
CREATE CONTINUOUS VIEW no AS
    WITH RECURSIVE x AS (SELECT n FROM g UNION SELECT n + 1 FROM x WHERE n < 3) SELECT * FROM x;

-- Windows that close, are amended or expire, rows and groups that go: those above follow at once.
CREATE FOREIGN TABLE e (k text, v int, ts timestamptz) SERVER cq_log OPTIONS (event_time 'ts', watermark '10 s');
CREATE CONTINUOUS VIEW cl WITH (emit = 'close') AS
    SELECT window_start, k, count(*) AS n FROM e, cq.tumble(e.ts, '1 min') GROUP BY 1, 2;
CREATE CONTINUOUS VIEW clh WITH (emit = 'close') AS
    SELECT window_start, count(*) AS n FROM e, cq.hop(e.ts, '1 min', '2 min') GROUP BY 1;
CREATE CONTINUOUS VIEW cls WITH (emit = 'close') AS
    SELECT k, count(*) AS n, max(ts) AS ts
    FROM (SELECT k, ts, cq.session(ts, '40 s') OVER (PARTITION BY k ORDER BY ts) AS s FROM e) x GROUP BY k, s;
CREATE CONTINUOUS VIEW am WITH (emit = 'close', late = 'amend') AS
    SELECT window_start, k, count(*) AS n FROM e, cq.tumble(e.ts, '1 min') GROUP BY 1, 2;
CREATE CONTINUOUS VIEW xw WITH (retention = '2 min') AS
    SELECT window_start, k, count(*) AS n FROM e, cq.tumble(e.ts, '1 min') GROUP BY 1, 2;
CREATE CONTINUOUS VIEW xt WITH (retention = '2 min', changes = 'xt_changes') AS
    SELECT window_start, window_end, sum(v) AS n FROM e, cq.hop(e.ts, '1 min', '2 min') GROUP BY 1, 2;
CREATE CONTINUOUS VIEW xr WITH (retention = '2 min', retention_by = 'event_time') AS SELECT k, v AS n, ts FROM e;
CREATE CONTINUOUS VIEW xc WITH (emit = 'close', retention = '2 min') AS
    SELECT window_start, k, count(*) AS n FROM e, cq.tumble(e.ts, '1 min') GROUP BY 1, 2;
CREATE CONTINUOUS VIEW clj WITH (emit = 'close') AS
    SELECT window_start, window_end, k, count(DISTINCT v) AS n FROM e, cq.tumble(e.ts, '1 min') GROUP BY 1, 2, 3;
CREATE CONTINUOUS VIEW xj WITH (retention = '2 min') AS
    SELECT window_start, window_end, k, count(DISTINCT v) AS n FROM e, cq.tumble(e.ts, '1 min') GROUP BY 1, 2, 3;
CREATE TABLE closing (name text);
INSERT INTO closing VALUES ('clj'), ('xj'), ('cl'), ('clh'), ('cls'), ('am'), ('xw'), ('xt'), ('xr'), ('xc');
WITH made AS (INSERT INTO shape (name, query)
    SELECT 'o' || name, format('select n, count(*) as c from %s group by n', name) FROM closing RETURNING *)
SELECT format('CREATE CONTINUOUS VIEW %I AS %s', name, query) FROM made ORDER BY number \gexec
WITH made AS (INSERT INTO shape (name, query)
    SELECT 'd' || name, format('select x.n, o.c from %s x join o%s o on o.n = x.n', name, name) FROM closing RETURNING *)
SELECT format('CREATE CONTINUOUS VIEW %I AS %s', name, query) FROM made ORDER BY number \gexec
INSERT INTO e SELECT 'k' || i % 3, i % 5, '2026-01-01 00:00Z'::timestamptz + i * interval '9 s' FROM generate_series(1, 40) i;
SELECT wait() \g /dev/null
SELECT wrong();
SELECT count(*) > 0 AS closed FROM cl;
INSERT INTO e SELECT 'k' || i % 3, i % 5, '2026-01-01 00:03Z'::timestamptz + i * interval '9 s' FROM generate_series(1, 40) i;
SELECT wait() \g /dev/null
SELECT wrong();
INSERT INTO e SELECT 'k' || i % 4, i, '2026-01-01 00:09Z'::timestamptz + i * interval '1 s' FROM generate_series(1, 20) i;
SELECT wait() \g /dev/null
SELECT wrong();
DO $$
BEGIN
    FOR i IN 1 .. 3000 LOOP
        PERFORM _cq.expire_rows();
        COMMIT;
        PERFORM * FROM wrong();
        IF FOUND THEN
            RAISE WARNING '%', (SELECT string_agg(w, ', ') FROM wrong() w);
        END IF;
        EXIT WHEN (SELECT min(ts) FROM xr) > '2026-01-01 00:06Z' AND
            (SELECT min(window_start) FROM xc) > '2026-01-01 00:05Z';
        PERFORM pg_sleep(0.02);
    END LOOP;
END
$$;
SELECT wrong();
ALTER VIEW xw SET (retention = '1 min');
ALTER VIEW r SET (retention = '10 years');
INSERT INTO e VALUES ('k1', 1, '2026-01-01 00:11Z');
SELECT wait() \g /dev/null
SELECT wrong();
SELECT view, status, status_detail FROM cq.views WHERE status <> 'running' OR status_detail IS NOT NULL;
TABLE dcl ORDER BY n, c LIMIT 3;

-- The owner of a view needs the right to read what it reads.
CREATE ROLE graph_reader;
GRANT USAGE, CREATE ON SCHEMA graph TO graph_reader;
SET ROLE graph_reader;
CREATE CONTINUOUS VIEW mine AS SELECT k, n FROM g;
RESET ROLE;
GRANT SELECT (k, n) ON g TO graph_reader;
SET ROLE graph_reader;
CREATE CONTINUOUS VIEW mine AS SELECT k, sv FROM g;
CREATE CONTINUOUS VIEW mine AS SELECT k, n FROM g;
SELECT cq.wait('mine');
RESET ROLE;
INSERT INTO shape (name, query) VALUES ('mine', 'select k, n from g');
SELECT wrong();
REVOKE SELECT (n) ON g FROM graph_reader;
INSERT INTO s VALUES (1, 'k1', 7);
SELECT cq.wait('g');
SELECT status, status_detail FROM cq.views WHERE view = 'mine'::regclass;
GRANT SELECT (n) ON g TO graph_reader;
SELECT cq.resume('mine');
SELECT wait() \g /dev/null
SELECT wrong();

-- An error in a view stops it, and all above it wait.
CREATE CONTINUOUS VIEW inv AS SELECT k, 100 / (n - 100) AS q FROM g;
CREATE CONTINUOUS VIEW inv2 AS SELECT inv.q, g.n FROM inv JOIN g USING (k);
INSERT INTO shape (name, query) VALUES ('inv2', 'select inv.q, g.n from inv join g using (k)');
SELECT wait() \g /dev/null
SELECT wrong();
INSERT INTO s SELECT 1, 'k50', 1 FROM generate_series(1, 100);
SELECT cq.wait('g');
SELECT view, status, status_detail FROM cq.views WHERE view IN ('inv'::regclass, 'inv2')
    ORDER BY view::text;
INSERT INTO s VALUES (1, 'k50', 1);
SELECT cq.wait('g');
SELECT cq.resume('inv');
SELECT wait() \g /dev/null
SELECT wrong();

-- What tells rows apart is told by what is read; and what it costs where it is not known what changes.
CREATE TABLE copied (k text, n bigint, total bigint);
CREATE CONTINUOUS VIEW keyed WITH (sink = 'copied') AS SELECT g.k, g.n, t.n AS total FROM g CROSS JOIN tot t;
SET client_min_messages = notice;
CREATE CONTINUOUS VIEW told AS SELECT g.k, h.n FROM g JOIN h USING (k) JOIN r USING (k);
SET client_min_messages = warning;
INSERT INTO s VALUES (3, 'k3', 3), (4, 'k60', 4);
SELECT wait() \g /dev/null
SELECT count(*) FROM (TABLE copied EXCEPT ALL TABLE keyed) x;
SELECT count(*) FROM (TABLE keyed EXCEPT ALL TABLE copied) x;

-- What is read goes with those that read it, and nothing of them stays.
DROP VIEW g CASCADE;
SELECT name FROM shape WHERE to_regclass(name) IS NOT NULL ORDER BY number;
DROP SCHEMA graph CASCADE;
DROP ROLE graph_reader;
SELECT count(*) FROM _cq.reads;
SELECT count(*) FROM _cq.version;
SELECT count(*) FROM _cq.part;
