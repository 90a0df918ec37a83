-- State and work in figures: what views keep, what views and workers have done, and what that took.

-- ---- what views keep ----

CREATE FUNCTION _cq.relation_bytes(relation oid, OUT table_bytes bigint, OUT index_bytes bigint)
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'cq_relation_bytes';
COMMENT ON FUNCTION _cq.relation_bytes(oid) IS
    'how large a table is, with what is out of line, and its indexes; null where it is locked: it '
    'does not wait';

CREATE VIEW cq.view_parts WITH (security_barrier) AS
SELECT p.view, p.node, p.role, p.number, t.relation::regclass AS relation,
       CASE WHEN s.live + s.dead = 0 THEN greatest(r.reltuples::bigint, 0) ELSE s.live END AS rows,
       s.dead AS dead_rows,
       coalesce(round(s.dead::numeric / nullif(s.live + s.dead, 0), 3), 0)::float8 AS dead_share,
       b.table_bytes + b.index_bytes AS bytes, b.table_bytes, b.index_bytes
FROM _cq.part p
LEFT JOIN _cq.log l ON l.stream = p.relation,
LATERAL (SELECT coalesce(l.log, p.relation)::oid AS relation) t
JOIN pg_catalog.pg_class r ON r.oid = t.relation
JOIN pg_catalog.pg_class v ON true,
LATERAL (SELECT pg_catalog.pg_stat_get_live_tuples(t.relation) AS live,
                pg_catalog.pg_stat_get_dead_tuples(t.relation) AS dead) s,
LATERAL _cq.relation_bytes(t.relation) b
WHERE v.oid = p.view AND p.role <> 'definition'
  AND (pg_catalog.has_table_privilege(v.oid, 'SELECT')
       OR pg_catalog.pg_has_role(v.relowner, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE'));
COMMENT ON VIEW cq.view_parts IS
    'what continuous views keep: their tables, rows and bytes, and what is dead of these';

-- Views that stand at the same place in the same partitions are read and decoded once for all.
CREATE VIEW cq.lanes WITH (security_barrier) AS
SELECT o.stream,
       ARRAY(SELECT f.view::regclass FROM unnest(o.followers) f (view)
             JOIN pg_catalog.pg_class r ON r.oid = f.view
             WHERE pg_catalog.has_table_privilege(r.oid, 'SELECT')
                   OR pg_catalog.pg_has_role(r.relowner, 'USAGE')
                OR pg_catalog.pg_has_role('pg_monitor', 'USAGE')
             ORDER BY f.view::regclass::text) AS views,
       count(*) AS partitions
FROM (SELECT c.cursor_id, c.stream, array_agg(f.view::oid ORDER BY f.view::oid) AS followers
      FROM _cq.cursor c
      JOIN _cq.follow f USING (cursor_id)
      JOIN _cq.input i ON i.view = f.view AND i.stream = c.stream AND i.is_started
      GROUP BY c.cursor_id) o
WHERE EXISTS (SELECT FROM pg_catalog.pg_class r
              WHERE r.oid = ANY (o.followers)
                AND (pg_catalog.has_table_privilege(r.oid, 'SELECT')
                     OR pg_catalog.pg_has_role(r.relowner, 'USAGE')
                     OR pg_catalog.pg_has_role('pg_monitor', 'USAGE')))
GROUP BY o.stream, o.followers;
COMMENT ON VIEW cq.lanes IS
    'continuous views that are maintained together, batch by batch, and of how many partitions';

-- ---- what was done ----

CREATE FUNCTION _cq.stat_work(
        OUT relation oid, OUT cpu_time float8, OUT commits bigint, OUT wal_bytes bigint)
    RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'cq_stats_work';
COMMENT ON FUNCTION _cq.stat_work() IS 'what maintaining relations of this database has taken';

CREATE FUNCTION _cq.stat_times(OUT relation oid, OUT what text, OUT up_to float8, OUT count bigint)
    RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'cq_stats_times';
COMMENT ON FUNCTION _cq.stat_times() IS 'histograms of times, of relations of this database';

CREATE FUNCTION _cq.worker_work(
        OUT kind text, OUT worker integer, OUT pid integer, OUT rows bigint, OUT bytes bigint,
        OUT batches bigint, OUT last_batch_time timestamptz, OUT cpu_time float8,
        OUT commits bigint, OUT wal_bytes bigint)
    RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'cq_worker_work';
COMMENT ON FUNCTION _cq.worker_work() IS 'what the processes of this database have done';

-- 0.1.0 has these two, with fewer columns.
CREATE OR REPLACE VIEW cq.stat_views WITH (security_barrier) AS
SELECT v.view, n.rows, n.bytes, n.bad_rows, n.late_rows, n.groups_inserted, n.groups_updated,
       n.batches, n.total_batch_time, n.mean_batch_time, n.max_batch_time,
       round(n.rows_per_second::numeric, 2)::float8 AS rows_per_second,
       n.last_batch_time, n.last_error, n.last_error_time, n.stats_reset,
       coalesce(w.cpu_time, 0) AS cpu_time, coalesce(w.commits, 0) AS commits,
       coalesce(w.wal_bytes, 0) AS wal_bytes
FROM _cq.view v
JOIN pg_catalog.pg_class r ON r.oid = v.view
JOIN _cq.stat_relations() n ON n.relation = v.view
LEFT JOIN _cq.stat_work() w ON w.relation = v.view
WHERE pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW cq.stat_views IS 'what the workers have done for continuous views; times in ms';

CREATE OR REPLACE VIEW cq.stat_workers AS
SELECT worker, pid, rows, bytes, batches, last_batch_time, kind, cpu_time, commits, wal_bytes
FROM _cq.worker_work()
ORDER BY kind DESC, worker;
COMMENT ON VIEW cq.stat_workers IS
    'what the processes of this database have done: workers, keeper, emitter; times in ms';

CREATE VIEW cq.stat_times WITH (security_barrier) AS
SELECT v.view, t.what, t.up_to, t.count
FROM _cq.view v
JOIN pg_catalog.pg_class r ON r.oid = v.view
JOIN _cq.stat_times() t ON t.relation = v.view
WHERE pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.pg_has_role(r.relowner, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW cq.stat_times IS
    'how many batches of a view, and rows from produce to visible, have taken no longer than '
    'so many ms';
