-- Stored states of aggregates that keep them as pointers. Only who restores a dump may make one of text or bytes.
CREATE TYPE _cq.state;
CREATE FUNCTION _cq.state_in(cstring) RETURNS _cq.state
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cq_state_in';
COMMENT ON FUNCTION _cq.state_in(cstring) IS 'input of a stored state, for superusers';
CREATE FUNCTION _cq.state_out(_cq.state) RETURNS cstring
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cq_state_out';
COMMENT ON FUNCTION _cq.state_out(_cq.state) IS 'output of a stored state';
CREATE FUNCTION _cq.state_recv(internal) RETURNS _cq.state
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cq_state_recv';
COMMENT ON FUNCTION _cq.state_recv(internal) IS 'binary input of a stored state, for superusers';
CREATE FUNCTION _cq.state_send(_cq.state) RETURNS bytea
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cq_state_send';
COMMENT ON FUNCTION _cq.state_send(_cq.state) IS 'binary output of a stored state';
CREATE TYPE _cq.state (
    input = _cq.state_in, output = _cq.state_out, receive = _cq.state_recv, send = _cq.state_send,
    internallength = variable, alignment = int4, storage = extended
);
COMMENT ON TYPE _cq.state IS 'stored partial state of an aggregate that keeps it as a pointer; only such aggregates make one';

-- Reading: partial states are combined and finished.

CREATE FUNCTION _cq.finish_trans(internal, state "any", aggregate regprocedure, types regtype[], result anyelement)
RETURNS internal LANGUAGE c IMMUTABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'cq_finish_trans';
COMMENT ON FUNCTION _cq.finish_trans(internal, "any", regprocedure, regtype[], anyelement) IS
    'transition function of cq.finish';

CREATE FUNCTION _cq.finish_final(internal, state "any", aggregate regprocedure, types regtype[], result anyelement)
RETURNS anyelement LANGUAGE c IMMUTABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'cq_finish_final';
COMMENT ON FUNCTION _cq.finish_final(internal, "any", regprocedure, regtype[], anyelement) IS
    'final function of cq.finish';

CREATE AGGREGATE cq.finish(state "any", aggregate regprocedure, types regtype[], result anyelement) (
    sfunc = _cq.finish_trans,
    stype = internal,
    finalfunc = _cq.finish_final,
    finalfunc_extra,
    finalfunc_modify = read_write,          -- as that of the aggregate may be: so it cannot be a window function
    parallel = restricted
);
COMMENT ON AGGREGATE cq.finish("any", regprocedure, regtype[], anyelement) IS
    'combines partial states of an aggregate and finishes them; continuous views are made of it';

