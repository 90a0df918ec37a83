/* pg_cq: continuous queries over Apache Kafka */
\echo Use "CREATE EXTENSION pg_cq" to load this file. \quit

CREATE SCHEMA cq;
COMMENT ON SCHEMA cq IS 'pg_cq: what users call and read';
CREATE SCHEMA _cq;
COMMENT ON SCHEMA _cq IS 'pg_cq: catalog, definitions and state of continuous views';

-- The catalog. Rows name relations by regclass, so that pg_dump and restore keep them; people read the views in status.sql.

CREATE TABLE _cq.view (
    view            regclass PRIMARY KEY,           -- what people read
    definition      regclass NOT NULL,              -- the query as written, over the streams
    state           regclass NOT NULL,              -- keys and partial states, or kept rows
    stream          regclass NOT NULL,              -- the one stream that feeds it
    status          text NOT NULL DEFAULT 'running'
                    CHECK (status IN ('running', 'paused', 'blocked', 'failed', 'restored')), -- blocked: its sink is too far behind
    status_detail   text,                           -- why it failed, or what it waits for
    on_error        text NOT NULL DEFAULT 'skip' CHECK (on_error IN ('skip', 'pause')),
    start           text NOT NULL DEFAULT 'earliest', -- earliest, latest, a timestamp, or JSON of offsets for each partition
    retention       interval,
    settings        text[] NOT NULL,                -- name=value: pinned at CREATE, set by the worker
    created_at      timestamptz NOT NULL DEFAULT now(),
    is_started      boolean NOT NULL DEFAULT false, -- its first positions are settled; partitions seen later begin at their beginning
    emit            text NOT NULL DEFAULT 'change' CHECK (emit IN ('change', 'close')),
    watermark       interval,                       -- in place of the stream's option
    allowed_lateness interval,
    late            text NOT NULL DEFAULT 'drop' CHECK (late IN ('drop', 'keep', 'amend')),
    result          regclass,                       -- rows of closed windows, where emit = 'close'
    sink            regclass,                       -- where its changes go: a stream or a table
    outbox          regclass,                       -- what is still to be sent, where the sink is a topic
    notify          text,                           -- the channel that is told of its changes
    tells_changes   boolean NOT NULL DEFAULT false, -- to whomever
    changes         regclass,                       -- stream of its changes: old row and new row
    steps_kept      interval,                       -- with cq.sliding: a step that began longer ago is of no use to anybody
    expires         text CHECK (expires IN ('rows', 'groups', 'windows', 'results')), -- what retention makes go; null: it cannot be set
    retention_by    text CHECK (retention_by IN ('event_time', 'change'))
);
COMMENT ON TABLE _cq.view IS 'continuous views';

CREATE FUNCTION _cq.clock() RETURNS timestamptz
    LANGUAGE C VOLATILE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'cq_clock_now_sql';
COMMENT ON FUNCTION _cq.clock() IS 'what time it is, or what time cq.clock says it is';

