-- Forecasts and anomalies: pure functions over series.

CREATE TYPE cq.forecast_point AS (
    step            integer,
    ts              timestamptz,
    value           double precision,
    lower           double precision,
    upper           double precision
);
COMMENT ON TYPE cq.forecast_point IS 'a value that is expected, and its bounds';

CREATE FUNCTION cq.forecast(value double precision, ts timestamptz, horizon integer DEFAULT 1,
    model text DEFAULT 'auto', season integer DEFAULT NULL, level double precision DEFAULT 0.95,
    step interval DEFAULT NULL, min_training integer DEFAULT NULL,
    max_training integer DEFAULT NULL)
RETURNS cq.forecast_point[]
AS 'MODULE_PATHNAME', 'cq_forecast_window' LANGUAGE C WINDOW IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION cq.forecast(double precision, timestamptz, integer, text, integer,
    double precision, interval, integer, integer) IS
    'the next values after each row, OVER (PARTITION BY … ORDER BY ts)';

CREATE FUNCTION cq.forecast(series double precision[], horizon integer DEFAULT 1,
    model text DEFAULT 'auto', season integer DEFAULT NULL, level double precision DEFAULT 0.95)
RETURNS SETOF cq.forecast_point
AS 'MODULE_PATHNAME', 'cq_forecast_array' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION cq.forecast(double precision[], integer, text, integer, double precision) IS
    'the next values after those of an array';

