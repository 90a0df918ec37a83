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

CREATE FUNCTION _cq.advance_watermarks() RETURNS bigint
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cq_watermark_advance';
COMMENT ON FUNCTION _cq.advance_watermarks() IS 'has watermarks go on where partitions are idle';
REVOKE ALL ON FUNCTION _cq.advance_watermarks() FROM PUBLIC;

CREATE FUNCTION _cq.readings(OUT cursor_id bigint, OUT silence interval, OUT held_up text)
    RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'cq_reading_list';
COMMENT ON FUNCTION _cq.readings() IS
    'cursors that are read now: for how long nothing has come, and what holds them up';

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
    FOR part IN
        SELECT c.oid
        FROM _cq.view v, unnest(ARRAY[v.state, v.result, v.outbox]) p JOIN pg_class c ON c.oid = p
        WHERE c.relreplident = 'd'
    LOOP
        EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', part);
    END LOOP;
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

CREATE FUNCTION _cq.without_moment(text) RETURNS text
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cq_without_moment';
COMMENT ON FUNCTION _cq.without_moment(text) IS
    'the text, before it is read as a date or time; an error where it says now, today or the like';

-- What to call in a database that was restored or copied.
CREATE OR REPLACE VIEW cq.views WITH (security_barrier) AS
SELECT v.view,
       CASE WHEN _cq.is_copy() THEN 'restored' ELSE v.status END AS status,
       coalesce(CASE WHEN _cq.is_copy() THEN 'cq.resume_all() lets the views of this restored or copied database run here' END,
                CASE WHEN pg_catalog.pg_has_role(r.relowner, 'USAGE') THEN v.status_detail END,     -- it may quote what was read
                CASE WHEN v.status <> 'running' THEN NULL
                     WHEN NOT w.is_there THEN 'no worker runs: see cq.workers'
                     WHEN s.state IN ('waiting for broker', 'failed') THEN concat_ws(': ', s.state, s.last_error)
                     WHEN NOT v.is_started THEN 'has not begun yet' END) AS status_detail,
       v.stream,
       pg_catalog.pg_get_userbyid(r.relowner) AS owner,
       v.start, v.on_error, v.retention, v.retention_by, v.emit, v.allowed_lateness, v.late, v.sink, v.changes, v.notify,
       pg_catalog.pg_get_viewdef(v.definition) AS definition,
       v.created_at,
       p.lag_messages::bigint AS lag_messages,
       p.lag,
       coalesce(n.rows, 0) AS rows, coalesce(n.bytes, 0) AS bytes, coalesce(n.bad_rows, 0) AS bad_rows, coalesce(n.late_rows, 0) AS late_rows,
       coalesce(round(n.rows_per_second::numeric, 2), 0)::float8 AS rows_per_second, n.last_batch_time, n.last_error, n.last_error_time
FROM _cq.view v
JOIN pg_catalog.pg_class r ON r.oid = v.view
LEFT JOIN _cq.stat_relations() n ON n.relation = v.view
LEFT JOIN _cq.stat_relations() s ON s.relation = v.stream
CROSS JOIN (SELECT count(pid) > 0 AS is_there FROM _cq.worker_status()) w,
LATERAL (SELECT sum(o.lag_messages) AS lag_messages,
                CASE WHEN sum(o.lag_messages) = 0 THEN '0'
                     ELSE max(pg_catalog.clock_timestamp() - o.last_timestamp) FILTER (WHERE o.lag_messages > 0) END AS lag
         FROM cq.positions o
         WHERE o.view = v.view) p
WHERE pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE');

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
       'pg_cq-' || lpad(to_hex(k.epoch), 16, '0') AS transactional_id
FROM _cq.sink k
JOIN pg_catalog.pg_class r ON r.oid = k.view
LEFT JOIN _cq.outbox_end e ON e.view = k.view
LEFT JOIN _cq.stat_sinks() s ON s.view = k.view
WHERE pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE');

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
       CASE WHEN EXISTS (SELECT FROM _cq.view v WHERE v.stream = t.ftrelid AND v.status = 'running')
            THEN coalesce(s.state, 'unread') ELSE 'unread' END AS state,
       s.state_since,
       s.last_error, s.last_error_time,
       (SELECT count(*) FROM _cq.view v WHERE v.stream = t.ftrelid) AS views,
       c.partitions, c.end_offset,
       g.gaps, g.missing_messages, g.last_gap_time,
       ARRAY(SELECT a.attname FROM _cq.field f
             JOIN pg_catalog.pg_attribute a ON a.attrelid = f.stream AND a.attnum = f.attno
             WHERE f.stream = t.ftrelid AND NOT f.is_seen AND NOT a.attisdropped
             ORDER BY a.attnum) AS unseen_columns
FROM pg_catalog.pg_foreign_table t
JOIN pg_catalog.pg_class r ON r.oid = t.ftrelid
JOIN pg_catalog.pg_foreign_server n ON n.oid = t.ftserver
JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = n.srvfdw
LEFT JOIN _cq.stat_relations() s ON s.relation = t.ftrelid,
LATERAL (SELECT count(*) AS partitions, sum(p.end_offset)::bigint AS end_offset
         FROM (SELECT max(end_offset) AS end_offset FROM _cq.cursor WHERE stream = t.ftrelid GROUP BY topic, partition) p) c,
LATERAL (SELECT count(*) AS gaps, sum(greatest(to_offset - from_offset, 0))::bigint AS missing_messages, max(occurred_at) AS last_gap_time
         FROM _cq.gap WHERE stream = t.ftrelid) g
WHERE w.fdwname IN ('cq_kafka', 'cq_log')
  AND (pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE'));