-- A place in a partition of a stream. Views that stand at the same place share a cursor, so that a batch is read once for all.
CREATE SEQUENCE _cq.cursor_id_seq;
CREATE TABLE _cq.cursor (
    cursor_id       bigint PRIMARY KEY DEFAULT nextval('_cq.cursor_id_seq'),
    stream          regclass NOT NULL,
    topic           text COLLATE "C" NOT NULL,
    partition       integer NOT NULL,
    next_offset     bigint NOT NULL,                -- of the next message to be read
    end_offset      bigint,                         -- the partition's end as last seen
    last_timestamp  timestamptz,                    -- of the last message read
    event_time      timestamptz,                    -- the highest that was read; of a timestamp the same digits, as if in UTC
    active_at       timestamptz NOT NULL DEFAULT _cq.clock() -- when something was last read
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
ALTER SEQUENCE _cq.cursor_id_seq OWNED BY _cq.cursor.cursor_id;
COMMENT ON TABLE _cq.cursor IS 'how far streams have been read, for each partition';

-- Which cursor a view follows in each partition.
CREATE TABLE _cq.follow (
    view            regclass NOT NULL,
    topic           text COLLATE "C" NOT NULL,
    partition       integer NOT NULL,
    cursor_id       bigint NOT NULL,
    PRIMARY KEY (view, topic, partition)
);
CREATE INDEX follow_cursor ON _cq.follow (cursor_id);
COMMENT ON TABLE _cq.follow IS 'the cursor that a continuous view follows in each partition';

-- How far the windows of views with emit = 'close' have been closed. Locked after the state: workers read it while they hold that.
CREATE TABLE _cq.closing (
    view            regclass PRIMARY KEY,
    closed_through  timestamptz,                    -- rows of windows that end up to here come too late; of sessions, rows before
    emitted_through timestamptz,                    -- windows that end up to here are in the result
    next_close      timestamptz,                    -- nothing is to be closed before the watermark gets there
    expired_through timestamptz                     -- with late = 'amend': rows of windows that end up to here come too late
);
COMMENT ON TABLE _cq.closing IS 'how far continuous views have closed their windows';

-- Rows that came after all of their windows were closed.
CREATE TABLE _cq.late (
    late_id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    occurred_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    view            regclass NOT NULL,
    stream          regclass NOT NULL,
    topic           text COLLATE "C" NOT NULL,
    partition       integer NOT NULL,
    "offset"        bigint NOT NULL,
    event_time      timestamptz NOT NULL,
    window_end      timestamptz,                    -- of the last of its windows; null: of sessions it has none
    key             bytea,
    payload         bytea,
    payload_length  bigint
);
CREATE INDEX late_view ON _cq.late (view, late_id);
COMMENT ON TABLE _cq.late IS 'messages that came too late for a continuous view';

-- Dead letters: rows that could not be decoded or processed.
CREATE TABLE _cq.error (
    error_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    occurred_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    view            regclass NOT NULL,
    stream          regclass NOT NULL,
    topic           text COLLATE "C",
    partition       integer,
    "offset"        bigint,
    key             bytea,
    payload         bytea,
    payload_length  bigint,                         -- the payload may have been cut to cq.error_payload_limit
    sqlstate        text,
    message         text NOT NULL
);
CREATE INDEX error_view ON _cq.error (view, error_id);
COMMENT ON TABLE _cq.error IS 'messages that a continuous view could not process';

-- Messages that had gone from the topic before they were read.
CREATE TABLE _cq.gap (
    gap_id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    occurred_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    stream          regclass NOT NULL,
    topic           text COLLATE "C" NOT NULL,
    partition       integer NOT NULL,
    from_offset     bigint NOT NULL,
    to_offset       bigint NOT NULL
);
COMMENT ON TABLE _cq.gap IS 'ranges of offsets that were gone before they could be read';

-- Sinks: continuous views whose changes go to a Kafka stream. The outbox is a table of the view's owner in this schema, which goes with the view:
--     id bigint PRIMARY KEY, topic text, partition integer, "timestamp" timestamptz, key bytea, value bytea, headers jsonb
-- Its ids are consecutive in the order of commits; where value is null the message is a tombstone. Written by the emitter once the view is there.
CREATE TABLE _cq.sink (
    view            regclass PRIMARY KEY,
    sink            regclass NOT NULL,              -- the stream that gets the rows
    outbox          regclass NOT NULL,              -- rows on their way
    epoch           bigint NOT NULL,                -- random: names the producer and its place in Kafka, which count ids of this outbox and no other
    sent_id         bigint NOT NULL DEFAULT 0,      -- rows up to here are in Kafka, and deleted
    sending_id      bigint NOT NULL DEFAULT 0,      -- rows up to here may be; what counts is the place that Kafka keeps
    status          text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'failed')),
    detail          text,                           -- why it failed
    kafka_id        bigint                          -- where it failed because Kafka is ahead: rows up to here are in Kafka
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
COMMENT ON TABLE _cq.sink IS 'continuous views that send their changes to Kafka, and how far';

