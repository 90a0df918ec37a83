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

CREATE FUNCTION _cq.worker_pools(OUT worker integer, OUT pool text) RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'cq_worker_pools';
COMMENT ON FUNCTION _cq.worker_pools() IS 'of ingest workers of this database, their compute pools';

CREATE FUNCTION _cq.readings(
        OUT cursor_id bigint, OUT silence interval, OUT held_up text, OUT next_offset bigint)
    RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'cq_reading_list';
COMMENT ON FUNCTION _cq.readings() IS
    'cursors that are read now: for how long nothing has come, and what holds them up';
REVOKE ALL ON FUNCTION _cq.readings() FROM PUBLIC;

CREATE FUNCTION _cq.held_up(OUT relation oid, OUT held_up text) RETURNS SETOF record
    LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 10
    AS 'MODULE_PATHNAME', 'cq_stream_status_held_up';
COMMENT ON FUNCTION _cq.held_up() IS
    'what keeps streams, and those of continuous views, from being read to their end for now';

CREATE FUNCTION _cq.worker_troubles(OUT worker integer, OUT trouble text) RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 1
    AS 'MODULE_PATHNAME', 'cq_worker_troubles';
COMMENT ON FUNCTION _cq.worker_troubles() IS 'workers of this database that read nothing now, and why';
REVOKE ALL ON FUNCTION _cq.worker_troubles() FROM PUBLIC;

CREATE FUNCTION _cq.unheard(OUT relation oid, OUT trouble text) RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 1
    AS 'MODULE_PATHNAME', 'cq_stream_status_unheard';
COMMENT ON FUNCTION _cq.unheard() IS
    'streams and continuous views of which a worker that is in trouble tells nothing';

CREATE FUNCTION _cq.locked_views(OUT view oid, OUT holder text) RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 1
    AS 'MODULE_PATHNAME', 'cq_stream_status_locked';
COMMENT ON FUNCTION _cq.locked_views() IS
    'continuous views that batches have to leave out, since somebody keeps a lock, and who';

CREATE FUNCTION _cq.is_copy() RETURNS boolean
    LANGUAGE C STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'cq_is_copy';
COMMENT ON FUNCTION _cq.is_copy() IS 'whether nothing runs here because the database is a copy or was restored';

CREATE FUNCTION _cq.stat_sinks(
        OUT view oid, OUT state text, OUT state_since timestamptz, OUT rows bigint, OUT bytes bigint, OUT transactions bigint,
        OUT last_sent_time timestamptz, OUT last_error text, OUT last_error_time timestamptz)
    RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'cq_sink_stats';
COMMENT ON FUNCTION _cq.stat_sinks() IS 'how the sinks of this database fare, since the server was started';

-- ---- steering ----

CREATE FUNCTION cq.wait(view regclass, timeout interval DEFAULT NULL) RETURNS boolean
    LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cq_wait';
COMMENT ON FUNCTION cq.wait(regclass, interval) IS
    'waits until a continuous view has seen all that is in its streams at the call, and its '
    'windows are closed as far as the watermark allows; false where the timeout was over first';

CREATE FUNCTION cq.flush(view regclass, timeout interval DEFAULT NULL) RETURNS boolean
    LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cq_flush';
COMMENT ON FUNCTION cq.flush(regclass, interval) IS
    'waits until what is in the outbox of a continuous view at the call is in the topic of its sink; false where the timeout was over first';

CREATE FUNCTION cq.explain(view regclass, "analyze" boolean DEFAULT false, OUT "QUERY PLAN" text)
    RETURNS SETOF text
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 20 SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cq_view_explain';
COMMENT ON FUNCTION cq.explain(regclass, boolean) IS
    'how a continuous view is maintained: its nodes, what they keep, and what bounds that; with '
    'true, what they have done since the last cq.stat_reset';

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
    'the time below which a continuous view expects no more rows; null where a stream of it has no '
    'event times, or not all partitions have brought one';

CREATE FUNCTION _cq.advance_watermarks() RETURNS bigint
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cq_watermark_advance';
COMMENT ON FUNCTION _cq.advance_watermarks() IS 'has watermarks go on where partitions are idle';
REVOKE ALL ON FUNCTION _cq.advance_watermarks() FROM PUBLIC;

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

-- For readers of views whose windows expire.
CREATE FUNCTION _cq.expired_through(state regclass) RETURNS timestamptz
    LANGUAGE C STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'cq_expired_through';
