-- The nodes below a view's root.

CREATE FUNCTION _cq.key_hash(value "any", seed bigint) RETURNS bigint
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cq_key_hash';
COMMENT ON FUNCTION _cq.key_hash("any", bigint) IS
    'hash of a key, by which kept rows are found; of several columns: seed is that of the last one';
