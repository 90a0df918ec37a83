-- The catalog. Rows name relations by regclass, so that pg_dump and restore keep them; people read the views in status.sql.

CREATE TABLE _cq.view (
    view            regclass PRIMARY KEY,           -- what people read
    definition      regclass,                       -- of a dump of 0.1.0: see view_take_columns
    state           regclass,                       -- of a dump of 0.1.0
    stream          regclass,                       -- of a dump of 0.1.0
    status          text NOT NULL DEFAULT 'running'
                    CHECK (status IN ('running', 'paused', 'blocked', 'failed', 'restored')),
    status_detail   text,                           -- why it failed, or what it waits for
    on_error        text NOT NULL DEFAULT 'skip' CHECK (on_error IN ('skip', 'pause')),
    start           text NOT NULL DEFAULT 'earliest', -- earliest, latest, a timestamp, or JSON of offsets for each partition
    retention       interval,
    settings        text[] NOT NULL,                -- name=value: pinned at CREATE, set by the worker
    created_at      timestamptz NOT NULL DEFAULT now(),
    is_started      boolean,                        -- of a dump of 0.1.0
    emit            text NOT NULL DEFAULT 'change' CHECK (emit IN ('change', 'close')),
    watermark       interval,                       -- in place of the stream's option
    allowed_lateness interval,
    late            text NOT NULL DEFAULT 'drop' CHECK (late IN ('drop', 'keep', 'amend')),
    result          regclass,                       -- of a dump of 0.1.0
    sink            regclass,                       -- where its changes go: a stream or a table
    outbox          regclass,                       -- of a dump of 0.1.0
    notify          text,                           -- the channel that is told of its changes
    tells_changes   boolean NOT NULL DEFAULT false, -- to whomever
    changes         regclass,                       -- of a dump of 0.1.0
    steps_kept      interval,                       -- with cq.sliding: a step that began longer ago is of no use to anybody
    expires         text CHECK (expires IN ('rows', 'groups', 'windows', 'results')), -- what retention makes go; null: it cannot be set
    retention_by    text CHECK (retention_by IN ('event_time', 'change')),
    query           text,                           -- as it was written
    -- start as CREATE has it, where cq.reset has set another
    created_start   text,
    -- what is told of rows that go by retention; null: forget
    on_expire       text CHECK (on_expire IN ('forget', 'delete')),
    -- it stops where more of its rows fail; null: it does not
    max_error_rate  double precision,
    pool            text COLLATE "C",
    -- so far it goes ahead in one stream or partition, by event time, while others are to be read
    max_drift       interval
);
COMMENT ON TABLE _cq.view IS 'continuous views';

-- The streams that feed a view.
CREATE TABLE _cq.input (
    view            regclass NOT NULL,
    stream          regclass NOT NULL,
    number          integer NOT NULL,               -- from 1, as the query names them first
    is_started      boolean NOT NULL DEFAULT false, -- its first positions are settled;
        -- partitions seen later begin at their beginning
    PRIMARY KEY (view, stream)
);
CREATE INDEX input_stream ON _cq.input (stream);
COMMENT ON TABLE _cq.input IS 'streams that feed continuous views';