COMMENT ON FUNCTION _cq.expired_through(regclass) IS 'the end up to which windows of the continuous view with that state have expired';

CREATE FUNCTION _cq.expired_through_utc(state regclass) RETURNS timestamp
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT _cq.expired_through(state) AT TIME ZONE 'UTC';
END;
COMMENT ON FUNCTION _cq.expired_through_utc(regclass) IS 'the end up to which windows of the continuous view with that state have expired, as timestamps of UTC';

CREATE FUNCTION _cq.stream_states(OUT stream oid, OUT state text) RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 10
    AS 'MODULE_PATHNAME', 'cq_stream_status_list';
COMMENT ON FUNCTION _cq.stream_states() IS 'streams whose readers, or the readers of whose continuous views, ask, and whether they are read';

CREATE FUNCTION _cq.failing_views() RETURNS SETOF oid
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 10
    AS 'MODULE_PATHNAME', 'cq_stats_failing';
COMMENT ON FUNCTION _cq.failing_views() IS 'continuous views for which nearly all rows fail';

-- Those of a standby are its primary's.
CREATE FUNCTION _cq.workers_lack() RETURNS text
    LANGUAGE sql VOLATILE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL
                WHEN NOT pg_catalog.current_setting('cq.enabled', true)::boolean THEN 'cq.enabled is off'
                WHEN NOT EXISTS (SELECT FROM _cq.worker_status() w
                                 WHERE w.pid IS NOT NULL
                                    OR (w.state IN ('starting', 'stopped', 'restarting')
                                        AND w.state_since > pg_catalog.clock_timestamp() - interval '5 s'))
                    THEN 'no worker runs: see cq.workers' END;
END;
COMMENT ON FUNCTION _cq.workers_lack() IS 'why no worker reads anything now; null: they do';

