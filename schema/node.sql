-- The nodes below a view's root.

CREATE FUNCTION _cq.key_hash(value "any", seed bigint) RETURNS bigint
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cq_key_hash';
COMMENT ON FUNCTION _cq.key_hash("any", bigint) IS
    'hash of a key, by which the rows that a continuous view keeps are found; for several columns, of each with the last one''s as seed';

