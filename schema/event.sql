-- What has happened to views, streams and workers, for people to read. Kept over restarts; bounded by cq.max_events.

CREATE TABLE _cq.event (
    event_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    occurred_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    view            regclass,
    stream          regclass,
    name            text,                           -- of the view or stream, as it was then
    what            text NOT NULL,
    detail          text
);
COMMENT ON TABLE _cq.event IS 'what has happened to continuous views, streams and workers';

-- Changes of a view's row say what has happened to it. (Those of workers are no commands, and so tell by themselves.)
CREATE FUNCTION _cq.note_view() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    what text;
    detail text;
    name text;
BEGIN
    IF TG_OP = 'DELETE' THEN
        -- The view itself has gone already.
        SELECT e.name INTO name FROM _cq.event e WHERE e.view = OLD.view ORDER BY e.event_id DESC LIMIT 1;
        INSERT INTO _cq.event (view, name, what) VALUES (OLD.view, name, 'dropped');
        RETURN NULL;
    END IF;
    IF NEW.created_at <> OLD.created_at THEN
        what := 'replaced';
    ELSIF TG_ARGV[0] = 'start' THEN
        what := 'reset';
        detail := 'to ' || NEW.start;
    ELSIF NEW.status <> OLD.status THEN
        what := CASE NEW.status WHEN 'running'
                                THEN CASE OLD.status WHEN 'blocked' THEN 'limit lifted'
                                                     ELSE 'resumed' END
                                WHEN 'blocked' THEN 'limit reached' ELSE NEW.status END;
        detail := NEW.status_detail;
    ELSIF NEW.on_error <> OLD.on_error OR NEW.retention IS DISTINCT FROM OLD.retention
          OR NEW.max_error_rate IS DISTINCT FROM OLD.max_error_rate
          OR NEW.pool IS DISTINCT FROM OLD.pool
          OR NEW.max_drift IS DISTINCT FROM OLD.max_drift THEN
        what := 'altered';
        detail := concat_ws(', ', CASE WHEN NEW.on_error <> OLD.on_error THEN 'on_error = ' || NEW.on_error END,
                            CASE WHEN NEW.retention IS DISTINCT FROM OLD.retention
                                 THEN 'retention = ' || coalesce(NEW.retention::text, 'none') END,
                            CASE WHEN NEW.max_error_rate IS DISTINCT FROM OLD.max_error_rate
                                 THEN 'max_error_rate = ' || coalesce(NEW.max_error_rate, 1) END,
                            CASE WHEN NEW.pool IS DISTINCT FROM OLD.pool
                                 THEN 'pool = ' || coalesce(NEW.pool, 'default') END,
                            CASE WHEN NEW.max_drift IS DISTINCT FROM OLD.max_drift
                                 THEN 'max_drift = ' || coalesce(NEW.max_drift::text, 'none') END);
    ELSE
        RETURN NULL;
    END IF;
    INSERT INTO _cq.event (view, name, what, detail) VALUES (NEW.view, NEW.view::text, what, detail);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION _cq.note_view() IS 'writes down what has happened to a continuous view';
REVOKE ALL ON FUNCTION _cq.note_view() FROM PUBLIC;
CREATE TRIGGER note_view
    AFTER UPDATE OF status, on_error, retention, max_error_rate, pool, max_drift ON _cq.view
    FOR EACH ROW WHEN (NEW.status <> OLD.status OR NEW.on_error <> OLD.on_error OR NEW.retention IS DISTINCT FROM OLD.retention
                       OR NEW.max_error_rate IS DISTINCT FROM OLD.max_error_rate
                       OR NEW.pool IS DISTINCT FROM OLD.pool
                       OR NEW.max_drift IS DISTINCT FROM OLD.max_drift
                       OR NEW.created_at <> OLD.created_at)
    EXECUTE FUNCTION _cq.note_view();
COMMENT ON TRIGGER note_view ON _cq.view IS 'writes down what has happened to it';
CREATE TRIGGER note_drop AFTER DELETE ON _cq.view FOR EACH ROW EXECUTE FUNCTION _cq.note_view();
COMMENT ON TRIGGER note_drop ON _cq.view IS 'writes down that it was dropped';
CREATE TRIGGER note_reset AFTER UPDATE OF start ON _cq.view
    FOR EACH ROW WHEN (NEW.created_at = OLD.created_at) EXECUTE FUNCTION _cq.note_view('start');
COMMENT ON TRIGGER note_reset ON _cq.view IS 'writes down that it was reset';

CREATE FUNCTION _cq.note_start() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    INSERT INTO _cq.event (view, name, what, detail)
    VALUES (NEW.view, NEW.view::text, 'started', 'reads stream ' || NEW.stream::text);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION _cq.note_start() IS 'writes down that a continuous view has begun to read a stream';
REVOKE ALL ON FUNCTION _cq.note_start() FROM PUBLIC;
CREATE TRIGGER note_start AFTER UPDATE OF is_started ON _cq.input
    FOR EACH ROW WHEN (NEW.is_started AND NOT OLD.is_started) EXECUTE FUNCTION _cq.note_start();
COMMENT ON TRIGGER note_start ON _cq.input IS 'writes down that a continuous view has begun to read a stream';

CREATE FUNCTION _cq.note_gap() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    INSERT INTO _cq.event (stream, name, what, detail)
    VALUES (NEW.stream, NEW.stream::text, 'messages missing',
            format('topic "%s" partition %s: offset %s was wanted, and %s is there', NEW.topic, NEW.partition,
                   NEW.from_offset, NEW.to_offset));
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION _cq.note_gap() IS 'writes down that messages of a stream were gone';
REVOKE ALL ON FUNCTION _cq.note_gap() FROM PUBLIC;
-- What a dump has is written down already.
CREATE TRIGGER note_gap AFTER INSERT ON _cq.gap
    FOR EACH ROW WHEN (NEW.occurred_at >= now()) EXECUTE FUNCTION _cq.note_gap();
COMMENT ON TRIGGER note_gap ON _cq.gap IS 'writes down that messages of a stream were gone';

CREATE FUNCTION _cq.trim_events() RETURNS bigint
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    gone bigint;
BEGIN
    DELETE FROM _cq.event
    WHERE event_id <= (SELECT max(event_id) FROM _cq.event) - current_setting('cq.max_events')::bigint
      AND current_setting('cq.max_events')::bigint >= 0;
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;
COMMENT ON FUNCTION _cq.trim_events() IS 'deletes the oldest events, of more than cq.max_events';
REVOKE ALL ON FUNCTION _cq.trim_events() FROM PUBLIC;

-- Details may quote what was read: they are for who may see status_detail of cq.views.
CREATE VIEW cq.events WITH (security_barrier) AS
SELECT e.event_id, e.occurred_at, e.view, e.stream, e.name, e.what,
       CASE WHEN pg_catalog.current_setting('is_superuser') = 'on' THEN e.detail
            WHEN e.view IS NULL AND e.stream IS NULL THEN
                 CASE WHEN pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') THEN e.detail END
            WHEN e.view IS NULL THEN e.detail
            WHEN NOT pg_catalog.pg_has_role(r.relowner, 'USAGE') THEN NULL
            WHEN NOT EXISTS (SELECT FROM _cq.input i WHERE i.view = e.view
                             AND NOT pg_catalog.has_table_privilege(i.stream, 'SELECT')) THEN e.detail
       END AS detail
FROM _cq.event e
LEFT JOIN pg_catalog.pg_class r ON r.oid = coalesce(e.view, e.stream)
WHERE pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW cq.events IS 'what has happened to continuous views, streams and workers';