-- Errors quote what they are about.
CREATE FUNCTION _cq.error_class(sqlstate text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE pg_catalog.left(sqlstate, 2)
               WHEN '21' THEN 'cardinality violation'
               WHEN '22' THEN 'data exception'
               WHEN '23' THEN 'integrity constraint violation'
               WHEN '54' THEN 'program limit exceeded'
               WHEN 'P0' THEN 'error raised by a function'
               ELSE 'error' END || ' ' || sqlstate;
END;
COMMENT ON FUNCTION _cq.error_class(text) IS 'what an error is about, without values';

-- ---- positions ----

CREATE VIEW cq.positions WITH (security_barrier) AS
SELECT f.view, c.stream, f.topic, f.partition, c.next_offset,
       greatest(e.end_offset, x.end_offset) AS end_offset,
       CASE WHEN w.lack IS NOT NULL THEN NULL
            WHEN NOT y.is_read THEN CASE WHEN x.end_offset IS NOT NULL
                                         THEN greatest(x.end_offset - c.next_offset, 0) END
            WHEN u.trouble IS NULL AND (t.state IS NULL OR t.state = 'reading'
                                        OR pg_catalog.pg_is_in_recovery())
            THEN greatest(e.end_offset - c.next_offset, 0) END AS lag_messages,
       c.last_timestamp,
       c.event_time, c.event_time - d.delay AS watermark, c.active_at
FROM _cq.follow f
JOIN _cq.cursor c USING (cursor_id)
JOIN _cq.input i ON i.view = f.view AND i.stream = c.stream AND i.is_started
JOIN pg_catalog.pg_class r ON r.oid = f.view
LEFT JOIN _cq.stream_states() t ON t.stream = c.stream
LEFT JOIN _cq.unheard() u ON u.relation = f.view
CROSS JOIN (SELECT _cq.workers_lack() AS lack) w,
LATERAL (SELECT max(o.end_offset) AS end_offset
         FROM _cq.cursor o
         WHERE o.stream = c.stream AND o.topic = c.topic AND o.partition = c.partition) e,
-- Where no view reads the stream, the keeper asks how far it reaches.
LATERAL (SELECT max(o.end_offset) AS end_offset
         FROM _cq.extent o
         WHERE o.stream = c.stream AND o.topic = c.topic AND o.partition = c.partition
           AND o.asked_at > pg_catalog.clock_timestamp() - interval '1 min') x,
LATERAL (SELECT EXISTS (SELECT FROM _cq.input o JOIN _cq.view v USING (view)
                        WHERE o.stream = c.stream AND v.status = 'running') AS is_read) y,
LATERAL (SELECT coalesce(v.watermark, (SELECT o.option_value::interval
                                       FROM pg_catalog.pg_foreign_table t, pg_catalog.pg_options_to_table(t.ftoptions) o
                                       WHERE t.ftrelid = c.stream AND o.option_name = 'watermark'), '0') AS delay
         FROM _cq.view v
         WHERE v.view = f.view) d
WHERE pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW cq.positions IS 'how far continuous views have read; exact for what the same snapshot sees of the view';

CREATE INDEX cursor_partition ON _cq.cursor (stream, topic, partition);

-- ---- views ----

-- Cursors that views with max_drift do not move for now: of the view's other cursors one that has
-- messages to be read is further behind. What has been read to its end holds up nobody.
CREATE VIEW _cq.ahead AS
SELECT f.view, f.cursor_id,
       pg_catalog.format(CASE WHEN c.stream = b.stream
                              THEN 'partition %1$s of topic "%2$s" is %3$s ahead of '
                                   'partition %4$s of topic "%5$s"'
                              ELSE 'stream %6$s is %3$s ahead of stream %7$s' END,
                         c.partition, c.topic,
                         coalesce(pg_catalog.date_trunc('second', c.event_time - b.event_time)::text,
                                  'any time'),
                         b.partition, b.topic, c.stream, b.stream) AS reason,
       c.event_time - b.event_time AS drift
FROM _cq.view v
JOIN _cq.follow f USING (view)
JOIN _cq.cursor c USING (cursor_id)
CROSS JOIN LATERAL (SELECT o.stream, o.topic, o.partition, o.event_time
                    FROM _cq.follow g
                    JOIN _cq.input i ON i.view = g.view AND i.stream = g.stream AND i.is_started
                    JOIN _cq.cursor o ON o.cursor_id = g.cursor_id
                    LEFT JOIN _cq.readings() r
                      ON r.cursor_id = o.cursor_id AND r.next_offset = o.next_offset
                    WHERE g.view = f.view AND g.cursor_id <> f.cursor_id AND r.silence IS NULL
                      AND o.next_offset < (SELECT max(e.end_offset) FROM _cq.cursor e
                                           WHERE e.stream = o.stream AND e.topic = o.topic
                                             AND e.partition = o.partition)
                    ORDER BY o.event_time NULLS FIRST, o.stream::oid, o.topic, o.partition
                    LIMIT 1) b
WHERE v.max_drift IS NOT NULL AND v.status = 'running'
  AND c.event_time > coalesce(b.event_time, '-infinity') + v.max_drift;
COMMENT ON VIEW _cq.ahead IS
    'where continuous views wait for others of their streams, by max_drift';

CREATE FUNCTION _cq.held_back(OUT view oid, OUT reason text) RETURNS SETOF record
    LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 1
    AS 'MODULE_PATHNAME', 'cq_stream_status_held_back';
COMMENT ON FUNCTION _cq.held_back() IS
    'continuous views that wait in one stream for another one, by max_drift';

CREATE VIEW cq.views WITH (security_barrier) AS
SELECT v.view,
       CASE WHEN x.is_copy THEN 'restored'
            WHEN v.status <> 'running' THEN v.status
            WHEN x.lack IS NOT NULL THEN 'waiting'
            WHEN x.is_standby THEN 'running'
            WHEN coalesce(l.holder, u.trouble, t.state, h.held_up, w.named::text,
                          d.reason) IS NOT NULL
                OR NOT i.is_started THEN 'waiting'
            WHEN a.view IS NOT NULL OR k.trouble IS NOT NULL THEN 'failing'
            WHEN b.is_behind THEN 'catching up'
            ELSE 'running' END AS status,
       coalesce(CASE WHEN x.is_copy THEN 'cq.resume_all() lets the views of this restored or copied database run here' END,
                -- It may quote what was read.
                CASE WHEN NOT pg_catalog.pg_has_role(r.relowner, 'USAGE') THEN NULL
                     WHEN i.may_be_read THEN v.status_detail
                     ELSE pg_catalog.regexp_replace(v.status_detail, '^(topic "[^"]*" partition \d+ offset \d+|each of the first \d+ rows has failed|its windows cannot be closed): .*', '\1') END,
                CASE WHEN v.status <> 'running' THEN NULL
                     WHEN x.lack IS NOT NULL THEN x.lack
                     WHEN x.is_standby THEN NULL
                     WHEN l.holder IS NOT NULL THEN 'waits for a lock: ' || l.holder
                     WHEN u.trouble IS NOT NULL THEN u.trouble
                     WHEN t.state = 'waiting for broker' AND h.held_up IS NOT NULL THEN h.held_up
                     WHEN t.state IS NOT NULL THEN
                         concat_ws(': ', CASE WHEN cardinality(i.streams) > 1
                                         THEN 'stream ' || t.stream END, t.state, t.last_error)
                     WHEN h.held_up IS NOT NULL THEN h.held_up
                     WHEN w.named IS NOT NULL THEN 'waits for continuous view ' || w.named
                     WHEN d.reason IS NOT NULL THEN d.reason
                     WHEN NOT i.is_started THEN 'has not begun yet'
                     WHEN a.view IS NOT NULL THEN 'nearly all rows fail: see cq.errors'
                     WHEN k.trouble IS NOT NULL THEN k.trouble
                     ELSE nullif(concat_ws('; ', g.told, CASE WHEN b.is_behind THEN b.progress END),
                                 '') END) AS status_detail,
       CASE WHEN cardinality(i.streams) = 1 THEN i.streams[1] END AS stream,
       pg_catalog.pg_get_userbyid(r.relowner) AS owner,
       v.start, v.on_error, v.retention, v.retention_by, v.emit, v.allowed_lateness, v.late, v.sink, c.relation AS changes, v.notify,
       CASE WHEN pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE')
            THEN v.query END AS definition,
       v.created_at,
       CASE WHEN i.is_started THEN p.lag_messages::bigint END AS lag_messages,
       CASE WHEN i.is_started THEN p.lag END AS lag,
       coalesce(n.rows, 0) AS rows, coalesce(n.bytes, 0) AS bytes, coalesce(n.bad_rows, 0) AS bad_rows, coalesce(n.late_rows, 0) AS late_rows,
       coalesce(round(n.rows_per_second::numeric, 2), 0)::float8 AS rows_per_second, n.last_batch_time, n.last_error, n.last_error_time,
       pg_catalog.concat_ws(', ', 'start = ' || pg_catalog.quote_literal(v.start), 'on_error = ' || pg_catalog.quote_literal(v.on_error),
                            'max_error_rate = ' || pg_catalog.quote_literal(v.max_error_rate::text),
                            'pool = ' || pg_catalog.quote_literal(v.pool),
                            'retention = ' || pg_catalog.quote_literal(v.retention::text),
                            'retention_by = ' || pg_catalog.quote_literal(v.retention_by),
                            CASE WHEN v.on_expire <> 'forget'
                                 THEN 'on_expire = ' || pg_catalog.quote_literal(v.on_expire) END,
                            'emit = ' || pg_catalog.quote_literal(v.emit),
                            'watermark = ' || pg_catalog.quote_literal(v.watermark::text),
                            'max_drift = ' || pg_catalog.quote_literal(v.max_drift::text),
                            CASE WHEN v.emit = 'close' THEN 'allowed_lateness = ' || pg_catalog.quote_literal(v.allowed_lateness::text) END,
                            CASE WHEN v.late <> 'drop' THEN 'late = ' || pg_catalog.quote_literal(v.late) END,
                            'sink = ' || pg_catalog.quote_literal(v.sink::text),
                            -- It is made anew, in the view's schema.
                            'changes = ' || pg_catalog.quote_literal(
                                (SELECT relname FROM pg_catalog.pg_class WHERE oid = c.relation)),
                            'notify = ' || pg_catalog.quote_literal(v.notify),
                            CASE WHEN EXISTS (SELECT FROM _cq.reads o JOIN _cq.maintained m ON m.relation = o.named
                                              WHERE o.view = v.view)
                                 THEN 'tables = ''maintained''' END) AS options,
       i.streams
FROM _cq.view v
JOIN pg_catalog.pg_class r ON r.oid = v.view
LEFT JOIN _cq.stat_relations() n ON n.relation = v.view
LEFT JOIN (SELECT o.view, array_agg(o.stream ORDER BY o.number) AS streams,
                  bool_and(o.is_started) AS is_started,
                  bool_and(pg_catalog.has_table_privilege(o.stream, 'SELECT')) AS may_be_read
           FROM _cq.input o
           GROUP BY o.view) i ON i.view = v.view
LEFT JOIN (SELECT DISTINCT ON (o.view) o.view, o.stream, m.state, s.last_error
           FROM _cq.input o
           JOIN _cq.stream_states() m ON m.stream = o.stream
           LEFT JOIN _cq.stat_relations() s ON s.relation = o.stream
           WHERE m.state IN ('waiting for broker', 'waiting for schema', 'failed')
           ORDER BY o.view, o.number) t ON t.view = v.view
LEFT JOIN _cq.failing_views() a (view) ON a.view = v.view
LEFT JOIN _cq.part c ON c.view = v.view AND c.role = 'changes'
-- Of those that it reads and is not level with, one that is behind itself, if there is one.
LEFT JOIN (SELECT DISTINCT ON (o.view) o.view, o.named FROM _cq.reads o
           JOIN _cq.version e ON e.view = o.named
           CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM _cq.reads b
                                              JOIN _cq.version f ON f.view = b.named
                                              WHERE b.view = o.named
                                              AND b.seen IS DISTINCT FROM f.version) AS is_behind) x
           WHERE x.is_behind OR o.seen IS DISTINCT FROM e.version
           ORDER BY o.view, NOT x.is_behind, o.named::text) w ON w.view = v.view
