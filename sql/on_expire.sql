-- on_expire: what sinks, streams of changes and channels are told of rows that go by retention.
SET client_min_messages = warning;
CREATE SCHEMA on_expire;
SET search_path = on_expire;
CREATE FOREIGN TABLE s (id int, k text, v int, t timestamptz) SERVER cq_log
    OPTIONS (event_time 't', watermark '10 s');
CREATE FUNCTION at(seconds int) RETURNS timestamptz LANGUAGE sql AS
    $$SELECT '2026-01-01 00:00Z'::timestamptz + seconds * interval '1 s'$$;
-- is_old: of a row of the view, where everything before a time is.
CREATE TABLE shape (name text, options text, is_old text, query text);
INSERT INTO shape VALUES
    ('groups', $$retention = '2 min', retention_by = 'event_time'$$,
        $$(select max(t) from s where s.k is not distinct from x.k) < since$$,
        $$select k, count(*) as n, max(v) as v from s group by k having max(v) <> 7$$),
    ('windows', $$retention = '2 min'$$, 'w < since',
        $$select window_end as w, k, count(*) as n from s, cq.tumble(t, '1 min') group by 1, 2$$),
    ('hops', $$retention = '2 min'$$, $$w < since - interval '1 min'$$,
        $$select window_start as w, sum(v) as n from s, cq.hop(t, '30 s', '1 min') group by 1$$),
    ('stored', $$retention = '2 min'$$, 'w < since',
        $$select window_end as w, count(distinct k) as n, string_agg(k, ',' order by k, v) as ks
          from s, cq.tumble(t, '1 min') group by 1$$),
    ('rows', $$retention = '2 min', retention_by = 'event_time'$$, 't < since',
        $$select id, k, t from s where v < 500$$),
    ('made', $$retention = '2 min', retention_by = 'event_time'$$, 't < since',
        $$select a.id, b.id as other, a.t from s a join s b
          on a.k = b.k and b.t between a.t and a.t + interval '5 s'$$),
    ('sessions', $$retention = '2 min', retention_by = 'event_time'$$,
        $$upper(x.x) < since + interval '20 s'$$,
        $$select k, x, count(*) as n from (select k, t, cq.session(t, '20 s')
          over (partition by k order by t) as x from s) q group by k, x$$),
    ('closed', $$retention = '2 min', emit = 'close'$$, 'w < since',
        $$select window_end as w, k, count(*) as n from s, cq.tumble(t, '1 min') group by 1, 2$$),
    ('amended', $$retention = '2 min', emit = 'close', late = 'amend'$$, 'w < since',
        $$select window_end as w, k, count(*) as n from s, cq.tumble(t, '1 min') group by 1, 2$$),
    ('passed', $$retention = '2 min', emit = 'close'$$, 't < since',
        $$select a.id, a.t, b.id as other from s a left join s b
          on a.id = b.id - 1 and b.t between a.t and a.t + interval '5 s'$$);
-- Each with a table and a stream of its changes; once with all that it may be told, once not.
CREATE PROCEDURE make(suffix text, told text) LANGUAGE plpgsql AS $$
DECLARE
    s shape;
BEGIN
    FOR s IN TABLE shape LOOP
        EXECUTE format('CREATE TABLE %I AS %s WITH NO DATA', s.name || suffix || '_t', s.query);
        EXECUTE format('CREATE VIEW %I WITH (continuous, sink = %L, changes = %L, %s%s) AS %s',
                       s.name || suffix, s.name || suffix || '_t', s.name || suffix || '_c',
                       s.options, told, s.query);
    END LOOP;
END
$$;
CALL make('', $$, on_expire = 'delete'$$);
CALL make('_not', '');
CREATE CONTINUOUS VIEW above AS SELECT count(*) AS n, sum(n) AS sum FROM windows;
SELECT cq.show_create('groups') ~ 'on_expire = ''delete''' AS deletes,
       cq.show_create('groups_not') !~ 'on_expire = ' AS forgets;
