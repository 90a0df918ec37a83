-- Destinations of requests by HTTP: foreign tables that are sinks and nothing else.
CREATE FUNCTION _cq.http_handler() RETURNS fdw_handler
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_http_handler';
COMMENT ON FUNCTION _cq.http_handler() IS 'destinations of requests by HTTP as foreign tables';
CREATE FUNCTION _cq.http_validator(text[], oid) RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_http_validator';
COMMENT ON FUNCTION _cq.http_validator(text[], oid) IS 'checks options of cq_http';
CREATE FOREIGN DATA WRAPPER cq_http HANDLER _cq.http_handler VALIDATOR _cq.http_validator;
COMMENT ON FOREIGN DATA WRAPPER cq_http IS
    'destinations of requests by HTTP, as sinks of continuous views';