LEFT JOIN _cq.held_up() h ON h.relation = v.view
LEFT JOIN _cq.held_back() d ON d.view = v.view
CROSS JOIN (SELECT _cq.is_copy() AS is_copy, _cq.workers_lack() AS lack, pg_catalog.pg_is_in_recovery() AS is_standby) x
LEFT JOIN (SELECT o.view,
                  CASE WHEN bool_and(o.lag_messages IS NOT NULL)
                       THEN sum(o.lag_messages) END AS lag_messages,
                  CASE WHEN bool_and(o.lag_messages = 0) THEN '0'
                       ELSE max(pg_catalog.clock_timestamp() - o.last_timestamp) FILTER (WHERE o.lag_messages > 0) END AS lag
           FROM cq.positions o
           GROUP BY o.view) p ON p.view = v.view
LEFT JOIN _cq.unheard() u ON u.relation = v.view
LEFT JOIN _cq.locked_views() l ON l.view = v.view
LEFT JOIN (SELECT o.view, CASE WHEN o.status = 'failed' THEN 'its sink has failed: see cq.sinks'
                               WHEN s.state = 'down' THEN concat_ws(': ', 'its sink is down', s.last_error) END AS trouble
           FROM _cq.sink o
           LEFT JOIN _cq.stat_sinks() s ON s.view = o.view) k ON k.view = v.view
