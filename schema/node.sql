-- The nodes below a view's root.

CREATE FUNCTION _cq.key_hash(value "any", seed bigint) RETURNS bigint
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cq_key_hash';
COMMENT ON FUNCTION _cq.key_hash("any", bigint) IS
    'hash of a key, by which kept rows are found; of several columns: seed is that of the last one';

-- Of messages of streams whose rows change, by the ctid that a scan of a batch gives them.
CREATE FUNCTION _cq.message_partition(place tid) RETURNS integer
    LANGUAGE C STRICT STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'cq_message_partition';
COMMENT ON FUNCTION _cq.message_partition(tid) IS 'partition that a message of a batch is in';
CREATE FUNCTION _cq.message_is_gone(place tid) RETURNS boolean
    LANGUAGE C STRICT STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'cq_message_is_gone';
COMMENT ON FUNCTION _cq.message_is_gone(tid) IS
    'whether a message of a batch says that the row of its key is gone';
CREATE FUNCTION _cq.message_key(place tid) RETURNS bytea
    LANGUAGE C STRICT STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'cq_message_key';
COMMENT ON FUNCTION _cq.message_key(tid) IS
    'key of a message of a batch, by which rows are told apart; null: the rows of all keys are gone';
CREATE FUNCTION _cq.message_lacks(place tid) RETURNS smallint[]
    LANGUAGE C STRICT STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'cq_message_lacks';
COMMENT ON FUNCTION _cq.message_lacks(tid) IS
    'columns whose values a message of a batch leaves out, since they have not changed; null: none';
CREATE FUNCTION _cq.unknown_value(name text, type anyelement) RETURNS anyelement
    LANGUAGE C VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cq_unknown_value';
COMMENT ON FUNCTION _cq.unknown_value(text, anyelement) IS
    'raises the error that a value which a message leaves out is not known';
