\echo Use "ALTER EXTENSION pg_cq UPDATE" to load this file. \quit

-- A server that has been running since before the package was installed has the library of 0.1.0,
-- which must not meet this catalog.
DO $do$
BEGIN
    CREATE FUNCTION _cq.require_library(version text) RETURNS void
        LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
        AS 'MODULE_PATHNAME', 'cq_version_require_library';
EXCEPTION WHEN undefined_function THEN
    RAISE EXCEPTION 'the server has the library of an older version of pg_cq loaded'
        USING ERRCODE = 'object_not_in_prerequisite_state',
              HINT = 'Restart the server, then run ALTER EXTENSION pg_cq UPDATE again.';
END
$do$;
COMMENT ON FUNCTION _cq.require_library(text) IS
    'raises an error where the library that the server has loaded is of an older version';
REVOKE ALL ON FUNCTION _cq.require_library(text) FROM PUBLIC;
SELECT _cq.require_library('0.2.0');

-- ---- what each change adds goes here ----

-- Watermarks that do not go back; what holds up a partition.
ALTER TABLE _cq.closing ADD COLUMN watermark timestamptz;

-- Any number of streams, and of parts.
-- The streams that feed a view.
CREATE TABLE _cq.input (
    view            regclass NOT NULL,
    stream          regclass NOT NULL,
    number          integer NOT NULL,               -- from 1, as the query names them first
    is_started      boolean NOT NULL DEFAULT false, -- its first positions are settled;
        -- partitions seen later begin at their beginning
    PRIMARY KEY (view, stream)
);
CREATE INDEX input_stream ON _cq.input (stream);
COMMENT ON TABLE _cq.input IS 'streams that feed continuous views';

