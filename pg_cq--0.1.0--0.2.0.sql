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

-- Last: workers look at the catalog again.
SELECT _cq.start_workers();