CROSS JOIN LATERAL (SELECT string_agg(o.told, '; ' ORDER BY o.name) AS told
                    FROM _cq.budget o
                    WHERE o.told IS NOT NULL
                      AND (o.view = v.view OR o.owner = r.relowner OR o.pool = v.pool)) g
-- A stream that is not as far behind is one that a worker keeps up with.
CROSS JOIN LATERAL (SELECT p.lag_messages >= greatest(20000, 10 * n.rows_per_second) AS is_behind,
                           pg_catalog.format('%s %% of what there is to read is read, %s messages are left%s',
                                             trunc(100 * n.rows / nullif(n.rows + p.lag_messages, 0)), p.lag_messages,
                                             ', for about ' || pg_catalog.make_interval(
                                                 secs => round(p.lag_messages / nullif(round(n.rows_per_second), 0)))) AS progress) b
WHERE pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW cq.views IS 'continuous views: status, options, definition, lag, rates, last error';

-- ---- streams ----

CREATE VIEW cq.streams WITH (security_barrier) AS
SELECT t.ftrelid::regclass AS stream,
       w.fdwname AS source,
       n.srvname AS server,
       CASE WHEN NOT u.is_wanted THEN 'unread'
            WHEN x.lack IS NOT NULL OR m.trouble IS NOT NULL THEN 'unserved'
            ELSE coalesce(s.state, 'unread') END AS state,
       s.state_since,
       s.last_error, s.last_error_time,
       (SELECT count(*) FROM _cq.input i WHERE i.stream = t.ftrelid) AS views,
       c.partitions, c.end_offset,
       g.gaps, g.missing_messages, g.last_gap_time,
       ARRAY(SELECT a.attname FROM _cq.field f
             JOIN pg_catalog.pg_attribute a ON a.attrelid = f.stream AND a.attnum = f.attno
             WHERE f.stream = t.ftrelid AND NOT f.is_seen AND NOT a.attisdropped
             ORDER BY a.attnum) AS unseen_columns,
       coalesce(CASE WHEN u.is_wanted THEN coalesce(x.lack, m.trouble) END, h.held_up) AS held_up