-- Continuous views that others read by their names. Where the version that one has seen is the
-- version of the other, the two are level: of one moment.
CREATE TABLE _cq.reads (
    view            regclass NOT NULL,
    named           regclass NOT NULL,
    seen            bigint,                         -- null: nothing yet
    PRIMARY KEY (view, named)
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
CREATE INDEX reads_named ON _cq.reads (named);
COMMENT ON TABLE _cq.reads IS 'continuous views that others read by their names';

CREATE TABLE _cq.version (
    view            regclass PRIMARY KEY,
    version         bigint NOT NULL                 -- one more with each change of its rows
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
COMMENT ON TABLE _cq.version IS 'versions of continuous views that others read by their names';

-- Tables whose changes count for some view: triggers write them to a stream, which nobody else
-- reads. Its columns are a weight, 1 or -1, and values of the table's columns, named c and their
-- number. Where the weight is 0 anything may have changed. The version of such a table, in
-- _cq.version, is the offset up to which its readers have been told.
CREATE TABLE _cq.maintained (
    relation        regclass PRIMARY KEY,
    stream          regclass NOT NULL UNIQUE
);
COMMENT ON TABLE _cq.maintained IS 'tables whose changes continuous views follow';

-- Tables whose changes count.
CREATE FUNCTION _cq.table_changed() RETURNS trigger
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_table_changed';
COMMENT ON FUNCTION _cq.table_changed() IS
    'writes the changes of a table to the stream from which continuous views learn of them';
REVOKE ALL ON FUNCTION _cq.table_changed() FROM PUBLIC;

-- What a view is made of: node 0 is its root, which people read, others are below it.
CREATE TABLE _cq.node (
    view            regclass NOT NULL,
    number          integer NOT NULL,
    kind            text NOT NULL,                  -- root, keep
    rule            text,                           -- how its changes follow from its inputs'
    fingerprint     text,                           -- where it is equal, so is what is kept; null:
        -- made by 0.1.0
    PRIMARY KEY (view, number)
);
COMMENT ON TABLE _cq.node IS 'nodes that continuous views are made of';

-- The relations in which nodes keep what they have. Those of the root:
--     definition: a view, the query as written, over the streams;
--     state: keys and partial states, or kept rows;
--     result: rows of closed windows, where emit = 'close';
--     outbox: what is still to be sent, where the sink is a topic;
--     changes: a stream of old row and new row.
-- Those of others: input, the rows that they read, and output, the rows that they make of them.
CREATE TABLE _cq.part (
    relation        regclass PRIMARY KEY,
    view            regclass NOT NULL,
    node            integer NOT NULL,
    role            text COLLATE "C" NOT NULL,
    number          integer NOT NULL,               -- of several with that role, from 1
    UNIQUE (view, node, role, number)
);
COMMENT ON TABLE _cq.part IS 'relations that continuous views are made of';

-- What is a row of its own was a column of _cq.view in 0.1.0.
CREATE FUNCTION _cq.view_take_columns() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    INSERT INTO _cq.input (view, stream, number, is_started)
    VALUES (NEW.view, NEW.stream, 1, coalesce(NEW.is_started, false))
    ON CONFLICT DO NOTHING;
    INSERT INTO _cq.part (relation, view, node, role, number)
    SELECT p.relation, NEW.view, 0, p.role, 1
    FROM (VALUES (NEW.definition, 'definition'), (NEW.state, 'state'), (NEW.result, 'result'),
                 (NEW.outbox, 'outbox'), (NEW.changes, 'changes')) p (relation, role)
    WHERE p.relation IS NOT NULL
    ON CONFLICT DO NOTHING;
    INSERT INTO _cq.node (view, number, kind) VALUES (NEW.view, 0, 'root')
    ON CONFLICT DO NOTHING;
    NEW.stream := NULL;
    NEW.is_started := NULL;
    NEW.definition := NULL;
    NEW.state := NULL;
    NEW.result := NULL;
    NEW.outbox := NULL;
    NEW.changes := NULL;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION _cq.view_take_columns() IS
    'makes rows of their own of what a dump of 0.1.0 has as columns';
REVOKE ALL ON FUNCTION _cq.view_take_columns() FROM PUBLIC;
CREATE TRIGGER take_columns BEFORE INSERT OR UPDATE ON _cq.view
    FOR EACH ROW WHEN (NEW.stream IS NOT NULL) EXECUTE FUNCTION _cq.view_take_columns();
ALTER TABLE _cq.view ENABLE ALWAYS TRIGGER take_columns;
COMMENT ON TRIGGER take_columns ON _cq.view IS
    'makes rows of their own of what a dump of 0.1.0 has as columns';

ALTER TABLE _cq.view ALTER COLUMN definition DROP NOT NULL, ALTER COLUMN state DROP NOT NULL,
    ALTER COLUMN stream DROP NOT NULL, ALTER COLUMN is_started DROP NOT NULL,
    ALTER COLUMN is_started DROP DEFAULT;
UPDATE _cq.view SET stream = stream;

ALTER TABLE _cq.follow ADD COLUMN stream regclass;
UPDATE _cq.follow f
    SET stream = coalesce((SELECT stream FROM _cq.cursor c WHERE c.cursor_id = f.cursor_id), '-');
ALTER TABLE _cq.follow ALTER COLUMN stream SET DEFAULT '-', ALTER COLUMN stream SET NOT NULL,
    DROP CONSTRAINT follow_pkey, ADD PRIMARY KEY (view, stream, topic, partition);

DO $do$
DECLARE
    relation regclass;
BEGIN
    -- One at a time: each call changes the extension's own row.
    FOREACH relation IN ARRAY ARRAY['_cq.input', '_cq.reads', '_cq.version',
                                    '_cq.maintained', '_cq.node', '_cq.part']::regclass[] LOOP
        PERFORM pg_catalog.pg_extension_config_dump(relation, '');
    END LOOP;
END
$do$;

COMMENT ON FUNCTION cq.wait(regclass, interval) IS
    'waits until a continuous view has seen all that is in its streams at the call, and its '
    'windows are closed as far as the watermark allows; false where the timeout was over first';
COMMENT ON FUNCTION cq.watermark(regclass) IS
    'the time below which a continuous view expects no more rows; null where a stream of it has no '
    'event times, or not all partitions have brought one';

CREATE FUNCTION _cq.advance_watermarks() RETURNS bigint
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cq_watermark_advance';
COMMENT ON FUNCTION _cq.advance_watermarks() IS 'has watermarks go on where partitions are idle';
REVOKE ALL ON FUNCTION _cq.advance_watermarks() FROM PUBLIC;

CREATE FUNCTION _cq.readings(
        OUT cursor_id bigint, OUT silence interval, OUT held_up text, OUT next_offset bigint)
    RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'cq_reading_list';
COMMENT ON FUNCTION _cq.readings() IS
    'cursors that are read now: for how long nothing has come, and what holds them up';
REVOKE ALL ON FUNCTION _cq.readings() FROM PUBLIC;

CREATE FUNCTION _cq.held_up(OUT relation oid, OUT held_up text) RETURNS SETOF record
    LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 10
    AS 'MODULE_PATHNAME', 'cq_stream_status_held_up';
COMMENT ON FUNCTION _cq.held_up() IS
    'what keeps streams, and those of continuous views, from being read to their end for now';

CREATE FUNCTION _cq.worker_troubles(OUT worker integer, OUT trouble text) RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 1
    AS 'MODULE_PATHNAME', 'cq_worker_troubles';
COMMENT ON FUNCTION _cq.worker_troubles() IS 'workers of this database that read nothing now, and why';
REVOKE ALL ON FUNCTION _cq.worker_troubles() FROM PUBLIC;

CREATE FUNCTION _cq.unheard(OUT relation oid, OUT trouble text) RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 1
    AS 'MODULE_PATHNAME', 'cq_stream_status_unheard';
COMMENT ON FUNCTION _cq.unheard() IS
    'streams and continuous views of which a worker that is in trouble tells nothing';

CREATE FUNCTION _cq.locked_views(OUT view oid, OUT holder text) RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 1
    AS 'MODULE_PATHNAME', 'cq_stream_status_locked';
COMMENT ON FUNCTION _cq.locked_views() IS
    'continuous views that batches have to leave out, since somebody keeps a lock, and who';

CREATE FUNCTION _cq.make_logs() RETURNS bigint
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_make_logs';
COMMENT ON FUNCTION _cq.make_logs() IS
    'makes the tables behind streams kept in this database that have none yet; returns how many';
REVOKE ALL ON FUNCTION _cq.make_logs() FROM PUBLIC;

CREATE FUNCTION _cq.adopt_parts() RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cq_adopt_parts_sql';
COMMENT ON FUNCTION _cq.adopt_parts() IS 'makes the relations behind views and streams parts of them';
REVOKE ALL ON FUNCTION _cq.adopt_parts() FROM PUBLIC;

-- After an update, and after a dump of an earlier version was restored.
CREATE FUNCTION _cq.complete_parts() RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    part regclass;
    left_over text;
BEGIN
    UPDATE _cq.view SET stream = stream WHERE stream IS NOT NULL;
    UPDATE _cq.follow f SET stream = c.stream
    FROM _cq.cursor c
    WHERE f.stream = 0 AND c.cursor_id = f.cursor_id;
    FOR part IN
        SELECT c.oid
        FROM _cq.part p JOIN pg_class c ON c.oid = p.relation
        WHERE c.relreplident = 'd'
    LOOP
        EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', part);
    END LOOP;
    UPDATE _cq.view v SET query = rtrim(pg_get_viewdef(p.relation), ';')
    FROM _cq.part p
    WHERE v.query IS NULL AND p.view = v.view AND p.role = 'definition';
    PERFORM _cq.make_logs();
    PERFORM _cq.adopt_parts();
    SELECT string_agg(c.oid::regclass::text, ', ' ORDER BY c.oid) INTO left_over
    FROM pg_class c
    WHERE c.relnamespace = '_cq'::regnamespace AND c.relkind IN ('r', 'v')
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                        AND d.deptype IN ('e', 'i')
                        AND d.refclassid IN ('pg_extension'::regclass, 'pg_class'::regclass));
    IF left_over IS NOT NULL THEN
        RAISE WARNING 'some relations in schema _cq belong to no continuous view or stream'
            USING DETAIL = left_over,
                  HINT = 'A dump without data leaves them. Drop them with CASCADE.';
    END IF;
END
$$;
COMMENT ON FUNCTION _cq.complete_parts() IS
    'gives the tables that an earlier version made what those of this one have';
REVOKE ALL ON FUNCTION _cq.complete_parts() FROM PUBLIC;

ALTER TABLE _cq.identity REPLICA IDENTITY FULL;

CREATE FUNCTION _cq.without_moment(text, oid) RETURNS text
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cq_without_moment';
COMMENT ON FUNCTION _cq.without_moment(text, oid) IS
    'the text, before it is read as a type of dates or times; an error where it says now, today or the like';

CREATE FUNCTION _cq.without_moments(json, text[], oid[]) RETURNS json
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cq_without_moments_json';
COMMENT ON FUNCTION _cq.without_moments(json, text[], oid[]) IS
    'the document, before rows are made of it; an error where columns of these names and types would be made of now, today or the like';

CREATE FUNCTION _cq.without_moments(jsonb, text[], oid[]) RETURNS jsonb
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cq_without_moments_jsonb';
COMMENT ON FUNCTION _cq.without_moments(jsonb, text[], oid[]) IS
    'the document, before rows are made of it; an error where columns of these names and types would be made of now, today or the like';

ALTER TABLE _cq.view ADD COLUMN query text;
ALTER TABLE _cq.view ADD COLUMN created_start text;
ALTER TABLE _cq.view ADD COLUMN on_expire text CHECK (on_expire IN ('forget', 'delete'));
ALTER TABLE _cq.view ADD COLUMN max_error_rate double precision;
ALTER TABLE _cq.view ADD COLUMN pool text COLLATE "C";
ALTER TABLE _cq.view ADD COLUMN max_drift interval;

CREATE FUNCTION _cq.stream_states(OUT stream oid, OUT state text) RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 10
    AS 'MODULE_PATHNAME', 'cq_stream_status_list';
COMMENT ON FUNCTION _cq.stream_states() IS 'streams whose readers, or the readers of whose continuous views, ask, and whether they are read';

CREATE FUNCTION _cq.failing_views() RETURNS SETOF oid
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 10
    AS 'MODULE_PATHNAME', 'cq_stats_failing';
COMMENT ON FUNCTION _cq.failing_views() IS 'continuous views for which nearly all rows fail';

-- Those of a standby are its primary's.
CREATE FUNCTION _cq.worker_pools(OUT worker integer, OUT pool text) RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'cq_worker_pools';
COMMENT ON FUNCTION _cq.worker_pools() IS 'of ingest workers of this database, their compute pools';

CREATE OR REPLACE VIEW cq.workers WITH (security_barrier) AS
SELECT worker, workers, pid, state, state_since, started_at, restarts,
       last_error, last_error_time, pool
FROM _cq.worker_status()
LEFT JOIN _cq.worker_pools() USING (worker)
ORDER BY worker;

CREATE FUNCTION _cq.workers_lack() RETURNS text
    LANGUAGE sql VOLATILE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL
                WHEN NOT pg_catalog.current_setting('cq.enabled', true)::boolean THEN 'cq.enabled is off'
                WHEN NOT EXISTS (SELECT FROM _cq.worker_status() w
                                 WHERE w.pid IS NOT NULL
                                    OR (w.state IN ('starting', 'stopped', 'restarting')
                                        AND w.state_since > pg_catalog.clock_timestamp() - interval '5 s'))
                    THEN 'no worker runs: see cq.workers' END;
END;
COMMENT ON FUNCTION _cq.workers_lack() IS 'why no worker reads anything now; null: they do';

-- Errors quote what they are about.
CREATE FUNCTION _cq.error_class(sqlstate text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE pg_catalog.left(sqlstate, 2)
               WHEN '21' THEN 'cardinality violation'
               WHEN '22' THEN 'data exception'
               WHEN '23' THEN 'integrity constraint violation'
               WHEN '54' THEN 'program limit exceeded'
               WHEN 'P0' THEN 'error raised by a function'
               ELSE 'error' END || ' ' || sqlstate;
END;
COMMENT ON FUNCTION _cq.error_class(text) IS 'what an error is about, without values';

-- What people see: as in schema/status.sql.
-- How far streams reach that nobody reads now.
CREATE TABLE _cq.extent (
    stream          regclass NOT NULL,
    topic           text COLLATE "C" NOT NULL,
    partition       integer NOT NULL,
    end_offset      bigint NOT NULL,
    asked_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (stream, topic, partition)
);
COMMENT ON TABLE _cq.extent IS 'where partitions of streams end that nobody reads now';

CREATE OR REPLACE VIEW cq.positions WITH (security_barrier) AS
SELECT f.view, c.stream, f.topic, f.partition, c.next_offset,
       greatest(e.end_offset, x.end_offset) AS end_offset,
       CASE WHEN w.lack IS NOT NULL THEN NULL
            WHEN NOT y.is_read THEN CASE WHEN x.end_offset IS NOT NULL
                                         THEN greatest(x.end_offset - c.next_offset, 0) END
            WHEN u.trouble IS NULL AND (t.state IS NULL OR t.state = 'reading'
                                        OR pg_catalog.pg_is_in_recovery())
            THEN greatest(e.end_offset - c.next_offset, 0) END AS lag_messages,
       c.last_timestamp,
       c.event_time, c.event_time - d.delay AS watermark, c.active_at
FROM _cq.follow f
JOIN _cq.cursor c USING (cursor_id)
JOIN _cq.input i ON i.view = f.view AND i.stream = c.stream AND i.is_started
JOIN pg_catalog.pg_class r ON r.oid = f.view
LEFT JOIN _cq.stream_states() t ON t.stream = c.stream
LEFT JOIN _cq.unheard() u ON u.relation = f.view
CROSS JOIN (SELECT _cq.workers_lack() AS lack) w,
LATERAL (SELECT max(o.end_offset) AS end_offset
         FROM _cq.cursor o
         WHERE o.stream = c.stream AND o.topic = c.topic AND o.partition = c.partition) e,
-- Where no view reads the stream, the keeper asks how far it reaches.
LATERAL (SELECT max(o.end_offset) AS end_offset
         FROM _cq.extent o
         WHERE o.stream = c.stream AND o.topic = c.topic AND o.partition = c.partition
           AND o.asked_at > pg_catalog.clock_timestamp() - interval '1 min') x,
LATERAL (SELECT EXISTS (SELECT FROM _cq.input o JOIN _cq.view v USING (view)
                        WHERE o.stream = c.stream AND v.status = 'running') AS is_read) y,
LATERAL (SELECT coalesce(v.watermark, (SELECT o.option_value::interval
                                       FROM pg_catalog.pg_foreign_table t, pg_catalog.pg_options_to_table(t.ftoptions) o
                                       WHERE t.ftrelid = c.stream AND o.option_name = 'watermark'), '0') AS delay
         FROM _cq.view v
         WHERE v.view = f.view) d
WHERE pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');

-- What owners, pools and views may use at most.
CREATE TABLE _cq.budget (
    name            text COLLATE "C" PRIMARY KEY,
    view            regclass,                       -- whose it is: one of these
    owner           regrole,
    pool            text COLLATE "C",
    what            text COLLATE "C" NOT NULL,      -- cpu_seconds, rows, state_bytes, bytes_out
    amount          float8 NOT NULL,
    per             text COLLATE "C",               -- minute, hour, day, month; null: of state
    at_limit        text COLLATE "C" NOT NULL,      -- notify, slow, stop
    reached_in      timestamptz,                    -- it was used up in the period that began
        -- then; -infinity: in none that counts; null: it was not
    told            text                            -- what is said of that
);
COMMENT ON TABLE _cq.budget IS 'limits of what continuous views use';
SELECT pg_catalog.pg_extension_config_dump('_cq.budget', '');

-- Cursors that views with max_drift do not move for now: of the view's other cursors one that has
-- messages to be read is further behind. What has been read to its end holds up nobody.
CREATE VIEW _cq.ahead AS
SELECT f.view, f.cursor_id,
       pg_catalog.format(CASE WHEN c.stream = b.stream
                              THEN 'partition %1$s of topic "%2$s" is %3$s ahead of '
                                   'partition %4$s of topic "%5$s"'
                              ELSE 'stream %6$s is %3$s ahead of stream %7$s' END,
                         c.partition, c.topic,
                         coalesce(pg_catalog.date_trunc('second', c.event_time - b.event_time)::text,
                                  'any time'),
                         b.partition, b.topic, c.stream, b.stream) AS reason,
       c.event_time - b.event_time AS drift
FROM _cq.view v
JOIN _cq.follow f USING (view)
JOIN _cq.cursor c USING (cursor_id)
CROSS JOIN LATERAL (SELECT o.stream, o.topic, o.partition, o.event_time
                    FROM _cq.follow g
                    JOIN _cq.input i ON i.view = g.view AND i.stream = g.stream AND i.is_started
                    JOIN _cq.cursor o ON o.cursor_id = g.cursor_id
                    LEFT JOIN _cq.readings() r
                      ON r.cursor_id = o.cursor_id AND r.next_offset = o.next_offset
                    WHERE g.view = f.view AND g.cursor_id <> f.cursor_id AND r.silence IS NULL
                      AND o.next_offset < (SELECT max(e.end_offset) FROM _cq.cursor e
                                           WHERE e.stream = o.stream AND e.topic = o.topic
                                             AND e.partition = o.partition)
                    ORDER BY o.event_time NULLS FIRST, o.stream::oid, o.topic, o.partition
                    LIMIT 1) b
WHERE v.max_drift IS NOT NULL AND v.status = 'running'
  AND c.event_time > coalesce(b.event_time, '-infinity') + v.max_drift;
COMMENT ON VIEW _cq.ahead IS
    'where continuous views wait for others of their streams, by max_drift';

CREATE FUNCTION _cq.held_back(OUT view oid, OUT reason text) RETURNS SETOF record
    LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 1
    AS 'MODULE_PATHNAME', 'cq_stream_status_held_back';
COMMENT ON FUNCTION _cq.held_back() IS
    'continuous views that wait in one stream for another one, by max_drift';

CREATE OR REPLACE VIEW cq.views WITH (security_barrier) AS
SELECT v.view,
       CASE WHEN x.is_copy THEN 'restored'
            WHEN v.status <> 'running' THEN v.status
            WHEN x.lack IS NOT NULL THEN 'waiting'
            WHEN x.is_standby THEN 'running'
            WHEN coalesce(l.holder, u.trouble, t.state, h.held_up, w.named::text,
                          d.reason) IS NOT NULL
                OR NOT i.is_started THEN 'waiting'
            WHEN a.view IS NOT NULL OR k.trouble IS NOT NULL THEN 'failing'
            WHEN b.is_behind THEN 'catching up'
            ELSE 'running' END AS status,
       coalesce(CASE WHEN x.is_copy THEN 'cq.resume_all() lets the views of this restored or copied database run here' END,
                -- It may quote what was read.
                CASE WHEN NOT pg_catalog.pg_has_role(r.relowner, 'USAGE') THEN NULL
                     WHEN i.may_be_read THEN v.status_detail
                     ELSE pg_catalog.regexp_replace(v.status_detail, '^(topic "[^"]*" partition \d+ offset \d+|each of the first \d+ rows has failed|its windows cannot be closed): .*', '\1') END,
                CASE WHEN v.status <> 'running' THEN NULL
                     WHEN x.lack IS NOT NULL THEN x.lack
                     WHEN x.is_standby THEN NULL
                     WHEN l.holder IS NOT NULL THEN 'waits for a lock: ' || l.holder
                     WHEN u.trouble IS NOT NULL THEN u.trouble
                     WHEN t.state = 'waiting for broker' AND h.held_up IS NOT NULL THEN h.held_up
                     WHEN t.state IS NOT NULL THEN
                         concat_ws(': ', CASE WHEN cardinality(i.streams) > 1
                                         THEN 'stream ' || t.stream END, t.state, t.last_error)
                     WHEN h.held_up IS NOT NULL THEN h.held_up
                     WHEN w.named IS NOT NULL THEN 'waits for continuous view ' || w.named
                     WHEN d.reason IS NOT NULL THEN d.reason
                     WHEN NOT i.is_started THEN 'has not begun yet'
                     WHEN a.view IS NOT NULL THEN 'nearly all rows fail: see cq.errors'
                     WHEN k.trouble IS NOT NULL THEN k.trouble
                     ELSE nullif(concat_ws('; ', g.told, CASE WHEN b.is_behind THEN b.progress END),
                                 '') END) AS status_detail,
       CASE WHEN cardinality(i.streams) = 1 THEN i.streams[1] END AS stream,
       pg_catalog.pg_get_userbyid(r.relowner) AS owner,
       v.start, v.on_error, v.retention, v.retention_by, v.emit, v.allowed_lateness, v.late, v.sink, c.relation AS changes, v.notify,
       CASE WHEN pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE')
            THEN v.query END AS definition,
       v.created_at,
       CASE WHEN i.is_started THEN p.lag_messages::bigint END AS lag_messages,
       CASE WHEN i.is_started THEN p.lag END AS lag,
       coalesce(n.rows, 0) AS rows, coalesce(n.bytes, 0) AS bytes, coalesce(n.bad_rows, 0) AS bad_rows, coalesce(n.late_rows, 0) AS late_rows,
       coalesce(round(n.rows_per_second::numeric, 2), 0)::float8 AS rows_per_second, n.last_batch_time, n.last_error, n.last_error_time,
       pg_catalog.concat_ws(', ', 'start = ' || pg_catalog.quote_literal(v.start), 'on_error = ' || pg_catalog.quote_literal(v.on_error),
                            'max_error_rate = ' || pg_catalog.quote_literal(v.max_error_rate::text),
                            'pool = ' || pg_catalog.quote_literal(v.pool),
                            'retention = ' || pg_catalog.quote_literal(v.retention::text),
                            'retention_by = ' || pg_catalog.quote_literal(v.retention_by),
                            CASE WHEN v.on_expire <> 'forget'
                                 THEN 'on_expire = ' || pg_catalog.quote_literal(v.on_expire) END,
                            'emit = ' || pg_catalog.quote_literal(v.emit),
                            'watermark = ' || pg_catalog.quote_literal(v.watermark::text),
                            'max_drift = ' || pg_catalog.quote_literal(v.max_drift::text),
                            CASE WHEN v.emit = 'close' THEN 'allowed_lateness = ' || pg_catalog.quote_literal(v.allowed_lateness::text) END,
                            CASE WHEN v.late <> 'drop' THEN 'late = ' || pg_catalog.quote_literal(v.late) END,
                            'sink = ' || pg_catalog.quote_literal(v.sink::text),
                            -- It is made anew, in the view's schema.
                            'changes = ' || pg_catalog.quote_literal(
                                (SELECT relname FROM pg_catalog.pg_class WHERE oid = c.relation)),
                            'notify = ' || pg_catalog.quote_literal(v.notify),
                            CASE WHEN EXISTS (SELECT FROM _cq.reads o JOIN _cq.maintained m ON m.relation = o.named
                                              WHERE o.view = v.view)
                                 THEN 'tables = ''maintained''' END) AS options,
       i.streams
FROM _cq.view v
JOIN pg_catalog.pg_class r ON r.oid = v.view
LEFT JOIN _cq.stat_relations() n ON n.relation = v.view
LEFT JOIN (SELECT o.view, array_agg(o.stream ORDER BY o.number) AS streams,
                  bool_and(o.is_started) AS is_started,
                  bool_and(pg_catalog.has_table_privilege(o.stream, 'SELECT')) AS may_be_read
           FROM _cq.input o
           GROUP BY o.view) i ON i.view = v.view
LEFT JOIN (SELECT DISTINCT ON (o.view) o.view, o.stream, m.state, s.last_error
           FROM _cq.input o
           JOIN _cq.stream_states() m ON m.stream = o.stream
           LEFT JOIN _cq.stat_relations() s ON s.relation = o.stream
           WHERE m.state IN ('waiting for broker', 'waiting for schema', 'failed')
           ORDER BY o.view, o.number) t ON t.view = v.view
LEFT JOIN _cq.failing_views() a (view) ON a.view = v.view
LEFT JOIN _cq.part c ON c.view = v.view AND c.role = 'changes'
-- Of those that it reads and is not level with, one that is behind itself, if there is one.
LEFT JOIN (SELECT DISTINCT ON (o.view) o.view, o.named FROM _cq.reads o
           JOIN _cq.version e ON e.view = o.named
           CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM _cq.reads b
                                              JOIN _cq.version f ON f.view = b.named
                                              WHERE b.view = o.named
                                              AND b.seen IS DISTINCT FROM f.version) AS is_behind) x
           WHERE x.is_behind OR o.seen IS DISTINCT FROM e.version
           ORDER BY o.view, NOT x.is_behind, o.named::text) w ON w.view = v.view
