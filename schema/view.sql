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

CREATE FUNCTION _cq.adopt_parts() RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cq_adopt_parts_sql';
COMMENT ON FUNCTION _cq.adopt_parts() IS 'makes the relations behind views and streams parts of them';
REVOKE ALL ON FUNCTION _cq.adopt_parts() FROM PUBLIC;

-- After an update, and after a dump of an earlier version was restored.
CREATE FUNCTION _cq.complete_parts() RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    part regclass;
    left_over text;
BEGIN
    UPDATE _cq.view SET stream = stream WHERE stream IS NOT NULL;
    UPDATE _cq.follow f SET stream = c.stream
    FROM _cq.cursor c
    WHERE f.stream = 0 AND c.cursor_id = f.cursor_id;
    FOR part IN
        SELECT c.oid
        FROM _cq.part p JOIN pg_class c ON c.oid = p.relation
        WHERE c.relreplident = 'd'
    LOOP
        EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', part);
    END LOOP;
    UPDATE _cq.view v SET query = rtrim(pg_get_viewdef(p.relation), ';')
    FROM _cq.part p
    WHERE v.query IS NULL AND p.view = v.view AND p.role = 'definition';
    PERFORM _cq.make_logs();
    PERFORM _cq.adopt_parts();
    SELECT string_agg(c.oid::regclass::text, ', ' ORDER BY c.oid) INTO left_over
    FROM pg_class c
    WHERE c.relnamespace = '_cq'::regnamespace AND c.relkind IN ('r', 'v')
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                        AND d.deptype IN ('e', 'i')
                        AND d.refclassid IN ('pg_extension'::regclass, 'pg_class'::regclass));
    IF left_over IS NOT NULL THEN
        RAISE WARNING 'some relations in schema _cq belong to no continuous view or stream'
            USING DETAIL = left_over,
                  HINT = 'A dump without data leaves them. Drop them with CASCADE.';
    END IF;
END
$$;
COMMENT ON FUNCTION _cq.complete_parts() IS
    'gives the tables that an earlier version made what those of this one have';
REVOKE ALL ON FUNCTION _cq.complete_parts() FROM PUBLIC;

CREATE FUNCTION _cq.without_moment(text, oid) RETURNS text
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cq_without_moment';
COMMENT ON FUNCTION _cq.without_moment(text, oid) IS
    'the text, before it is read as a type of dates or times; an error where it says now, today or the like';

CREATE FUNCTION _cq.without_moments(json, text[], oid[]) RETURNS json
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cq_without_moments_json';
COMMENT ON FUNCTION _cq.without_moments(json, text[], oid[]) IS
    'the document, before rows are made of it; an error where columns of these names and types would be made of now, today or the like';

CREATE FUNCTION _cq.without_moments(jsonb, text[], oid[]) RETURNS jsonb
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cq_without_moments_jsonb';
COMMENT ON FUNCTION _cq.without_moments(jsonb, text[], oid[]) IS
    'the document, before rows are made of it; an error where columns of these names and types would be made of now, today or the like';
