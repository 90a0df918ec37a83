/* pg_cq: continuous queries over Apache Kafka */
\echo Use "CREATE EXTENSION pg_cq" to load this file. \quit

CREATE SCHEMA cq;
COMMENT ON SCHEMA cq IS 'pg_cq: what users call and read';
CREATE SCHEMA _cq;
COMMENT ON SCHEMA _cq IS 'pg_cq: catalog, definitions and state of continuous views';


-- First in each script that updates from a version that has it. A server that has been running since
-- before the package was installed may have a library that does not even know it.
DO $do$
BEGIN
    CREATE FUNCTION _cq.require_library(version text) RETURNS void
        LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
        AS 'MODULE_PATHNAME', 'cq_version_require_library';
EXCEPTION WHEN undefined_function THEN
    RAISE EXCEPTION 'the server has the library of an older version of pg_cq loaded'
        USING ERRCODE = 'object_not_in_prerequisite_state',
              HINT = 'Restart the server, then run CREATE EXTENSION pg_cq again.';
END
$do$;
COMMENT ON FUNCTION _cq.require_library(text) IS
    'raises an error where the library that the server has loaded is of an older version';
REVOKE ALL ON FUNCTION _cq.require_library(text) FROM PUBLIC;