FROM pg_catalog.pg_foreign_table t
JOIN pg_catalog.pg_class r ON r.oid = t.ftrelid
JOIN pg_catalog.pg_foreign_server n ON n.oid = t.ftserver
JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = n.srvfdw
LEFT JOIN _cq.stat_relations() s ON s.relation = t.ftrelid
LEFT JOIN _cq.held_up() h ON h.relation = t.ftrelid
LEFT JOIN _cq.unheard() m ON m.relation = t.ftrelid
CROSS JOIN (SELECT CASE WHEN _cq.is_copy() THEN 'restored' ELSE _cq.workers_lack() END AS lack) x,
LATERAL (SELECT EXISTS (SELECT FROM _cq.input i JOIN _cq.view v USING (view)
                        WHERE i.stream = t.ftrelid AND v.status = 'running') AS is_wanted) u,
LATERAL (SELECT count(*) AS partitions, sum(p.end_offset)::bigint AS end_offset
         FROM (SELECT max(end_offset) AS end_offset
               FROM (SELECT topic, partition, end_offset FROM _cq.cursor WHERE stream = t.ftrelid
                     UNION ALL
                     SELECT topic, partition, end_offset FROM _cq.extent WHERE stream = t.ftrelid) o
               GROUP BY topic, partition) p) c,
LATERAL (SELECT count(*) AS gaps, sum(greatest(to_offset - from_offset, 0))::bigint AS missing_messages, max(occurred_at) AS last_gap_time
         FROM _cq.gap WHERE stream = t.ftrelid) g
