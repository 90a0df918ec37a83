-- What views have used, by minute, hour and day.

CREATE TABLE _cq.usage (
    period          text COLLATE "C" NOT NULL CHECK (period IN ('minute', 'hour', 'day')),
    began_at        timestamptz NOT NULL,           -- days are those of UTC
    view            oid NOT NULL,                   -- it may be gone; 0: nobody in particular
    name            text,                           -- as it was then
    owner           oid,
    pool            text COLLATE "C",
    cpu_seconds     float8 NOT NULL,
    rows            bigint NOT NULL,
    bytes_in        bigint NOT NULL,
    bytes_out       bigint NOT NULL,
    state_bytes     bigint,                         -- the most that it had
    wal_bytes       bigint NOT NULL,
    PRIMARY KEY (period, began_at, view)
) WITH (fillfactor = 70);
COMMENT ON TABLE _cq.usage IS 'what continuous views have used';

-- Of several views at once, each with its figures.
CREATE FUNCTION _cq.note_usage(views oid[], cpu_ns bigint[], rows bigint[], bytes_in bigint[],
    bytes_out bigint[], wal_bytes bigint[])
    RETURNS void
    LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO _cq.usage AS u (period, began_at, view, name, owner, pool, cpu_seconds, rows,
                                bytes_in, bytes_out, state_bytes, wal_bytes)
    SELECT p.period, date_trunc(p.period, t.now, 'UTC'), n.view,
           coalesce(c.oid::regclass::text, k.name),
           coalesce(c.relowner, k.owner), CASE WHEN v.view IS NULL THEN k.pool ELSE v.pool END,
           n.cpu_ns / 1e9::float8, n.rows, n.bytes_in, n.bytes_out,
           s.bytes, n.wal_bytes
    FROM unnest(views, cpu_ns, rows, bytes_in, bytes_out, wal_bytes)
             n (view, cpu_ns, rows, bytes_in, bytes_out, wal_bytes)
    CROSS JOIN (VALUES ('minute'), ('hour'), ('day')) p (period)
    CROSS JOIN (SELECT _cq.clock() AS now OFFSET 0) t
    LEFT JOIN pg_class c ON c.oid = n.view
    LEFT JOIN _cq.view v ON v.view = n.view
    -- Of one that is gone, what it was.
    LEFT JOIN LATERAL (SELECT o.name, o.owner, o.pool FROM _cq.usage o
                       WHERE o.period = 'day' AND o.view = n.view AND c.oid IS NULL
                       ORDER BY o.began_at DESC LIMIT 1) k ON true
    LEFT JOIN LATERAL (SELECT sum(b.table_bytes + b.index_bytes)::bigint AS bytes
                       FROM _cq.part q
                       LEFT JOIN _cq.log l ON l.stream = q.relation,
                       LATERAL _cq.relation_bytes(coalesce(l.log, q.relation)::oid) b
                       WHERE q.view = n.view::regclass AND q.role <> 'definition') s ON true
    ON CONFLICT (period, began_at, view) DO UPDATE SET
        name = excluded.name, owner = excluded.owner, pool = excluded.pool,
        cpu_seconds = u.cpu_seconds + excluded.cpu_seconds,
        rows = u.rows + excluded.rows, bytes_in = u.bytes_in + excluded.bytes_in,
        bytes_out = u.bytes_out + excluded.bytes_out,
        state_bytes = greatest(u.state_bytes, excluded.state_bytes),
        wal_bytes = u.wal_bytes + excluded.wal_bytes;
END;
COMMENT ON FUNCTION _cq.note_usage(oid[], bigint[], bigint[], bigint[], bigint[], bigint[]) IS
    'adds to what continuous views have used in this minute, hour and day';
REVOKE ALL ON FUNCTION _cq.note_usage(oid[], bigint[], bigint[], bigint[], bigint[], bigint[])
    FROM PUBLIC;

CREATE FUNCTION _cq.write_usage() RETURNS bigint
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'cq_usage_write';
COMMENT ON FUNCTION _cq.write_usage() IS
    'writes down what continuous views have used since the last time';
REVOKE ALL ON FUNCTION _cq.write_usage() FROM PUBLIC;

CREATE FUNCTION _cq.trim_usage() RETURNS bigint
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    longest interval := make_interval(days => current_setting('cq.usage_retention')::int);
    trimmed bigint;
BEGIN
    DELETE FROM _cq.usage u
    USING (VALUES ('minute', interval '2 days'), ('hour', interval '31 days'),
                  ('day', interval '1000 years')) p (period, kept)
    WHERE u.period = p.period AND u.began_at < clock_timestamp() - least(p.kept, longest);
    GET DIAGNOSTICS trimmed = ROW_COUNT;
    DELETE FROM _cq.model_usage u WHERE u.began_at < clock_timestamp() - longest;
    DELETE FROM _cq.model_answer a WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = a.model);
    RETURN trimmed;
END
$$;
COMMENT ON FUNCTION _cq.trim_usage() IS 'deletes what cq.usage keeps no longer';
REVOKE ALL ON FUNCTION _cq.trim_usage() FROM PUBLIC;

CREATE VIEW cq.usage WITH (security_barrier) AS
SELECT u.period, u.began_at, CASE WHEN u.view <> 0 THEN u.view::regclass END AS view, u.name,
       pg_catalog.pg_get_userbyid(u.owner) AS owner, u.pool,
       u.cpu_seconds, u.rows, u.bytes_in, u.bytes_out, u.state_bytes, u.wal_bytes
FROM _cq.usage u
WHERE pg_catalog.pg_has_role('pg_monitor', 'USAGE')
   OR EXISTS (SELECT FROM pg_catalog.pg_roles r
              WHERE r.oid = u.owner AND pg_catalog.pg_has_role(r.oid, 'USAGE'));
COMMENT ON VIEW cq.usage IS
    'what continuous views have used, by minute, hour and day; without a view, '
    'what was used for none in particular';