LEFT JOIN _cq.held_up() h ON h.relation = v.view
LEFT JOIN _cq.held_back() d ON d.view = v.view
CROSS JOIN (SELECT _cq.is_copy() AS is_copy, _cq.workers_lack() AS lack, pg_catalog.pg_is_in_recovery() AS is_standby) x
LEFT JOIN (SELECT o.view,
                  CASE WHEN bool_and(o.lag_messages IS NOT NULL)
                       THEN sum(o.lag_messages) END AS lag_messages,
                  CASE WHEN bool_and(o.lag_messages = 0) THEN '0'
                       ELSE max(pg_catalog.clock_timestamp() - o.last_timestamp) FILTER (WHERE o.lag_messages > 0) END AS lag
           FROM cq.positions o
           GROUP BY o.view) p ON p.view = v.view
LEFT JOIN _cq.unheard() u ON u.relation = v.view
LEFT JOIN _cq.locked_views() l ON l.view = v.view
LEFT JOIN (SELECT o.view, CASE WHEN o.status = 'failed' THEN 'its sink has failed: see cq.sinks'
                               WHEN s.state = 'down' THEN concat_ws(': ', 'its sink is down', s.last_error) END AS trouble
           FROM _cq.sink o
           LEFT JOIN _cq.stat_sinks() s ON s.view = o.view) k ON k.view = v.view