-- Continuous views that others read by their names. Where the version that one has seen is the
-- version of the other, the two are level: of one moment.
CREATE TABLE _cq.reads (
    view            regclass NOT NULL,
    named           regclass NOT NULL,
    seen            bigint,                         -- null: nothing yet
    PRIMARY KEY (view, named)
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
CREATE INDEX reads_named ON _cq.reads (named);
COMMENT ON TABLE _cq.reads IS 'continuous views that others read by their names';

CREATE TABLE _cq.version (
    view            regclass PRIMARY KEY,
    version         bigint NOT NULL                 -- one more with each change of its rows
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
COMMENT ON TABLE _cq.version IS 'versions of continuous views that others read by their names';

-- Tables whose changes count for some view: triggers write them to a stream, which nobody else
-- reads. Its columns are a weight, 1 or -1, and values of the table's columns, named c and their
-- number. Where the weight is 0 anything may have changed. The version of such a table, in
-- _cq.version, is the offset up to which its readers have been told.
CREATE TABLE _cq.maintained (
    relation        regclass PRIMARY KEY,
    stream          regclass NOT NULL UNIQUE
);
COMMENT ON TABLE _cq.maintained IS 'tables whose changes continuous views follow';

-- What a view is made of: node 0 is its root, which people read, others are below it.
CREATE TABLE _cq.node (
    view            regclass NOT NULL,
    number          integer NOT NULL,
    kind            text NOT NULL,                  -- root, keep
    rule            text,                           -- how its changes follow from its inputs'
    fingerprint     text,                           -- where it is equal, so is what is kept; null:
        -- made by 0.1.0
    PRIMARY KEY (view, number)
);
COMMENT ON TABLE _cq.node IS 'nodes that continuous views are made of';

-- The relations in which nodes keep what they have. Those of the root:
--     definition: a view, the query as written, over the streams;
--     state: keys and partial states, or kept rows;
--     result: rows of closed windows, where emit = 'close';
--     outbox: what is still to be sent, where the sink is a topic;
--     changes: a stream of old row and new row.
-- Those of others: input, the rows that they read, and output, the rows that they make of them.
CREATE TABLE _cq.part (
    relation        regclass PRIMARY KEY,
    view            regclass NOT NULL,
    node            integer NOT NULL,
    role            text COLLATE "C" NOT NULL,
    number          integer NOT NULL,               -- of several with that role, from 1
    UNIQUE (view, node, role, number)
);
COMMENT ON TABLE _cq.part IS 'relations that continuous views are made of';

-- What is a row of its own was a column of _cq.view in 0.1.0.
CREATE FUNCTION _cq.view_take_columns() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    INSERT INTO _cq.input (view, stream, number, is_started)
    VALUES (NEW.view, NEW.stream, 1, coalesce(NEW.is_started, false))
    ON CONFLICT DO NOTHING;
    INSERT INTO _cq.part (relation, view, node, role, number)
    SELECT p.relation, NEW.view, 0, p.role, 1
    FROM (VALUES (NEW.definition, 'definition'), (NEW.state, 'state'), (NEW.result, 'result'),
                 (NEW.outbox, 'outbox'), (NEW.changes, 'changes')) p (relation, role)
    WHERE p.relation IS NOT NULL
    ON CONFLICT DO NOTHING;
    INSERT INTO _cq.node (view, number, kind) VALUES (NEW.view, 0, 'root')
    ON CONFLICT DO NOTHING;
    NEW.stream := NULL;
    NEW.is_started := NULL;
    NEW.definition := NULL;
    NEW.state := NULL;
    NEW.result := NULL;
    NEW.outbox := NULL;
    NEW.changes := NULL;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION _cq.view_take_columns() IS
    'makes rows of their own of what a dump of 0.1.0 has as columns';
REVOKE ALL ON FUNCTION _cq.view_take_columns() FROM PUBLIC;
CREATE TRIGGER take_columns BEFORE INSERT OR UPDATE ON _cq.view
    FOR EACH ROW WHEN (NEW.stream IS NOT NULL) EXECUTE FUNCTION _cq.view_take_columns();
ALTER TABLE _cq.view ENABLE ALWAYS TRIGGER take_columns;
COMMENT ON TRIGGER take_columns ON _cq.view IS
    'makes rows of their own of what a dump of 0.1.0 has as columns';

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

-- Which cursor a view follows in each partition of each of its streams.
CREATE TABLE _cq.follow (
    view            regclass NOT NULL,
    topic           text COLLATE "C" NOT NULL,
    partition       integer NOT NULL,
    cursor_id       bigint NOT NULL,
    stream          regclass NOT NULL DEFAULT '-',  -- the cursor's; a dump of 0.1.0 has none
    PRIMARY KEY (view, stream, topic, partition)
);
CREATE INDEX follow_cursor ON _cq.follow (cursor_id);
COMMENT ON TABLE _cq.follow IS 'the cursor that a continuous view follows in each partition';

-- How far the windows of views with emit = 'close' have been closed. Locked after the state: workers read it while they hold that.
CREATE TABLE _cq.closing (
    view            regclass PRIMARY KEY,
    closed_through  timestamptz,                    -- rows of windows that end up to here come too late; of sessions, rows before
    emitted_through timestamptz,                    -- windows that end up to here are in the result
    next_close      timestamptz,                    -- nothing is to be closed before the watermark gets there
    expired_through timestamptz,                    -- with late = 'amend': rows of windows that end up to here come too late
    watermark       timestamptz                     -- it has been that, which positions do not say
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
    message         text NOT NULL,
    column_name     text,                           -- the one that is bad
    constraint_name text,                           -- the one that is broken
    -- of the message; null: it has none, or 0.1.0 has kept it
    "timestamp"     timestamptz,
    headers         jsonb,
    -- the key, or the headers, are not all there; null: they are
    is_cut          boolean
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

-- How far streams reach that nobody reads now.
CREATE TABLE _cq.extent (
    stream          regclass NOT NULL,
    topic           text COLLATE "C" NOT NULL,
    partition       integer NOT NULL,
    end_offset      bigint NOT NULL,
    asked_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (stream, topic, partition)
);
COMMENT ON TABLE _cq.extent IS 'where partitions of streams end that nobody reads now';

-- What owners, pools and views may use at most.
CREATE TABLE _cq.budget (
    name            text COLLATE "C" PRIMARY KEY,
    view            regclass,                       -- whose it is: one of these
    owner           regrole,
    pool            text COLLATE "C",
    what            text COLLATE "C" NOT NULL,      -- cpu_seconds, rows, state_bytes, bytes_out
    amount          float8 NOT NULL,
    per             text COLLATE "C",               -- minute, hour, day, month; null: of state
    at_limit        text COLLATE "C" NOT NULL,      -- notify, slow, stop
    reached_in      timestamptz,                    -- it was used up in the period that began
        -- then; -infinity: in none that counts; null: it was not
    told            text                            -- what is said of that
);
COMMENT ON TABLE _cq.budget IS 'limits of what continuous views use';

-- Of columns that are fields of messages: has any message had the field? Known after some time.
CREATE TABLE _cq.field (
    stream          regclass NOT NULL,
    attno           smallint NOT NULL,
    is_seen         boolean NOT NULL,
    PRIMARY KEY (stream, attno)
);
COMMENT ON TABLE _cq.field IS 'fields of messages that columns are read from: whether there have been any';

-- Sinks: continuous views whose changes go to a Kafka stream, or to a destination by HTTP. The
-- outbox is a table of the view's owner in this schema, which goes with the view:
--     id bigint PRIMARY KEY, topic text, partition integer, "timestamp" timestamptz, key bytea, value bytea, headers jsonb
-- Its ids are consecutive in the order of commits; where value is null the message is a tombstone. Written by the emitter once the view is there.
CREATE TABLE _cq.sink (
    view            regclass PRIMARY KEY,
    sink            regclass NOT NULL,              -- the foreign table that gets the rows
    outbox          regclass NOT NULL,              -- rows on their way
    epoch           bigint NOT NULL,                -- random: names the producer and its place in Kafka, which count ids of this outbox and no other
    sent_id         bigint NOT NULL DEFAULT 0,      -- rows up to here have arrived, and are deleted
    -- rows up to here may have; what counts is the place that Kafka keeps, for what goes there
    sending_id      bigint NOT NULL DEFAULT 0,
    status          text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'failed')),
    detail          text,                           -- why it failed
    kafka_id        bigint                          -- where it failed because Kafka is ahead: rows up to here are in Kafka
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
COMMENT ON TABLE _cq.sink IS 'continuous views whose changes leave the database, and how far';

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
ALTER TABLE _cq.identity REPLICA IDENTITY FULL;
COMMENT ON TABLE _cq.identity IS 'the cluster and database that the positions belong to';

DO $$
DECLARE
    relation regclass;
BEGIN
    -- One at a time: each call changes the extension's own row.
    FOREACH relation IN ARRAY ARRAY['_cq.view', '_cq.input', '_cq.reads', '_cq.version', '_cq.maintained', '_cq.node', '_cq.part',
                                    '_cq.cursor', '_cq.cursor_id_seq', '_cq.follow', '_cq.closing',
                                    '_cq.late', '_cq.late_late_id_seq', '_cq.error', '_cq.error_error_id_seq',
                                    '_cq.gap', '_cq.gap_gap_id_seq', '_cq.sink',
                                    '_cq.outbox_end', '_cq.log', '_cq.identity', '_cq.budget']::regclass[] LOOP
        PERFORM pg_catalog.pg_extension_config_dump(relation, '');
    END LOOP;
END
$$;
