-- Windows: for each time, the windows that it lies in; for a time that is null none, so that its row joins with nothing. All are SQL
-- functions that the planner makes part of the calling query: a tumbling window becomes two expressions and a condition, hop and
-- cumulate a join with the numbers of the windows, made anew for each row, which keeps the planner from storing the rows instead. What
-- depends on neighbours, as sessions do, cannot be a function of the time alone: see the end.

CREATE FUNCTION _cq.window_bound(ts timestamptz, step interval, origin timestamptz, block integer, "offset" integer) RETURNS timestamptz
AS 'MODULE_PATHNAME', 'cq_window_bound_timestamptz' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION _cq.window_bound(timestamptz, interval, timestamptz, integer, integer) IS 'where a step begins: offset steps after the start of the block of steps in which the time lies';

CREATE FUNCTION _cq.window_bound(ts timestamp, step interval, origin timestamp, block integer, "offset" integer) RETURNS timestamp
AS 'MODULE_PATHNAME', 'cq_window_bound_timestamp' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION _cq.window_bound(timestamp, interval, timestamp, integer, integer) IS 'where a step begins: offset steps after the start of the block of steps in which the time lies';

CREATE FUNCTION _cq.window_bound(ts bigint, step bigint, origin bigint, block integer, "offset" integer) RETURNS bigint
AS 'MODULE_PATHNAME', 'cq_window_bound_bigint' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION _cq.window_bound(bigint, bigint, bigint, integer, integer) IS 'where a step begins: offset steps after the start of the block of steps in which the time lies';

CREATE FUNCTION _cq.window_count(step interval, size interval, argument name, calendar boolean) RETURNS integer
AS 'MODULE_PATHNAME', 'cq_window_count_interval' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION _cq.window_count(interval, interval, name, boolean) IS 'how many steps a window has; an error if not a whole number';

CREATE FUNCTION _cq.window_count(step bigint, size bigint, argument name) RETURNS integer
AS 'MODULE_PATHNAME', 'cq_window_count_bigint' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION _cq.window_count(bigint, bigint, name) IS 'how many steps a window has; an error if not a whole number';

CREATE FUNCTION cq.tumble(ts timestamptz, size interval, origin timestamptz DEFAULT NULL)
RETURNS TABLE (window_start timestamptz, window_end timestamptz) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT _cq.window_bound(ts, size, origin, 1, 0), _cq.window_bound(ts, size, origin, 1, 1)
    WHERE ts IS NOT NULL;
END;
COMMENT ON FUNCTION cq.tumble(timestamptz, interval, timestamptz) IS 'the tumbling window of a time: windows of one size, each beginning where the one before ends';

CREATE FUNCTION cq.hop(ts timestamptz, slide interval, size interval, origin timestamptz DEFAULT NULL)
RETURNS TABLE (window_start timestamptz, window_end timestamptz) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT _cq.window_bound(ts, slide, origin, 1, n - _cq.window_count(slide, size, 'slide', true)), _cq.window_bound(ts, slide, origin, 1, n)
    FROM (SELECT pg_catalog.generate_series(1, _cq.window_count(slide, size, 'slide', true)) AS n WHERE ts IS NOT NULL) AS panes;
END;
COMMENT ON FUNCTION cq.hop(timestamptz, interval, interval, timestamptz) IS 'the hopping windows of a time: windows of one size, one beginning every slide, which the size is a multiple of';

CREATE FUNCTION cq.cumulate(ts timestamptz, step interval, size interval, origin timestamptz DEFAULT NULL)
RETURNS TABLE (window_start timestamptz, window_end timestamptz) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT _cq.window_bound(ts, step, origin, _cq.window_count(step, size, 'step', true), 0), _cq.window_bound(ts, step, origin, _cq.window_count(step, size, 'step', true), n)
    FROM (SELECT pg_catalog.generate_series(1, _cq.window_count(step, size, 'step', true)) AS n WHERE ts IS NOT NULL) AS panes
    WHERE _cq.window_bound(ts, step, origin, _cq.window_count(step, size, 'step', true), n) > ts;