CROSS JOIN LATERAL (SELECT string_agg(o.told, '; ' ORDER BY o.name) AS told
                    FROM _cq.budget o
                    WHERE o.told IS NOT NULL
                      AND (o.view = v.view OR o.owner = r.relowner OR o.pool = v.pool)) g
-- A stream that is not as far behind is one that a worker keeps up with.
CROSS JOIN LATERAL (SELECT p.lag_messages >= greatest(20000, 10 * n.rows_per_second) AS is_behind,
                           pg_catalog.format('%s %% of what there is to read is read, %s messages are left%s',
                                             trunc(100 * n.rows / nullif(n.rows + p.lag_messages, 0)), p.lag_messages,
                                             ', for about ' || pg_catalog.make_interval(
                                                 secs => round(p.lag_messages / nullif(round(n.rows_per_second), 0)))) AS progress) b
WHERE pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');

CREATE OR REPLACE VIEW cq.gaps WITH (security_barrier) AS
SELECT g.occurred_at, g.stream, g.topic, g.partition, g.from_offset, g.to_offset
FROM _cq.gap g
JOIN pg_catalog.pg_class r ON r.oid = g.stream
WHERE pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');


CREATE FUNCTION _cq.sink_levels(OUT view oid, OUT level_at timestamptz) RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'cq_sink_levels';
COMMENT ON FUNCTION _cq.sink_levels() IS
    'of sinks of this database, a time such that what was committed by then has been sent';