-- A row of its own, so that batches, which number the rows of an outbox, and the emitter do not wait for each other.
CREATE TABLE _cq.outbox_end (
    view            regclass PRIMARY KEY,
    next_id         bigint NOT NULL DEFAULT 1       -- of the next row to be put into the outbox
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
COMMENT ON TABLE _cq.outbox_end IS 'how far the rows in outboxes are numbered';

-- Which table holds the rows of a stream of server cq_log.
CREATE TABLE _cq.log (
    stream          regclass PRIMARY KEY,
    log             regclass NOT NULL,
    begin_offset    bigint NOT NULL DEFAULT 0       -- rows before it have been removed
);
COMMENT ON TABLE _cq.log IS 'tables behind the streams kept in this database';

-- Who this database is: a copy or a restore differs, and does not run until told to.
CREATE TABLE _cq.identity (
    system_identifier bigint NOT NULL,
    database_id     oid NOT NULL,
    prefix          text NOT NULL                   -- of consumer groups and transactional ids
);
COMMENT ON TABLE _cq.identity IS 'the cluster and database that the positions belong to';

DO $$
DECLARE
    relation regclass;
BEGIN
    -- One at a time: each call changes the extension's own row.
    FOREACH relation IN ARRAY ARRAY['_cq.view', '_cq.cursor', '_cq.cursor_id_seq', '_cq.follow', '_cq.closing', '_cq.late', '_cq.late_late_id_seq', '_cq.error', '_cq.error_error_id_seq',
                                    '_cq.gap', '_cq.gap_gap_id_seq', '_cq.sink', '_cq.outbox_end', '_cq.log', '_cq.identity']::regclass[] LOOP
        PERFORM pg_catalog.pg_extension_config_dump(relation, '');
    END LOOP;
END
$$;
-- Streams: the two foreign data wrappers, and the server for streams that are kept in this database.

CREATE FUNCTION _cq.kafka_handler() RETURNS fdw_handler
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_kafka_handler';
COMMENT ON FUNCTION _cq.kafka_handler() IS 'streams of Apache Kafka as foreign tables';
CREATE FUNCTION _cq.kafka_validator(text[], oid) RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_kafka_validator';
COMMENT ON FUNCTION _cq.kafka_validator(text[], oid) IS 'checks options of cq_kafka';
CREATE FUNCTION _cq.log_handler() RETURNS fdw_handler
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_log_handler';
COMMENT ON FUNCTION _cq.log_handler() IS 'streams kept in this database as foreign tables';
CREATE FUNCTION _cq.log_validator(text[], oid) RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_log_validator';
COMMENT ON FUNCTION _cq.log_validator(text[], oid) IS 'checks options of cq_log';

CREATE FOREIGN DATA WRAPPER cq_kafka HANDLER _cq.kafka_handler VALIDATOR _cq.kafka_validator;
COMMENT ON FOREIGN DATA WRAPPER cq_kafka IS 'topics of Apache Kafka as streams';
CREATE FOREIGN DATA WRAPPER cq_log HANDLER _cq.log_handler VALIDATOR _cq.log_validator;
COMMENT ON FOREIGN DATA WRAPPER cq_log IS 'streams kept in this database';

CREATE SERVER cq_log FOREIGN DATA WRAPPER cq_log;
COMMENT ON SERVER cq_log IS 'streams kept in this database';

-- A table that holds a stream's rows is a part of the stream, also after a restore.
CREATE FUNCTION _cq.log_adopt() RETURNS trigger
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_log_adopt';
COMMENT ON FUNCTION _cq.log_adopt() IS 'makes the table behind a stream a part of it';
REVOKE ALL ON FUNCTION _cq.log_adopt() FROM PUBLIC;
CREATE TRIGGER log_adopt AFTER INSERT ON _cq.log FOR EACH ROW EXECUTE FUNCTION _cq.log_adopt();
COMMENT ON TRIGGER log_adopt ON _cq.log IS 'makes the table behind a stream a part of it';

CREATE FUNCTION _cq.stream_extents(stream regclass, OUT topic text, OUT partition integer, OUT begin_offset bigint, OUT end_offset bigint)
    RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_stream_extents_sql';
COMMENT ON FUNCTION _cq.stream_extents(regclass) IS
    'how far each partition of a stream reaches now: the oldest offset still there, and the next one to be written by committed transactions';
REVOKE ALL ON FUNCTION _cq.stream_extents(regclass) FROM PUBLIC;

CREATE FUNCTION _cq.log_trim(stream regclass) RETURNS bigint
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_log_trim_sql';
COMMENT ON FUNCTION _cq.log_trim(regclass) IS
    'removes rows of a stream that are older than its retention and that no continuous view still has to read; returns how many';
REVOKE ALL ON FUNCTION _cq.log_trim(regclass) FROM PUBLIC;

CREATE FUNCTION _cq.log_trim() RETURNS bigint
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cq_log_trim_all_sql';
COMMENT ON FUNCTION _cq.log_trim() IS 'applies their retention to all streams kept in this database; returns how many rows were removed';
REVOKE ALL ON FUNCTION _cq.log_trim() FROM PUBLIC;
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

-- Continuous views: commands.

CREATE FUNCTION _cq.on_sql_drop() RETURNS event_trigger
    LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cq_on_sql_drop';
COMMENT ON FUNCTION _cq.on_sql_drop() IS 'removes what belonged to dropped continuous views and streams';
REVOKE ALL ON FUNCTION _cq.on_sql_drop() FROM PUBLIC;

CREATE EVENT TRIGGER cq_drop ON sql_drop EXECUTE FUNCTION _cq.on_sql_drop();
ALTER EVENT TRIGGER cq_drop ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER cq_drop IS 'removes what belonged to dropped continuous views and streams';

CREATE FUNCTION cq.resume_all(keep_ids boolean DEFAULT false) RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cq_resume_all';
COMMENT ON FUNCTION cq.resume_all(boolean) IS
    'lets the continuous views of a restored or copied database run here, under new consumer group and transactional ids unless told to keep them';
REVOKE ALL ON FUNCTION cq.resume_all(boolean) FROM PUBLIC;

CREATE FUNCTION cq.resume_sink(view regclass, resend boolean) RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cq_resume_sink';
COMMENT ON FUNCTION cq.resume_sink(regclass, boolean) IS
    'lets a sink that has failed go on: rows of which is unknown whether they are in Kafka are sent (again), or are taken as sent';

CREATE FUNCTION _cq.expire_rows(max_rows bigint DEFAULT 100000, one_view boolean DEFAULT false) RETURNS bigint
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cq_expire_rows';
COMMENT ON FUNCTION _cq.expire_rows(bigint, boolean) IS
    'deletes what continuous views no longer need by their option retention or by cq.sliding, at most so many rows of each; gives how many went';
REVOKE ALL ON FUNCTION _cq.expire_rows(bigint, boolean) FROM PUBLIC;

CREATE FUNCTION _cq.unblock_views() RETURNS bigint
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cq_unblock_views';
COMMENT ON FUNCTION _cq.unblock_views() IS
    'lets those views run again that were blocked by their sink, once half of their outbox is sent; gives how many there were';
REVOKE ALL ON FUNCTION _cq.unblock_views() FROM PUBLIC;
-- What people see of views, streams and workers, and how they steer them. Everybody sees what he may read.

CREATE FUNCTION _cq.stat_relations(
        OUT relation oid, OUT rows bigint, OUT bytes bigint, OUT bad_rows bigint, OUT late_rows bigint, OUT groups_inserted bigint, OUT groups_updated bigint,
        OUT batches bigint, OUT total_batch_time float8, OUT mean_batch_time float8, OUT max_batch_time float8,
        OUT rows_per_second float8, OUT last_batch_time timestamptz, OUT state text, OUT state_since timestamptz,
        OUT last_error text, OUT last_error_time timestamptz, OUT stats_reset timestamptz)
    RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'cq_stats_relations';
COMMENT ON FUNCTION _cq.stat_relations() IS 'counters and states of views and streams of this database';

CREATE FUNCTION _cq.worker_status(
        OUT worker integer, OUT workers integer, OUT pid integer, OUT state text, OUT state_since timestamptz, OUT started_at timestamptz,
        OUT restarts bigint, OUT rows bigint, OUT bytes bigint, OUT batches bigint, OUT last_batch_time timestamptz,
        OUT last_error text, OUT last_error_time timestamptz)
    RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'cq_worker_status';
COMMENT ON FUNCTION _cq.worker_status() IS 'ingest workers of this database';

CREATE FUNCTION _cq.is_copy() RETURNS boolean
    LANGUAGE C STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'cq_is_copy';
COMMENT ON FUNCTION _cq.is_copy() IS 'whether nothing runs here because the database is a copy or was restored';

-- ---- steering ----

CREATE FUNCTION cq.wait(view regclass, timeout interval DEFAULT NULL) RETURNS boolean
    LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cq_wait';
COMMENT ON FUNCTION cq.wait(regclass, interval) IS
    'waits until a continuous view has seen all that is in its stream at the call, and its windows are closed as far as the watermark allows; false where the timeout was over first';

CREATE FUNCTION cq.flush(view regclass, timeout interval DEFAULT NULL) RETURNS boolean
    LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cq_flush';
COMMENT ON FUNCTION cq.flush(regclass, interval) IS
    'waits until what is in the outbox of a continuous view at the call is in the topic of its sink; false where the timeout was over first';

CREATE FUNCTION cq.pause(view regclass) RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cq_pause';
COMMENT ON FUNCTION cq.pause(regclass) IS 'stops a continuous view where it is';

CREATE FUNCTION cq.resume(view regclass) RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cq_resume';
COMMENT ON FUNCTION cq.resume(regclass) IS 'lets a continuous view that was paused or has failed go on where it is';

CREATE FUNCTION cq.reset(view regclass, "to" text DEFAULT 'earliest') RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cq_reset';
COMMENT ON FUNCTION cq.reset(regclass, text) IS
    'empties a continuous view, its errors too, and lets it begin again: at earliest, latest, a timestamp, or offsets as JSON';

CREATE FUNCTION cq.stat_reset(view regclass DEFAULT NULL) RETURNS void
    LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'cq_stats_reset';
COMMENT ON FUNCTION cq.stat_reset(regclass) IS 'sets the counters of a continuous view, or of all in this database, to zero';

-- ---- time ----

CREATE FUNCTION cq.watermark(view regclass) RETURNS timestamptz
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cq_watermark';
COMMENT ON FUNCTION cq.watermark(regclass) IS
    'the time below which a continuous view expects no more rows; null where its stream has no event times, or not all partitions have brought one';

CREATE FUNCTION _cq.close_windows() RETURNS bigint
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cq_close_windows';
COMMENT ON FUNCTION _cq.close_windows() IS 'closes windows whose end the watermark has passed, of one view; 0: there was none';
REVOKE ALL ON FUNCTION _cq.close_windows() FROM PUBLIC;

CREATE FUNCTION _cq.emit_windows() RETURNS bigint
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cq_emit_windows';
COMMENT ON FUNCTION _cq.emit_windows() IS 'makes the rows of closed windows, of one view; 0: there was none';
REVOKE ALL ON FUNCTION _cq.emit_windows() FROM PUBLIC;

-- For readers of views whose windows expire: what those are is no secret.
CREATE FUNCTION _cq.expired_through(state regclass) RETURNS timestamptz
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ SELECT coalesce((SELECT c.closed_through FROM _cq.view v JOIN _cq.closing c ON c.view = v.view WHERE v.state = $1), '-infinity') $$;
COMMENT ON FUNCTION _cq.expired_through(regclass) IS 'the end up to which windows of the continuous view with that state have expired';

CREATE FUNCTION _cq.expired_through_utc(state regclass) RETURNS timestamp
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT _cq.expired_through(state) AT TIME ZONE 'UTC';
END;
COMMENT ON FUNCTION _cq.expired_through_utc(regclass) IS 'the end up to which windows of the continuous view with that state have expired, as timestamps of UTC';

-- ---- positions ----

CREATE VIEW cq.positions WITH (security_barrier) AS
SELECT f.view, c.stream, f.topic, f.partition, c.next_offset, e.end_offset,
       greatest(e.end_offset - c.next_offset, 0) AS lag_messages, c.last_timestamp,
       c.event_time, c.event_time - d.delay AS watermark, c.active_at
FROM _cq.follow f
JOIN _cq.cursor c USING (cursor_id)
JOIN pg_catalog.pg_class r ON r.oid = f.view,
LATERAL (SELECT max(o.end_offset) AS end_offset
         FROM _cq.cursor o
         WHERE o.stream = c.stream AND o.topic = c.topic AND o.partition = c.partition) e,
LATERAL (SELECT coalesce(v.watermark, (SELECT o.option_value::interval
                                       FROM pg_catalog.pg_foreign_table t, pg_catalog.pg_options_to_table(t.ftoptions) o
                                       WHERE t.ftrelid = c.stream AND o.option_name = 'watermark'), '0') AS delay
         FROM _cq.view v
         WHERE v.view = f.view) d
WHERE pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE');
COMMENT ON VIEW cq.positions IS 'how far continuous views have read; exact for what the same snapshot sees of the view';

CREATE INDEX cursor_partition ON _cq.cursor (stream, topic, partition);

-- ---- views ----

CREATE VIEW cq.views WITH (security_barrier) AS
SELECT v.view,
       CASE WHEN _cq.is_copy() THEN 'restored' ELSE v.status END AS status,
       coalesce(CASE WHEN pg_catalog.pg_has_role(r.relowner, 'USAGE') THEN v.status_detail END,     -- it may quote what was read
                CASE WHEN v.status <> 'running' THEN NULL
                     WHEN NOT w.is_there THEN 'no worker runs: see cq.workers'
                     WHEN s.state IN ('waiting for broker', 'failed') THEN concat_ws(': ', s.state, s.last_error)
                     WHEN NOT v.is_started THEN 'has not begun yet' END) AS status_detail,
       v.stream,
       pg_catalog.pg_get_userbyid(r.relowner) AS owner,
       v.start, v.on_error, v.retention, v.retention_by, v.emit, v.allowed_lateness, v.late, v.sink, v.changes, v.notify,
       pg_catalog.pg_get_viewdef(v.definition) AS definition,
       v.created_at,
       p.lag_messages::bigint AS lag_messages,
       p.lag,
       coalesce(n.rows, 0) AS rows, coalesce(n.bytes, 0) AS bytes, coalesce(n.bad_rows, 0) AS bad_rows, coalesce(n.late_rows, 0) AS late_rows,
       coalesce(round(n.rows_per_second::numeric, 2), 0)::float8 AS rows_per_second, n.last_batch_time, n.last_error, n.last_error_time
FROM _cq.view v
JOIN pg_catalog.pg_class r ON r.oid = v.view
LEFT JOIN _cq.stat_relations() n ON n.relation = v.view
LEFT JOIN _cq.stat_relations() s ON s.relation = v.stream
CROSS JOIN (SELECT count(pid) > 0 AS is_there FROM _cq.worker_status()) w,
LATERAL (SELECT sum(o.lag_messages) AS lag_messages,
                CASE WHEN sum(o.lag_messages) = 0 THEN '0'
                     ELSE max(pg_catalog.clock_timestamp() - o.last_timestamp) FILTER (WHERE o.lag_messages > 0) END AS lag
         FROM cq.positions o
         WHERE o.view = v.view) p
WHERE pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE');
COMMENT ON VIEW cq.views IS 'continuous views: status, options, definition, lag, rates, last error';

-- ---- streams ----

CREATE VIEW cq.streams WITH (security_barrier) AS
SELECT t.ftrelid::regclass AS stream,
       w.fdwname AS source,
       n.srvname AS server,
       CASE WHEN EXISTS (SELECT FROM _cq.view v WHERE v.stream = t.ftrelid AND v.status = 'running')
            THEN coalesce(s.state, 'unread') ELSE 'unread' END AS state,
       s.state_since,
       s.last_error, s.last_error_time,
       (SELECT count(*) FROM _cq.view v WHERE v.stream = t.ftrelid) AS views,
       c.partitions, c.end_offset,
       g.gaps, g.missing_messages, g.last_gap_time
FROM pg_catalog.pg_foreign_table t
JOIN pg_catalog.pg_class r ON r.oid = t.ftrelid
JOIN pg_catalog.pg_foreign_server n ON n.oid = t.ftserver
JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = n.srvfdw
LEFT JOIN _cq.stat_relations() s ON s.relation = t.ftrelid,
LATERAL (SELECT count(*) AS partitions, sum(p.end_offset)::bigint AS end_offset
         FROM (SELECT max(end_offset) AS end_offset FROM _cq.cursor WHERE stream = t.ftrelid GROUP BY topic, partition) p) c,
LATERAL (SELECT count(*) AS gaps, sum(greatest(to_offset - from_offset, 0))::bigint AS missing_messages, max(occurred_at) AS last_gap_time
         FROM _cq.gap WHERE stream = t.ftrelid) g
WHERE w.fdwname IN ('cq_kafka', 'cq_log')
  AND (pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE'));
COMMENT ON VIEW cq.streams IS 'streams: state of their source as the workers see it, how far it reaches, gaps';

CREATE VIEW cq.gaps WITH (security_barrier) AS
SELECT g.occurred_at, g.stream, g.topic, g.partition, g.from_offset, g.to_offset
FROM _cq.gap g
JOIN pg_catalog.pg_class r ON r.oid = g.stream
WHERE pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE');
COMMENT ON VIEW cq.gaps IS 'ranges of offsets that were gone before they could be read';

-- ---- sinks ----

CREATE FUNCTION _cq.stat_sinks(
        OUT view oid, OUT state text, OUT state_since timestamptz, OUT rows bigint, OUT bytes bigint, OUT transactions bigint,
        OUT last_sent_time timestamptz, OUT last_error text, OUT last_error_time timestamptz)
    RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'cq_sink_stats';
COMMENT ON FUNCTION _cq.stat_sinks() IS 'how the sinks of this database fare, since the server was started';

CREATE FUNCTION _cq.wake_emitter() RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'cq_wake_emitter';
COMMENT ON FUNCTION _cq.wake_emitter() IS 'has the emitter of this database look into the outboxes now, and started where there is none';
REVOKE ALL ON FUNCTION _cq.wake_emitter() FROM PUBLIC;

CREATE VIEW cq.sinks WITH (security_barrier) AS
SELECT k.view, k.sink,
       CASE WHEN _cq.is_copy() THEN 'restored'
            WHEN k.status = 'failed' THEN 'failed'
            ELSE coalesce(s.state, 'unserved') END AS state,
       CASE WHEN pg_catalog.pg_has_role(r.relowner, 'USAGE') THEN k.detail END AS detail,
       greatest(coalesce(e.next_id, 1) - 1 - k.sent_id, 0) AS pending_rows,
       k.sent_id AS sent_rows,
       s.last_sent_time,
       s.last_error, s.last_error_time,
       coalesce(s.rows, 0) AS rows, coalesce(s.bytes, 0) AS bytes, coalesce(s.transactions, 0) AS transactions,
       'pg_cq-' || lpad(to_hex(k.epoch), 16, '0') AS transactional_id
FROM _cq.sink k
JOIN pg_catalog.pg_class r ON r.oid = k.view
LEFT JOIN _cq.outbox_end e ON e.view = k.view
LEFT JOIN _cq.stat_sinks() s ON s.view = k.view
WHERE pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE');
COMMENT ON VIEW cq.sinks IS 'where the changes of continuous views are sent: state, how far, last error';

-- ---- dead letters ----

CREATE VIEW cq.errors WITH (security_barrier) AS
SELECT e.error_id, e.occurred_at, e.view, e.stream, e.topic, e.partition, e."offset", e.key, e.payload, e.payload_length,
       e.sqlstate, e.message
FROM _cq.error e
JOIN pg_catalog.pg_class r ON r.oid = e.view
WHERE pg_catalog.pg_has_role(r.relowner, 'USAGE');
COMMENT ON VIEW cq.errors IS 'messages that a continuous view could not process; for its owner to see, and to delete';

-- Only rows that the view shows get here.
CREATE FUNCTION _cq.delete_error() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    DELETE FROM _cq.error WHERE error_id = OLD.error_id;
    RETURN OLD;
END
$$;
COMMENT ON FUNCTION _cq.delete_error() IS 'deletes what is deleted from cq.errors';
REVOKE ALL ON FUNCTION _cq.delete_error() FROM PUBLIC;
CREATE TRIGGER delete_error INSTEAD OF DELETE ON cq.errors FOR EACH ROW EXECUTE FUNCTION _cq.delete_error();
COMMENT ON TRIGGER delete_error ON cq.errors IS 'deletes what is deleted from cq.errors';

CREATE VIEW cq.late WITH (security_barrier) AS
SELECT l.late_id, l.occurred_at, l.view, l.stream, l.topic, l.partition, l."offset", l.event_time, l.window_end, l.key, l.payload,
       l.payload_length
FROM _cq.late l
JOIN pg_catalog.pg_class r ON r.oid = l.view
WHERE pg_catalog.pg_has_role(r.relowner, 'USAGE');
COMMENT ON VIEW cq.late IS 'messages that came too late for a continuous view with late = keep; for its owner to see, and to delete';

CREATE FUNCTION _cq.delete_late() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    DELETE FROM _cq.late WHERE late_id = OLD.late_id;
    RETURN OLD;
END
$$;
COMMENT ON FUNCTION _cq.delete_late() IS 'deletes what is deleted from cq.late';
REVOKE ALL ON FUNCTION _cq.delete_late() FROM PUBLIC;
CREATE TRIGGER delete_late INSTEAD OF DELETE ON cq.late FOR EACH ROW EXECUTE FUNCTION _cq.delete_late();
COMMENT ON TRIGGER delete_late ON cq.late IS 'deletes what is deleted from cq.late';

-- ---- workers, statistics ----

CREATE VIEW cq.workers WITH (security_barrier) AS
SELECT worker, workers, pid, state, state_since, started_at, restarts,
       last_error, last_error_time
FROM _cq.worker_status()
ORDER BY worker;
COMMENT ON VIEW cq.workers IS 'ingest workers of this database and what they are doing';

CREATE VIEW cq.stat_workers AS
SELECT worker, pid, rows, bytes, batches, last_batch_time
FROM _cq.worker_status()
ORDER BY worker;
COMMENT ON VIEW cq.stat_workers IS 'what the ingest workers of this database have read';

CREATE VIEW cq.stat_views WITH (security_barrier) AS
SELECT v.view, n.rows, n.bytes, n.bad_rows, n.late_rows, n.groups_inserted, n.groups_updated, n.batches, n.total_batch_time, n.mean_batch_time,
       n.max_batch_time, round(n.rows_per_second::numeric, 2)::float8 AS rows_per_second, n.last_batch_time, n.last_error, n.last_error_time, n.stats_reset
FROM _cq.view v
JOIN pg_catalog.pg_class r ON r.oid = v.view
JOIN _cq.stat_relations() n ON n.relation = v.view
WHERE pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE');
COMMENT ON VIEW cq.stat_views IS 'what the workers have done for continuous views; times in ms';

-- The launcher learns of the extension when this commits.
CREATE FUNCTION _cq.start_workers() RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'cq_start_workers';
COMMENT ON FUNCTION _cq.start_workers() IS 'has workers started in this database when the transaction commits';
REVOKE ALL ON FUNCTION _cq.start_workers() FROM PUBLIC;
SELECT _cq.start_workers();
-- Who may what. Every object has privileges of its own; the schemas are open so that views can be created, read and indexed
-- by their owners and whomever these let.
GRANT USAGE ON SCHEMA cq, _cq TO PUBLIC;

-- What these show is what the reader may see.
GRANT SELECT ON cq.views, cq.streams, cq.sinks, cq.gaps, cq.positions, cq.errors, cq.late, cq.workers, cq.stat_views, cq.stat_workers TO PUBLIC;
GRANT DELETE ON cq.errors, cq.late TO PUBLIC;
