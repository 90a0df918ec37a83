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