END;
COMMENT ON FUNCTION cq.cumulate(timestamptz, interval, interval, timestamptz) IS 'the cumulating windows of a time: all begin where the tumbling window of that size does, and end a step later each, up to its end';

CREATE FUNCTION cq.tumble(ts timestamp, size interval, origin timestamp DEFAULT NULL)
RETURNS TABLE (window_start timestamp, window_end timestamp) LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT _cq.window_bound(ts, size, origin, 1, 0), _cq.window_bound(ts, size, origin, 1, 1)
    WHERE ts IS NOT NULL;
END;
COMMENT ON FUNCTION cq.tumble(timestamp, interval, timestamp) IS 'the tumbling window of a time: windows of one size, each beginning where the one before ends';

CREATE FUNCTION cq.hop(ts timestamp, slide interval, size interval, origin timestamp DEFAULT NULL)
RETURNS TABLE (window_start timestamp, window_end timestamp) LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT _cq.window_bound(ts, slide, origin, 1, n - _cq.window_count(slide, size, 'slide', false)), _cq.window_bound(ts, slide, origin, 1, n)
    FROM (SELECT pg_catalog.generate_series(1, _cq.window_count(slide, size, 'slide', false)) AS n WHERE ts IS NOT NULL) AS panes;
END;
COMMENT ON FUNCTION cq.hop(timestamp, interval, interval, timestamp) IS 'the hopping windows of a time: windows of one size, one beginning every slide, which the size is a multiple of';

CREATE FUNCTION cq.cumulate(ts timestamp, step interval, size interval, origin timestamp DEFAULT NULL)
RETURNS TABLE (window_start timestamp, window_end timestamp) LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT _cq.window_bound(ts, step, origin, _cq.window_count(step, size, 'step', false), 0), _cq.window_bound(ts, step, origin, _cq.window_count(step, size, 'step', false), n)
    FROM (SELECT pg_catalog.generate_series(1, _cq.window_count(step, size, 'step', false)) AS n WHERE ts IS NOT NULL) AS panes
    WHERE _cq.window_bound(ts, step, origin, _cq.window_count(step, size, 'step', false), n) > ts;
END;
COMMENT ON FUNCTION cq.cumulate(timestamp, interval, interval, timestamp) IS 'the cumulating windows of a time: all begin where the tumbling window of that size does, and end a step later each, up to its end';

CREATE FUNCTION cq.tumble(ts bigint, size bigint, origin bigint DEFAULT NULL)
RETURNS TABLE (window_start bigint, window_end bigint) LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT _cq.window_bound(ts, size, origin, 1, 0), _cq.window_bound(ts, size, origin, 1, 1)
    WHERE ts IS NOT NULL;
END;
COMMENT ON FUNCTION cq.tumble(bigint, bigint, bigint) IS 'the tumbling window of a time: windows of one size, each beginning where the one before ends';

CREATE FUNCTION cq.hop(ts bigint, slide bigint, size bigint, origin bigint DEFAULT NULL)
RETURNS TABLE (window_start bigint, window_end bigint) LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT _cq.window_bound(ts, slide, origin, 1, n - _cq.window_count(slide, size, 'slide')), _cq.window_bound(ts, slide, origin, 1, n)
    FROM (SELECT pg_catalog.generate_series(1, _cq.window_count(slide, size, 'slide')) AS n WHERE ts IS NOT NULL) AS panes;
END;
COMMENT ON FUNCTION cq.hop(bigint, bigint, bigint, bigint) IS 'the hopping windows of a time: windows of one size, one beginning every slide, which the size is a multiple of';

CREATE FUNCTION cq.cumulate(ts bigint, step bigint, size bigint, origin bigint DEFAULT NULL)
RETURNS TABLE (window_start bigint, window_end bigint) LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT _cq.window_bound(ts, step, origin, _cq.window_count(step, size, 'step'), 0), _cq.window_bound(ts, step, origin, _cq.window_count(step, size, 'step'), n)
    FROM (SELECT pg_catalog.generate_series(1, _cq.window_count(step, size, 'step')) AS n WHERE ts IS NOT NULL) AS panes
    WHERE _cq.window_bound(ts, step, origin, _cq.window_count(step, size, 'step'), n) > ts;