SELECT view, options FROM cq.views WHERE view IN ('groups'::regclass, 'groups_not') ORDER BY 1;

-- What differs between two queries, both ways.
CREATE FUNCTION differing(one text, other text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM ((%1$s EXCEPT ALL %2$s) UNION ALL '
                   '(%2$s EXCEPT ALL %1$s)) x', one, other) INTO n;
    RETURN n;
END
$$;
-- The rows that the changes leave.
CREATE FUNCTION left_by_changes(view text) RETURNS text LANGUAGE sql AS
    $$SELECT format('(SELECT (x.new).* FROM %1$I x WHERE new IS DISTINCT FROM NULL '
                    'EXCEPT ALL SELECT (x.old).* FROM %1$I x WHERE old IS DISTINCT FROM NULL)',
                    view || '_c')$$;
CREATE FUNCTION wrong() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    s shape;
BEGIN
    FOR s IN TABLE shape LOOP
        IF differing('TABLE ' || s.name, 'TABLE ' || s.name || '_t') > 0 THEN
            RETURN NEXT s.name || ': table';
        END IF;
        IF differing('TABLE ' || s.name, left_by_changes(s.name)) > 0 THEN
            RETURN NEXT s.name || ': changes';
        END IF;
        IF differing('TABLE ' || s.name, 'TABLE ' || s.name || '_not') > 0 THEN
            RETURN NEXT s.name || '_not: view';
        END IF;
    END LOOP;
END
$$;
CREATE FUNCTION is_due() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    s shape;
    view text;
    is_due boolean := false;
BEGIN
    FOR s IN TABLE shape LOOP
        FOREACH view IN ARRAY ARRAY[s.name, s.name || '_not'] LOOP
            EXECUTE format('SELECT $1 OR EXISTS (SELECT FROM %I x, '
                           '(SELECT cq.watermark(%L) - interval ''2 min'') AS w (since) WHERE %s)',
                           view, view, s.is_old) INTO is_due USING is_due;
        END LOOP;
    END LOOP;
    RETURN is_due OR EXISTS (SELECT FROM _cq.closing c
                             WHERE c.closed_through IS DISTINCT FROM c.emitted_through);
END
$$;
-- Until all has gone that is to go: the keeper may be at a view just now.
CREATE PROCEDURE settle() LANGUAGE plpgsql AS $$
BEGIN
    PERFORM cq.wait(view) FROM cq.views WHERE view::text !~ '[.]';
    COMMIT;
    FOR i IN 1 .. 3000 LOOP
        PERFORM _cq.expire_rows();
        COMMIT;
        EXIT WHEN NOT is_due();
        COMMIT;
        PERFORM pg_sleep(0.02);
    END LOOP;
    PERFORM cq.wait('above');
END
$$;
CREATE FUNCTION counts() RETURNS TABLE (name text, shown bigint, sunk bigint, ever bigint)
    LANGUAGE plpgsql AS $$
BEGIN
    FOR name IN SELECT s.name FROM shape s ORDER BY 1 LOOP
        EXECUTE format('SELECT (SELECT count(*) FROM %1$I), (SELECT count(*) FROM %2$I), '
                       '(SELECT count(*) FROM %3$I)', name, name || '_t', name || '_not_t')
            INTO shown, sunk, ever;
        RETURN NEXT;
    END LOOP;
END
$$;
INSERT INTO s SELECT i, chr(97 + i % 3), i, at(i * 10 + 3) FROM generate_series(0, 11) i;
CALL settle();
SELECT * FROM wrong();
SELECT * FROM counts();
-- Most of it is too old now; what comes for it anew is told as new.
INSERT INTO s SELECT i, chr(98 + i % 3), i, at(i * 10 + 3) FROM generate_series(20, 31) i;
CALL settle();
INSERT INTO s VALUES (50, 'd', 50, at(296)), (51, 'a', 7, at(301)), (52, NULL, 1, at(302));
CALL settle();
SELECT * FROM wrong();
SELECT * FROM counts();
SELECT n = (SELECT count(*) FROM windows) AS follows FROM above;
INSERT INTO s SELECT i, chr(97 + i % 2), i, at(i * 10 + 3) FROM generate_series(60, 63) i;
CALL settle();
SELECT * FROM wrong();
SELECT * FROM counts();
-- A row that has gone, as it is told.
SELECT (old).k, (old).n, new IS NULL AS gone FROM groups_c WHERE new IS NULL ORDER BY 1, 2;

-- Rows of a stream by key.
CREATE FOREIGN TABLE newest (k text OPTIONS (metadata 'key'), n bigint) SERVER cq_log
    OPTIONS (mode 'upsert');
CREATE CONTINUOUS VIEW by_key WITH (retention = '1 us', sink = 'newest', on_expire = 'delete') AS
    SELECT k, count(*) AS n FROM s GROUP BY k;
SELECT cq.wait('by_key');
CREATE PROCEDURE empty_by_key() LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 3000 LOOP
        PERFORM _cq.expire_rows();
        COMMIT;
        EXIT WHEN NOT EXISTS (SELECT FROM by_key);
        PERFORM pg_sleep(0.02);
    END LOOP;
END
$$;
CALL empty_by_key();
SELECT count(*) AS shown, (SELECT count(*) FROM newest) AS sunk FROM by_key;
-- The statement that makes it is one that can be run, also without retention.
ALTER CONTINUOUS VIEW by_key RESET (retention);
SELECT cq.show_create('by_key') ~ 'retention_by = ''change'',\s+on_expire = ''delete'''
    AS can_be_run;
DROP VIEW by_key;
-- Of the options only what means something.
\set VERBOSITY default
CREATE CONTINUOUS VIEW x WITH (on_expire = 'delete') AS SELECT k, count(*) FROM s GROUP BY k;
CREATE CONTINUOUS VIEW x WITH (retention = '1 day', on_expire = 'delete') AS
    SELECT k, count(*) FROM s GROUP BY k;
CREATE CONTINUOUS VIEW x WITH (retention = '1 day', on_expire = 'tell') AS SELECT k FROM s;
CREATE FOREIGN TABLE added (k text) SERVER cq_log;
CREATE CONTINUOUS VIEW x WITH (retention = '1 day', sink = 'added', on_expire = 'delete') AS
    SELECT k FROM s;
CREATE SERVER on_expire_kafka FOREIGN DATA WRAPPER cq_kafka
    OPTIONS (bootstrap_servers '127.0.0.1:1');
CREATE FOREIGN TABLE sent (k text) SERVER on_expire_kafka OPTIONS (topic 't');
CREATE CONTINUOUS VIEW x WITH (retention = '1 day', sink = 'sent', on_expire = 'delete') AS
    SELECT k FROM s;
CREATE FOREIGN TABLE sent_keys (k text, n bigint) SERVER on_expire_kafka
    OPTIONS (topic 't', mode 'upsert');
CREATE CONTINUOUS VIEW x WITH (retention = '1 us', sink = 'sent_keys', on_expire = 'delete') AS
    SELECT k, count(*) AS n FROM s WHERE k IS NOT NULL GROUP BY k;
SELECT cq.wait('x');
DO $$
BEGIN
    FOR i IN 1 .. 3000 LOOP
        PERFORM _cq.expire_rows();
        EXIT WHEN NOT EXISTS (SELECT FROM x);
        COMMIT;
        PERFORM pg_sleep(0.02);
    END LOOP;
END
$$;
SELECT format('SELECT convert_from(key, ''UTF8'') AS key, count(*), '
              'count(*) FILTER (WHERE value IS NULL) AS tombstones FROM %s GROUP BY 1 ORDER BY 1',
              relation) FROM _cq.part WHERE view = 'x'::regclass AND role = 'outbox' \gexec
ALTER CONTINUOUS VIEW x SET (on_expire = 'forget');
DROP SCHEMA on_expire CASCADE;
DROP SERVER on_expire_kafka;