CREATE OR REPLACE VIEW cq.sinks WITH (security_barrier) AS
SELECT k.view, k.sink,
       CASE WHEN _cq.is_copy() THEN 'restored'
            WHEN k.status = 'failed' THEN 'failed'
            ELSE coalesce(s.state, 'unserved') END AS state,
       CASE WHEN _cq.is_copy() THEN 'cq.resume_all() lets the views of this restored or copied database run here'
            WHEN pg_catalog.pg_has_role(r.relowner, 'USAGE') THEN k.detail END AS detail,
       greatest(coalesce(e.next_id, 1) - 1 - k.sent_id, 0) AS pending_rows,
       k.sent_id AS sent_rows,
       s.last_sent_time,
       s.last_error, s.last_error_time,
       coalesce(s.rows, 0) AS rows, coalesce(s.bytes, 0) AS bytes, coalesce(s.transactions, 0) AS transactions,
       'pg_cq-' || lpad(to_hex(k.epoch), 16, '0') AS transactional_id,
       CASE WHEN coalesce(e.next_id, 1) - 1 <= k.sent_id THEN '0' ELSE pg_catalog.clock_timestamp() - m.level_at END AS lag
FROM _cq.sink k
JOIN pg_catalog.pg_class r ON r.oid = k.view
LEFT JOIN _cq.outbox_end e ON e.view = k.view
LEFT JOIN _cq.stat_sinks() s ON s.view = k.view
LEFT JOIN _cq.sink_levels() m ON m.view = k.view
WHERE pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');

