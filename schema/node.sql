-- The nodes below a view's root.

CREATE FUNCTION _cq.key_hash(value "any", seed bigint) RETURNS bigint
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cq_key_hash';
COMMENT ON FUNCTION _cq.key_hash("any", bigint) IS
    'hash of a key, by which kept rows are found; of several columns: seed is that of the last one';

-- Of messages of streams with mode upsert, by the ctid that a scan of a batch gives them.
CREATE FUNCTION _cq.message_partition(place tid) RETURNS integer
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cq_message_partition';
COMMENT ON FUNCTION _cq.message_partition(tid) IS 'partition that a message of a batch is in';
CREATE FUNCTION _cq.message_is_gone(place tid) RETURNS boolean
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cq_message_is_gone';
COMMENT ON FUNCTION _cq.message_is_gone(tid) IS 'whether a message of a batch has no value';
