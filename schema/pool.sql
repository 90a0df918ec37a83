-- Compute pools: groups of views that have workers of their own.

CREATE TABLE _cq.pool (
    name            text COLLATE "C" PRIMARY KEY,   -- as in _cq.view.pool
    owner           regrole NOT NULL,               -- who may change and drop it
    users           regrole NOT NULL,               -- whose members may put views into it
    min_workers     integer NOT NULL CHECK (min_workers >= 0),
    max_workers     integer NOT NULL CHECK (max_workers BETWEEN 1 AND 64),
    nice            integer NOT NULL DEFAULT 0 CHECK (nice BETWEEN 0 AND 19),
    CHECK (min_workers <= max_workers)
);
COMMENT ON TABLE _cq.pool IS 'compute pools: groups of views that have workers of their own';
SELECT pg_catalog.pg_extension_config_dump('_cq.pool', '');

CREATE FUNCTION cq.create_pool(
        name text, min_workers integer DEFAULT 0, max_workers integer DEFAULT NULL,
        nice integer DEFAULT 0, owner regrole DEFAULT NULL, users regrole DEFAULT NULL)
    RETURNS void
    LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'cq_create_pool';
COMMENT ON FUNCTION cq.create_pool(text, integer, integer, integer, regrole, regrole) IS
    'makes a compute pool, whose views have workers of their own, from a least to a largest '
    'number; members of the role users may put views into it';
-- It takes processes of the server, and its owner sets budgets.
REVOKE ALL ON FUNCTION cq.create_pool(text, integer, integer, integer, regrole, regrole)
    FROM PUBLIC;

CREATE FUNCTION cq.alter_pool(
        name text, min_workers integer DEFAULT NULL, max_workers integer DEFAULT NULL,
        nice integer DEFAULT NULL, owner regrole DEFAULT NULL, users regrole DEFAULT NULL)
    RETURNS void
    LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'cq_alter_pool';
COMMENT ON FUNCTION cq.alter_pool(text, integer, integer, integer, regrole, regrole) IS
    'changes a compute pool; what is null stays';

CREATE FUNCTION cq.drop_pool(name text) RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'cq_drop_pool';
COMMENT ON FUNCTION cq.drop_pool(text) IS 'drops a compute pool without views';

CREATE FUNCTION _cq.pool_status(
        OUT name text, OUT wanted integer, OUT busy float8, OUT backlog float8,
        OUT lag_messages bigint, OUT changed_at timestamptz, OUT change text)
    RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 10
    AS 'MODULE_PATHNAME', 'cq_pool_status';
COMMENT ON FUNCTION _cq.pool_status() IS
    'compute pools of this database: how many workers each is to have, and why';

CREATE VIEW cq.pools WITH (security_barrier) AS
SELECT p.name, pg_catalog.pg_get_userbyid(p.owner) AS owner,
       pg_catalog.pg_get_userbyid(p.users) AS users,
       p.min_workers, p.max_workers, p.nice,
       (SELECT count(*) FROM _cq.view v WHERE v.pool = p.name) AS views,
       (SELECT count(*) FROM _cq.worker_status() w JOIN _cq.worker_pools() o USING (worker)
        WHERE o.pool = p.name AND w.pid IS NOT NULL) AS workers,
       s.wanted AS wanted_workers, s.busy, pg_catalog.make_interval(secs => s.backlog) AS backlog,
       s.lag_messages, s.changed_at, s.change
FROM _cq.pool p
LEFT JOIN _cq.pool_status() s ON s.name = p.name
WHERE pg_catalog.pg_has_role(p.owner, 'USAGE') OR pg_catalog.pg_has_role(p.users, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW cq.pools IS 'compute pools, for who may use them';