CREATE FUNCTION cq.columns_of(server text, topic text, OUT column_name text, OUT data_type text, OUT not_null boolean, OUT path text, OUT format text)
    RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_columns_of';
COMMENT ON FUNCTION cq.columns_of(text, text) IS
    'the columns that IMPORT FOREIGN SCHEMA would make for a topic: as its schema in the registry says, or else its latest messages';

ALTER TABLE _cq.error ADD COLUMN column_name text, ADD COLUMN constraint_name text,
    ADD COLUMN "timestamp" timestamptz, ADD COLUMN headers jsonb,
    ADD COLUMN is_cut boolean;
CREATE OR REPLACE VIEW cq.errors WITH (security_barrier) AS
SELECT e.error_id, e.occurred_at, e.view, e.stream, e.topic, e.partition, e."offset",
       CASE WHEN s.may THEN e.key END AS key, CASE WHEN s.may THEN e.payload END AS payload, e.payload_length,
       e.sqlstate, CASE WHEN s.may THEN e.message ELSE _cq.error_class(e.sqlstate) END AS message,
       e.column_name, e.constraint_name
FROM _cq.error e
JOIN pg_catalog.pg_class r ON r.oid = e.view,
LATERAL (SELECT pg_catalog.has_table_privilege(e.stream, 'SELECT') AS may) s
WHERE pg_catalog.pg_has_role(r.relowner, 'USAGE');