CREATE FUNCTION cq.forecast_model(value double precision, ts timestamptz, model text DEFAULT 'auto',
    season integer DEFAULT NULL, step interval DEFAULT NULL, min_training integer DEFAULT NULL,
    max_training integer DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'cq_forecast_model_window' LANGUAGE C WINDOW IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION cq.forecast_model(double precision, timestamptz, text, integer, interval,
    integer, integer) IS
    'what was fitted to the rows up to each, OVER (PARTITION BY … ORDER BY ts)';

CREATE FUNCTION cq.forecast_model(series double precision[], model text DEFAULT 'auto',
    season integer DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'cq_forecast_model_array' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION cq.forecast_model(double precision[], text, integer) IS
    'what was fitted to the values of an array';

CREATE TYPE cq.anomaly_score AS (
    value           double precision,
    expected        double precision,
    lower           double precision,
    upper           double precision,
    score           double precision,
    is_anomaly      boolean
);
COMMENT ON TYPE cq.anomaly_score IS 'a value, what was expected, and how far it is from that';

CREATE FUNCTION cq.anomaly(value double precision, ts timestamptz, model text DEFAULT 'auto',
    season integer DEFAULT NULL, level double precision DEFAULT 0.9999, step interval DEFAULT NULL,
    min_training integer DEFAULT NULL, max_training integer DEFAULT NULL)
RETURNS cq.anomaly_score
AS 'MODULE_PATHNAME', 'cq_anomaly_window' LANGUAGE C WINDOW IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION cq.anomaly(double precision, timestamptz, text, integer, double precision,
    interval, integer, integer) IS
    'how far a value is from what the rows before made expect, OVER (PARTITION BY … ORDER BY ts)';

CREATE FUNCTION cq.anomaly(point double precision[], ts timestamptz, model text DEFAULT 'robust',
    level double precision DEFAULT 0.9999, "window" integer DEFAULT NULL)
RETURNS cq.anomaly_score
AS 'MODULE_PATHNAME', 'cq_anomaly_points_window' LANGUAGE C WINDOW IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION cq.anomaly(double precision[], timestamptz, text, double precision, integer) IS
    'how far a point is from those of the rows before it, OVER (PARTITION BY … ORDER BY ts)';

CREATE TYPE cq.decomposition AS (
    trend           double precision,
    seasonal        double precision,
    remainder       double precision
);
COMMENT ON TYPE cq.decomposition IS 'the parts of a value, which add up to it';

CREATE FUNCTION cq.decompose(value double precision, ts timestamptz, season integer DEFAULT NULL,
    season_window integer DEFAULT NULL, robust boolean DEFAULT false)
RETURNS cq.decomposition
AS 'MODULE_PATHNAME', 'cq_decompose_window' LANGUAGE C WINDOW IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION cq.decompose(double precision, timestamptz, integer, integer, boolean) IS
    'trend, season and remainder within all rows, OVER (PARTITION BY … ORDER BY ts)';

-- Means and deviations whose weights halve with age.

CREATE FUNCTION _cq.ewma_transition(state double precision[], value double precision,
    ts timestamptz, half_life interval)
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'cq_ewma_transition' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION _cq.ewma_transition(double precision[], double precision, timestamptz,
    interval) IS 'transition function of cq.ewma and cq.ewm_stddev';

CREATE FUNCTION _cq.ewma_combine(double precision[], double precision[])
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'cq_ewma_combine' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION _cq.ewma_combine(double precision[], double precision[]) IS
    'combine function of cq.ewma and cq.ewm_stddev';

CREATE FUNCTION _cq.ewma_mean(double precision[]) RETURNS double precision
AS 'MODULE_PATHNAME', 'cq_ewma_mean' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION _cq.ewma_mean(double precision[]) IS 'final function of cq.ewma';

CREATE FUNCTION _cq.ewma_stddev(double precision[]) RETURNS double precision
AS 'MODULE_PATHNAME', 'cq_ewma_stddev' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION _cq.ewma_stddev(double precision[]) IS 'final function of cq.ewm_stddev';

CREATE AGGREGATE cq.ewma(value double precision, ts timestamptz, half_life interval) (
    sfunc = _cq.ewma_transition, stype = double precision[], initcond = '{0,0,0,0,0}',
    combinefunc = _cq.ewma_combine, finalfunc = _cq.ewma_mean, parallel = safe
);
COMMENT ON AGGREGATE cq.ewma(double precision, timestamptz, interval) IS
    'mean of values whose weights halve with each half life of age';

CREATE AGGREGATE cq.ewm_stddev(value double precision, ts timestamptz, half_life interval) (
    sfunc = _cq.ewma_transition, stype = double precision[], initcond = '{0,0,0,0,0}',
    combinefunc = _cq.ewma_combine, finalfunc = _cq.ewma_stddev, parallel = safe
);
COMMENT ON AGGREGATE cq.ewm_stddev(double precision, timestamptz, interval) IS
    'standard deviation of values whose weights halve with each half life of age';

-- Distributions in bounded space.

CREATE TYPE cq.sketch;
CREATE FUNCTION _cq.sketch_in(cstring) RETURNS cq.sketch
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cq_sketch_in';
COMMENT ON FUNCTION _cq.sketch_in(cstring) IS 'input of a sketch';
CREATE FUNCTION _cq.sketch_out(cq.sketch) RETURNS cstring
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cq_sketch_out';
COMMENT ON FUNCTION _cq.sketch_out(cq.sketch) IS 'output of a sketch: level;key:count,…';
CREATE FUNCTION _cq.sketch_recv(internal) RETURNS cq.sketch
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cq_sketch_recv';
COMMENT ON FUNCTION _cq.sketch_recv(internal) IS 'binary input of a sketch';
CREATE FUNCTION _cq.sketch_send(cq.sketch) RETURNS bytea
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cq_sketch_send';
COMMENT ON FUNCTION _cq.sketch_send(cq.sketch) IS 'binary output of a sketch';
CREATE TYPE cq.sketch (
    input = _cq.sketch_in, output = _cq.sketch_out, receive = _cq.sketch_recv,
    send = _cq.sketch_send, internallength = variable, storage = extended
);
COMMENT ON TYPE cq.sketch IS 'distribution of values: counts by ranges, at most 512 of them';

-- Sketches of the same values are the same bytes, so that these are compared. The operators are in
-- pg_catalog, since IS DISTINCT FROM looks for = in the search_path.
CREATE FUNCTION _cq.sketch_lt(cq.sketch, cq.sketch) RETURNS boolean
    LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'bytealt';
COMMENT ON FUNCTION _cq.sketch_lt(cq.sketch, cq.sketch) IS 'implementation of operator <';
CREATE FUNCTION _cq.sketch_le(cq.sketch, cq.sketch) RETURNS boolean
    LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'byteale';
COMMENT ON FUNCTION _cq.sketch_le(cq.sketch, cq.sketch) IS 'implementation of operator <=';
CREATE FUNCTION _cq.sketch_eq(cq.sketch, cq.sketch) RETURNS boolean
    LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'byteaeq';
COMMENT ON FUNCTION _cq.sketch_eq(cq.sketch, cq.sketch) IS 'implementation of operator =';
CREATE FUNCTION _cq.sketch_ne(cq.sketch, cq.sketch) RETURNS boolean
    LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'byteane';
COMMENT ON FUNCTION _cq.sketch_ne(cq.sketch, cq.sketch) IS 'implementation of operator <>';
CREATE FUNCTION _cq.sketch_ge(cq.sketch, cq.sketch) RETURNS boolean
    LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'byteage';
COMMENT ON FUNCTION _cq.sketch_ge(cq.sketch, cq.sketch) IS 'implementation of operator >=';
CREATE FUNCTION _cq.sketch_gt(cq.sketch, cq.sketch) RETURNS boolean
    LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'byteagt';
COMMENT ON FUNCTION _cq.sketch_gt(cq.sketch, cq.sketch) IS 'implementation of operator >';
CREATE FUNCTION _cq.sketch_cmp(cq.sketch, cq.sketch) RETURNS integer
    LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'byteacmp';
COMMENT ON FUNCTION _cq.sketch_cmp(cq.sketch, cq.sketch) IS 'order of sketches, for indexes';
CREATE FUNCTION _cq.sketch_hash(cq.sketch) RETURNS integer
    LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'hashvarlena';
COMMENT ON FUNCTION _cq.sketch_hash(cq.sketch) IS 'hash of a sketch';
CREATE FUNCTION _cq.sketch_hash(cq.sketch, bigint) RETURNS bigint
    LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'hashvarlenaextended';
COMMENT ON FUNCTION _cq.sketch_hash(cq.sketch, bigint) IS 'hash of a sketch, with a seed';

CREATE OPERATOR pg_catalog.< (
    leftarg = cq.sketch, rightarg = cq.sketch, function = _cq.sketch_lt,
    commutator = OPERATOR(pg_catalog.>), negator = OPERATOR(pg_catalog.>=),
    restrict = scalarltsel, join = scalarltjoinsel
);
COMMENT ON OPERATOR pg_catalog.< (cq.sketch, cq.sketch) IS 'less than';
CREATE OPERATOR pg_catalog.<= (
    leftarg = cq.sketch, rightarg = cq.sketch, function = _cq.sketch_le,
    commutator = OPERATOR(pg_catalog.>=), negator = OPERATOR(pg_catalog.>),
    restrict = scalarlesel, join = scalarlejoinsel
);
COMMENT ON OPERATOR pg_catalog.<= (cq.sketch, cq.sketch) IS 'less than or equal';
CREATE OPERATOR pg_catalog.= (
    leftarg = cq.sketch, rightarg = cq.sketch, function = _cq.sketch_eq,
    commutator = OPERATOR(pg_catalog.=), negator = OPERATOR(pg_catalog.<>),
    restrict = eqsel, join = eqjoinsel, hashes, merges
);
COMMENT ON OPERATOR pg_catalog.= (cq.sketch, cq.sketch) IS 'equal';
CREATE OPERATOR pg_catalog.<> (
    leftarg = cq.sketch, rightarg = cq.sketch, function = _cq.sketch_ne,
    commutator = OPERATOR(pg_catalog.<>), negator = OPERATOR(pg_catalog.=),
    restrict = neqsel, join = neqjoinsel
);
COMMENT ON OPERATOR pg_catalog.<> (cq.sketch, cq.sketch) IS 'not equal';
CREATE OPERATOR pg_catalog.>= (
    leftarg = cq.sketch, rightarg = cq.sketch, function = _cq.sketch_ge,
    commutator = OPERATOR(pg_catalog.<=), negator = OPERATOR(pg_catalog.<),
    restrict = scalargesel, join = scalargejoinsel
);
COMMENT ON OPERATOR pg_catalog.>= (cq.sketch, cq.sketch) IS 'greater than or equal';
CREATE OPERATOR pg_catalog.> (
    leftarg = cq.sketch, rightarg = cq.sketch, function = _cq.sketch_gt,
    commutator = OPERATOR(pg_catalog.<), negator = OPERATOR(pg_catalog.<=),
    restrict = scalargtsel, join = scalargtjoinsel
);
COMMENT ON OPERATOR pg_catalog.> (cq.sketch, cq.sketch) IS 'greater than';

CREATE OPERATOR CLASS cq.sketch_ops DEFAULT FOR TYPE cq.sketch USING btree AS
    OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=,
    OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
    FUNCTION 1 _cq.sketch_cmp(cq.sketch, cq.sketch);
COMMENT ON OPERATOR CLASS cq.sketch_ops USING btree IS 'sketches in an order without a meaning';
CREATE OPERATOR CLASS cq.sketch_ops DEFAULT FOR TYPE cq.sketch USING hash AS
    OPERATOR 1 pg_catalog.=,
    FUNCTION 1 _cq.sketch_hash(cq.sketch), FUNCTION 2 _cq.sketch_hash(cq.sketch, bigint);
COMMENT ON OPERATOR CLASS cq.sketch_ops USING hash IS 'sketches that are equal';
COMMENT ON OPERATOR FAMILY cq.sketch_ops USING btree IS 'order of sketches';
COMMENT ON OPERATOR FAMILY cq.sketch_ops USING hash IS 'equality of sketches';

CREATE FUNCTION _cq.sketch_transition(internal, value double precision) RETURNS internal
AS 'MODULE_PATHNAME', 'cq_sketch_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION _cq.sketch_transition(internal, double precision) IS
    'transition function of cq.sketch';

CREATE FUNCTION _cq.sketch_transition(internal, sketch cq.sketch) RETURNS internal
AS 'MODULE_PATHNAME', 'cq_sketch_transition_sketch' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION _cq.sketch_transition(internal, cq.sketch) IS
    'transition function of cq.sketch over sketches';

CREATE FUNCTION _cq.sketch_combine(internal, internal) RETURNS internal
AS 'MODULE_PATHNAME', 'cq_sketch_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION _cq.sketch_combine(internal, internal) IS 'combine function of cq.sketch';

CREATE FUNCTION _cq.sketch_serialize(internal) RETURNS bytea
AS 'MODULE_PATHNAME', 'cq_sketch_serialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION _cq.sketch_serialize(internal) IS 'serialization function of cq.sketch';

CREATE FUNCTION _cq.sketch_deserialize(bytea, internal) RETURNS internal
AS 'MODULE_PATHNAME', 'cq_sketch_deserialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION _cq.sketch_deserialize(bytea, internal) IS
    'deserialization function of cq.sketch';

CREATE FUNCTION _cq.sketch_final(internal) RETURNS cq.sketch
AS 'MODULE_PATHNAME', 'cq_sketch_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION _cq.sketch_final(internal) IS 'final function of cq.sketch';

CREATE AGGREGATE cq.sketch(value double precision) (
    sfunc = _cq.sketch_transition, stype = internal, combinefunc = _cq.sketch_combine,
    serialfunc = _cq.sketch_serialize, deserialfunc = _cq.sketch_deserialize,
    finalfunc = _cq.sketch_final, parallel = safe
);
COMMENT ON AGGREGATE cq.sketch(double precision) IS
    'distribution of values: for median, quantiles and median absolute deviation';

CREATE AGGREGATE cq.sketch(sketch cq.sketch) (
    sfunc = _cq.sketch_transition, stype = internal, combinefunc = _cq.sketch_combine,
    serialfunc = _cq.sketch_serialize, deserialfunc = _cq.sketch_deserialize,
    finalfunc = _cq.sketch_final, parallel = safe
);
COMMENT ON AGGREGATE cq.sketch(cq.sketch) IS 'distribution of the values of several sketches';

CREATE FUNCTION cq.sketch_count(sketch cq.sketch) RETURNS bigint
AS 'MODULE_PATHNAME', 'cq_sketch_count_sql' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cq.sketch_count(cq.sketch) IS 'how many values a sketch has';

CREATE FUNCTION cq.quantile(sketch cq.sketch, part double precision) RETURNS double precision
AS 'MODULE_PATHNAME', 'cq_sketch_quantile_sql' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cq.quantile(cq.sketch, double precision) IS
    'the value that a part of the values, from 0 to 1, does not exceed, as percentile_cont';

CREATE FUNCTION cq.median(sketch cq.sketch) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN cq.quantile(sketch, 0.5);
COMMENT ON FUNCTION cq.median(cq.sketch) IS 'the median of the values of a sketch';

CREATE FUNCTION cq.mad(sketch cq.sketch) RETURNS double precision
AS 'MODULE_PATHNAME', 'cq_sketch_mad' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cq.mad(cq.sketch) IS 'the median absolute deviation of the values of a sketch';

CREATE FUNCTION cq.robust_z(value double precision, sketch cq.sketch) RETURNS double precision
AS 'MODULE_PATHNAME', 'cq_sketch_z' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cq.robust_z(double precision, cq.sketch) IS
    'distance of a value from the median, in deviations: (value - median) / (1.4826 mad)';

-- Mean and covariance of points.

CREATE TYPE cq.moments AS (
    count           bigint,
    mean            double precision[],
    covariance      double precision[]
);
COMMENT ON TYPE cq.moments IS 'mean and covariance of points';

CREATE FUNCTION _cq.moments_transition(state double precision[], point double precision[])
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'cq_moments_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION _cq.moments_transition(double precision[], double precision[]) IS
    'transition function of cq.moments';

CREATE FUNCTION _cq.moments_combine(double precision[], double precision[])
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'cq_moments_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION _cq.moments_combine(double precision[], double precision[]) IS
    'combine function of cq.moments';

CREATE FUNCTION _cq.moments_final(double precision[]) RETURNS cq.moments
AS 'MODULE_PATHNAME', 'cq_moments_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION _cq.moments_final(double precision[]) IS 'final function of cq.moments';

CREATE AGGREGATE cq.moments(point double precision[]) (
    sfunc = _cq.moments_transition, stype = double precision[],
    combinefunc = _cq.moments_combine, finalfunc = _cq.moments_final, parallel = safe
);
COMMENT ON AGGREGATE cq.moments(double precision[]) IS 'mean and covariance of points';

CREATE FUNCTION _cq.mahalanobis(point double precision[], mean double precision[],
    covariance double precision[])
RETURNS double precision
AS 'MODULE_PATHNAME', 'cq_moments_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION _cq.mahalanobis(double precision[], double precision[], double precision[]) IS
    'distance of a point from a mean, in terms of a covariance';

CREATE FUNCTION cq.mahalanobis(point double precision[], moments cq.moments)
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN _cq.mahalanobis(point, (moments).mean, (moments).covariance);
COMMENT ON FUNCTION cq.mahalanobis(double precision[], cq.moments) IS
    'distance of a point from the mean of others, in deviations: the multivariate z';