END;
COMMENT ON FUNCTION cq.cumulate(bigint, bigint, bigint, bigint) IS 'the cumulating windows of a time: all begin where the tumbling window of that size does, and end a step later each, up to its end';

-- The pane of a time that lies in overlapping windows: what is kept of a view in their place. A time whose windows go beyond the type's range is
-- an error here as it is there.

CREATE FUNCTION _cq.hop_pane(ts timestamptz, slide interval, size interval, origin timestamptz)
RETURNS TABLE (window_start timestamptz, window_end timestamptz) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT _cq.window_bound(ts, slide, origin, 1, 0), _cq.window_bound(ts, slide, origin, 1, 1)
    WHERE _cq.window_bound(ts, slide, origin, 1, 1 - _cq.window_count(slide, size, 'slide', true)) < _cq.window_bound(ts, slide, origin, 1, _cq.window_count(slide, size, 'slide', true));
END;
COMMENT ON FUNCTION _cq.hop_pane(timestamptz, interval, interval, timestamptz) IS 'the pane of a time in the windows of cq.hop';

CREATE FUNCTION _cq.cumulate_pane(ts timestamptz, step interval, size interval, origin timestamptz)
RETURNS TABLE (window_start timestamptz, window_end timestamptz) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT _cq.window_bound(ts, step, origin, 1, 0), _cq.window_bound(ts, step, origin, 1, 1)
    WHERE _cq.window_bound(ts, step, origin, _cq.window_count(step, size, 'step', true), 0) < _cq.window_bound(ts, step, origin, _cq.window_count(step, size, 'step', true), _cq.window_count(step, size, 'step', true));
END;
COMMENT ON FUNCTION _cq.cumulate_pane(timestamptz, interval, interval, timestamptz) IS 'the pane of a time in the windows of cq.cumulate';

CREATE FUNCTION _cq.hop_pane(ts timestamp, slide interval, size interval, origin timestamp)
RETURNS TABLE (window_start timestamp, window_end timestamp) LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT _cq.window_bound(ts, slide, origin, 1, 0), _cq.window_bound(ts, slide, origin, 1, 1)
    WHERE _cq.window_bound(ts, slide, origin, 1, 1 - _cq.window_count(slide, size, 'slide', false)) < _cq.window_bound(ts, slide, origin, 1, _cq.window_count(slide, size, 'slide', false));
END;
COMMENT ON FUNCTION _cq.hop_pane(timestamp, interval, interval, timestamp) IS 'the pane of a time in the windows of cq.hop';

CREATE FUNCTION _cq.cumulate_pane(ts timestamp, step interval, size interval, origin timestamp)
RETURNS TABLE (window_start timestamp, window_end timestamp) LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT _cq.window_bound(ts, step, origin, 1, 0), _cq.window_bound(ts, step, origin, 1, 1)
    WHERE _cq.window_bound(ts, step, origin, _cq.window_count(step, size, 'step', false), 0) < _cq.window_bound(ts, step, origin, _cq.window_count(step, size, 'step', false), _cq.window_count(step, size, 'step', false));
END;
COMMENT ON FUNCTION _cq.cumulate_pane(timestamp, interval, interval, timestamp) IS 'the pane of a time in the windows of cq.cumulate';

CREATE FUNCTION _cq.hop_pane(ts bigint, slide bigint, size bigint, origin bigint)
RETURNS TABLE (window_start bigint, window_end bigint) LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT _cq.window_bound(ts, slide, origin, 1, 0), _cq.window_bound(ts, slide, origin, 1, 1)
    WHERE _cq.window_bound(ts, slide, origin, 1, 1 - _cq.window_count(slide, size, 'slide')) < _cq.window_bound(ts, slide, origin, 1, _cq.window_count(slide, size, 'slide'));