-- What is wrong with a message may be mended before it is put through again.
CREATE FUNCTION _cq.mend_error() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    other cq.errors;
BEGIN
    other := NEW;
    other.payload := OLD.payload;
    IF other IS DISTINCT FROM OLD THEN
        RAISE EXCEPTION 'only the payload of a message in cq.errors can be changed'
            USING ERRCODE = 'feature_not_supported';
    ELSIF EXISTS (SELECT FROM _cq.log WHERE stream = OLD.stream) THEN
        RAISE EXCEPTION 'a row of stream % cannot be changed', OLD.stream
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'Delete it from cq.errors, and insert another one into the stream.';
    END IF;
    UPDATE _cq.error SET payload = NEW.payload,
        payload_length = coalesce(octet_length(NEW.payload), 0)
    WHERE error_id = OLD.error_id;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION _cq.mend_error() IS 'changes the message of what is changed in cq.errors';
REVOKE ALL ON FUNCTION _cq.mend_error() FROM PUBLIC;
CREATE TRIGGER mend_error INSTEAD OF UPDATE ON cq.errors
    FOR EACH ROW EXECUTE FUNCTION _cq.mend_error();
COMMENT ON TRIGGER mend_error ON cq.errors IS 'changes the message of what is changed in cq.errors';

CREATE FUNCTION cq.retry_errors(view regclass, "where" text DEFAULT 'true') RETURNS bigint
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'cq_retry_errors';
COMMENT ON FUNCTION cq.retry_errors(regclass, text) IS
    'puts dead letters of a continuous view through again, those for which a condition over '
    'cq.errors holds, once each: how many passed';
GRANT UPDATE ON cq.errors TO PUBLIC;

CREATE FUNCTION _cq.trim_errors() RETURNS bigint
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'cq_trim_errors';
COMMENT ON FUNCTION _cq.trim_errors() IS
    'deletes some of what cq.errors and cq.late keep too long, or too much of';
REVOKE ALL ON FUNCTION _cq.trim_errors() FROM PUBLIC;

CREATE OR REPLACE VIEW cq.late WITH (security_barrier) AS
SELECT l.late_id, l.occurred_at, l.view, l.stream, l.topic, l.partition, l."offset", l.event_time, l.window_end,
       CASE WHEN s.may THEN l.key END AS key, CASE WHEN s.may THEN l.payload END AS payload, l.payload_length
FROM _cq.late l
JOIN pg_catalog.pg_class r ON r.oid = l.view,
LATERAL (SELECT pg_catalog.has_table_privilege(l.stream, 'SELECT') AS may) s
WHERE pg_catalog.pg_has_role(r.relowner, 'USAGE');