WHERE w.fdwname IN ('cq_kafka', 'cq_log')
  AND (pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE'));
COMMENT ON VIEW cq.streams IS 'streams: state of their source as the workers see it, how far it reaches, gaps';

CREATE VIEW cq.gaps WITH (security_barrier) AS
SELECT g.occurred_at, g.stream, g.topic, g.partition, g.from_offset, g.to_offset
FROM _cq.gap g
JOIN pg_catalog.pg_class r ON r.oid = g.stream
WHERE pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW cq.gaps IS 'ranges of offsets that were gone before they could be read';

-- ---- sinks ----

CREATE FUNCTION _cq.wake_emitter() RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'cq_wake_emitter';
COMMENT ON FUNCTION _cq.wake_emitter() IS 'has the emitter of this database look into the outboxes now, and started where there is none';
REVOKE ALL ON FUNCTION _cq.wake_emitter() FROM PUBLIC;

CREATE FUNCTION _cq.sink_levels(OUT view oid, OUT level_at timestamptz) RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'cq_sink_levels';
COMMENT ON FUNCTION _cq.sink_levels() IS
    'of sinks of this database, a time such that what was committed by then has been sent';

CREATE VIEW cq.sinks WITH (security_barrier) AS
SELECT k.view, k.sink,
       CASE WHEN _cq.is_copy() THEN 'restored'
            WHEN k.status = 'failed' THEN 'failed'
            ELSE coalesce(s.state, 'unserved') END AS state,
       CASE WHEN _cq.is_copy() THEN 'cq.resume_all() lets the views of this restored or copied database run here'
            WHEN pg_catalog.pg_has_role(r.relowner, 'USAGE') THEN k.detail END AS detail,
       greatest(coalesce(e.next_id, 1) - 1 - k.sent_id, 0) AS pending_rows,
       k.sent_id AS sent_rows,
       s.last_sent_time,
       s.last_error, s.last_error_time,
       coalesce(s.rows, 0) AS rows, coalesce(s.bytes, 0) AS bytes, coalesce(s.transactions, 0) AS transactions,
       'pg_cq-' || lpad(to_hex(k.epoch), 16, '0') AS transactional_id,
       CASE WHEN coalesce(e.next_id, 1) - 1 <= k.sent_id THEN '0' ELSE pg_catalog.clock_timestamp() - m.level_at END AS lag
FROM _cq.sink k
JOIN pg_catalog.pg_class r ON r.oid = k.view
LEFT JOIN _cq.outbox_end e ON e.view = k.view
LEFT JOIN _cq.stat_sinks() s ON s.view = k.view
LEFT JOIN _cq.sink_levels() m ON m.view = k.view
WHERE pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW cq.sinks IS 'where the changes of continuous views are sent: state, how far, last error';

-- ---- dead letters ----

CREATE VIEW cq.errors WITH (security_barrier) AS
SELECT e.error_id, e.occurred_at, e.view, e.stream, e.topic, e.partition, e."offset",
       CASE WHEN s.may THEN e.key END AS key, CASE WHEN s.may THEN e.payload END AS payload, e.payload_length,
       e.sqlstate, CASE WHEN s.may THEN e.message ELSE _cq.error_class(e.sqlstate) END AS message,
       e.column_name, e.constraint_name
FROM _cq.error e
JOIN pg_catalog.pg_class r ON r.oid = e.view,
LATERAL (SELECT pg_catalog.has_table_privilege(e.stream, 'SELECT') AS may) s
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

-- What is wrong with a message may be mended before it is put through again.
CREATE FUNCTION _cq.mend_error() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    other cq.errors;
BEGIN
    other := NEW;
    other.payload := OLD.payload;
    IF other IS DISTINCT FROM OLD THEN
        RAISE EXCEPTION 'only the payload of a message in cq.errors can be changed'
            USING ERRCODE = 'feature_not_supported';
    ELSIF EXISTS (SELECT FROM _cq.log WHERE stream = OLD.stream) THEN
        RAISE EXCEPTION 'a row of stream % cannot be changed', OLD.stream
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'Delete it from cq.errors, and insert another one into the stream.';
    END IF;
    UPDATE _cq.error SET payload = NEW.payload,
        payload_length = coalesce(octet_length(NEW.payload), 0)
    WHERE error_id = OLD.error_id;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION _cq.mend_error() IS 'changes the message of what is changed in cq.errors';
REVOKE ALL ON FUNCTION _cq.mend_error() FROM PUBLIC;
CREATE TRIGGER mend_error INSTEAD OF UPDATE ON cq.errors
    FOR EACH ROW EXECUTE FUNCTION _cq.mend_error();
COMMENT ON TRIGGER mend_error ON cq.errors IS 'changes the message of what is changed in cq.errors';

CREATE FUNCTION cq.retry_errors(view regclass, "where" text DEFAULT 'true') RETURNS bigint
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'cq_retry_errors';
COMMENT ON FUNCTION cq.retry_errors(regclass, text) IS
    'puts dead letters of a continuous view through again, those for which a condition over '
    'cq.errors holds, once each: how many passed';

CREATE VIEW cq.late WITH (security_barrier) AS
SELECT l.late_id, l.occurred_at, l.view, l.stream, l.topic, l.partition, l."offset", l.event_time, l.window_end,
       CASE WHEN s.may THEN l.key END AS key, CASE WHEN s.may THEN l.payload END AS payload, l.payload_length
FROM _cq.late l
JOIN pg_catalog.pg_class r ON r.oid = l.view,
LATERAL (SELECT pg_catalog.has_table_privilege(l.stream, 'SELECT') AS may) s
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

CREATE FUNCTION _cq.trim_errors() RETURNS bigint
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'cq_trim_errors';
COMMENT ON FUNCTION _cq.trim_errors() IS
    'deletes some of what cq.errors and cq.late keep too long, or too much of';
REVOKE ALL ON FUNCTION _cq.trim_errors() FROM PUBLIC;

-- ---- workers ----

CREATE VIEW cq.workers WITH (security_barrier) AS
SELECT worker, workers, pid, state, state_since, started_at, restarts,
       last_error, last_error_time, pool
FROM _cq.worker_status()
LEFT JOIN _cq.worker_pools() USING (worker)
ORDER BY worker;
COMMENT ON VIEW cq.workers IS 'ingest workers of this database and what they are doing';

-- The launcher learns of the extension when this commits.
CREATE FUNCTION _cq.start_workers() RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'cq_start_workers';
COMMENT ON FUNCTION _cq.start_workers() IS 'has workers started in this database when the transaction commits';
REVOKE ALL ON FUNCTION _cq.start_workers() FROM PUBLIC;
SELECT _cq.start_workers();