END;
COMMENT ON FUNCTION _cq.hop_pane(bigint, bigint, bigint, bigint) IS 'the pane of a time in the windows of cq.hop';

CREATE FUNCTION _cq.cumulate_pane(ts bigint, step bigint, size bigint, origin bigint)
RETURNS TABLE (window_start bigint, window_end bigint) LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT _cq.window_bound(ts, step, origin, 1, 0), _cq.window_bound(ts, step, origin, 1, 1)
    WHERE _cq.window_bound(ts, step, origin, _cq.window_count(step, size, 'step'), 0) < _cq.window_bound(ts, step, origin, _cq.window_count(step, size, 'step'), _cq.window_count(step, size, 'step'));
END;
COMMENT ON FUNCTION _cq.cumulate_pane(bigint, bigint, bigint, bigint) IS 'the pane of a time in the windows of cq.cumulate';

-- Sessions: window functions, since where one begins and ends depends on the rows around.

CREATE FUNCTION cq.session(ts timestamptz, gap interval) RETURNS tstzrange
AS 'MODULE_PATHNAME', 'cq_session_timestamptz' LANGUAGE C WINDOW IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION cq.session(timestamptz, interval) IS 'the session of a row, OVER (PARTITION BY … ORDER BY ts): from its first time to its last one plus the gap, within which each is followed by the next';

CREATE FUNCTION cq.session(ts timestamp, gap interval) RETURNS tsrange
AS 'MODULE_PATHNAME', 'cq_session_timestamp' LANGUAGE C WINDOW IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION cq.session(timestamp, interval) IS 'the session of a row, OVER (PARTITION BY … ORDER BY ts): from its first time to its last one plus the gap, within which each is followed by the next';

CREATE FUNCTION cq.session(ts bigint, gap bigint) RETURNS int8range
AS 'MODULE_PATHNAME', 'cq_session_bigint' LANGUAGE C WINDOW IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION cq.session(bigint, bigint) IS 'the session of a row, OVER (PARTITION BY … ORDER BY ts): from its first time to its last one plus the gap, within which each is followed by the next';

-- What lies in the last while before now, in steps. Now is the same for all that a transaction reads. The end of the step is compared, so that whole steps
-- leave, and one that lies in the future has not come yet.

CREATE FUNCTION _cq.ago(length interval) RETURNS timestamptz
AS 'MODULE_PATHNAME', 'cq_clock_ago' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION _cq.ago(interval) IS 'the time at which the transaction began, or what cq.clock says it is, less an interval';

CREATE FUNCTION _cq.ago_utc(length interval) RETURNS timestamp
AS 'MODULE_PATHNAME', 'cq_clock_ago_utc' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION _cq.ago_utc(interval) IS 'the time at which the transaction began, or what cq.clock says it is, in UTC, less an interval';

CREATE FUNCTION cq.sliding(ts timestamptz, size interval, step interval, origin timestamptz DEFAULT NULL)
RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT _cq.window_bound(ts, step, origin, 1, 1) > _cq.ago(size) AND _cq.window_bound(ts, step, origin, 1, 0) <= _cq.ago('0')
        AND _cq.window_count(step, size, 'step', true) > 0;
END;
COMMENT ON FUNCTION cq.sliding(timestamptz, interval, interval, timestamptz) IS 'whether a time lies in the last while before now, of that size, which moves on by whole steps';

CREATE FUNCTION cq.sliding(ts timestamp, size interval, step interval, origin timestamp DEFAULT NULL)
RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT _cq.window_bound(ts, step, origin, 1, 1) > _cq.ago_utc(size) AND _cq.window_bound(ts, step, origin, 1, 0) <= _cq.ago_utc('0')
        AND _cq.window_count(step, size, 'step', false) > 0;
END;
COMMENT ON FUNCTION cq.sliding(timestamp, interval, interval, timestamp) IS 'whether a time, in UTC, lies in the last while before now, of that size, which moves on by whole steps';
