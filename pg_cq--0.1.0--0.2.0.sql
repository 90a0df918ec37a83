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

-- After an update, and after a dump of an earlier version was restored.
CREATE FUNCTION _cq.complete_parts() RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    part regclass;
BEGIN
    FOR part IN
        SELECT c.oid
        FROM _cq.view v, unnest(ARRAY[v.state, v.result, v.outbox]) p JOIN pg_class c ON c.oid = p
        WHERE c.relreplident = 'd'
    LOOP
        EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', part);
    END LOOP;
    PERFORM _cq.make_logs();
END
$$;
COMMENT ON FUNCTION _cq.complete_parts() IS
    'gives the tables that an earlier version made what those of this one have';
REVOKE ALL ON FUNCTION _cq.complete_parts() FROM PUBLIC;

ALTER TABLE _cq.identity REPLICA IDENTITY FULL;

-- Last: what there is of views and streams; then workers look at the catalog again.
SELECT _cq.complete_parts();
SELECT _cq.start_workers();