-- Answers who may read the view.
CREATE OR REPLACE FUNCTION _cq.expired_through(state regclass) RETURNS timestamptz
    LANGUAGE C STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'cq_expired_through';

CREATE FUNCTION cq.explain(view regclass, "analyze" boolean DEFAULT false, OUT "QUERY PLAN" text)
    RETURNS SETOF text
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 20 SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cq_view_explain';
COMMENT ON FUNCTION cq.explain(regclass, boolean) IS
    'how a continuous view is maintained: its nodes, what they keep, and what bounds that; with '
    'true, what they have done since the last cq.stat_reset';

-- topic: series.sql

-- topic: http.sql
-- topic: model.sql
COMMENT ON TABLE _cq.sink IS 'continuous views whose changes leave the database, and how far';

-- topic: node.sql

-- topic: event.sql
-- topic: lineage.sql
-- topic: figures.sql
-- topic: topics.sql
-- topic: usage.sql
-- topic: pool.sql
-- topic: budget.sql
GRANT SELECT ON cq.events, cq.lineage, _cq.statement, cq.view_parts, cq.stat_times, cq.lanes,
    cq.usage, cq.pools, cq.budgets TO PUBLIC;

-- Last: what there is of views and streams; then workers look at the catalog again.
SELECT _cq.complete_parts();
SELECT _cq.start_workers();

-- Of columns that are fields of messages: has any message had the field? Known after some time.
CREATE TABLE _cq.field (
    stream          regclass NOT NULL,
    attno           smallint NOT NULL,
    is_seen         boolean NOT NULL,
    PRIMARY KEY (stream, attno)
);
COMMENT ON TABLE _cq.field IS 'fields of messages that columns are read from: whether there have been any';

CREATE OR REPLACE VIEW cq.streams WITH (security_barrier) AS
SELECT t.ftrelid::regclass AS stream,
       w.fdwname AS source,
       n.srvname AS server,
       CASE WHEN NOT u.is_wanted THEN 'unread'
            WHEN x.lack IS NOT NULL OR m.trouble IS NOT NULL THEN 'unserved'
            ELSE coalesce(s.state, 'unread') END AS state,
       s.state_since,
       s.last_error, s.last_error_time,
       (SELECT count(*) FROM _cq.input i WHERE i.stream = t.ftrelid) AS views,
       c.partitions, c.end_offset,
       g.gaps, g.missing_messages, g.last_gap_time,
       ARRAY(SELECT a.attname FROM _cq.field f
             JOIN pg_catalog.pg_attribute a ON a.attrelid = f.stream AND a.attnum = f.attno
             WHERE f.stream = t.ftrelid AND NOT f.is_seen AND NOT a.attisdropped
             ORDER BY a.attnum) AS unseen_columns,
       coalesce(CASE WHEN u.is_wanted THEN coalesce(x.lack, m.trouble) END, h.held_up) AS held_up
FROM pg_catalog.pg_foreign_table t
JOIN pg_catalog.pg_class r ON r.oid = t.ftrelid
JOIN pg_catalog.pg_foreign_server n ON n.oid = t.ftserver
JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = n.srvfdw
LEFT JOIN _cq.stat_relations() s ON s.relation = t.ftrelid
LEFT JOIN _cq.held_up() h ON h.relation = t.ftrelid
LEFT JOIN _cq.unheard() m ON m.relation = t.ftrelid
CROSS JOIN (SELECT CASE WHEN _cq.is_copy() THEN 'restored' ELSE _cq.workers_lack() END AS lack) x,
LATERAL (SELECT EXISTS (SELECT FROM _cq.input i JOIN _cq.view v USING (view)
                        WHERE i.stream = t.ftrelid AND v.status = 'running') AS is_wanted) u,
LATERAL (SELECT count(*) AS partitions, sum(p.end_offset)::bigint AS end_offset
         FROM (SELECT max(end_offset) AS end_offset
               FROM (SELECT topic, partition, end_offset FROM _cq.cursor WHERE stream = t.ftrelid
                     UNION ALL
                     SELECT topic, partition, end_offset FROM _cq.extent WHERE stream = t.ftrelid) o
               GROUP BY topic, partition) p) c,
LATERAL (SELECT count(*) AS gaps, sum(greatest(to_offset - from_offset, 0))::bigint AS missing_messages, max(occurred_at) AS last_gap_time
         FROM _cq.gap WHERE stream = t.ftrelid) g
WHERE w.fdwname IN ('cq_kafka', 'cq_log')
  AND (pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE'));

-- Times without a zone were read under the settings of the server. Event times are now read under
-- those that the stream itself names.
DO $do$
DECLARE
    stream regclass;
BEGIN
    FOR stream IN
        SELECT t.ftrelid
        FROM pg_catalog.pg_foreign_table t
        JOIN pg_catalog.pg_foreign_server s ON s.oid = t.ftserver
        JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw
        WHERE w.fdwname = 'cq_kafka'
          AND EXISTS (SELECT FROM pg_catalog.pg_options_to_table(t.ftoptions)
                      WHERE option_name = 'event_time')
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_options_to_table(t.ftoptions)
                          WHERE option_name IN ('timezone', 'datestyle'))
        ORDER BY 1
    LOOP
        EXECUTE format('ALTER FOREIGN TABLE %s OPTIONS (ADD timezone %L, ADD datestyle %L)', stream,
                       current_setting('TimeZone'), current_setting('DateStyle'));
    END LOOP;
END
$do$;
