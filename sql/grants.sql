-- What everybody may do with what the extension makes, to the last of it: what is added must be added here.
SELECT p.oid::regprocedure AS function, p.prosecdef AS as_owner
FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
WHERE p.pronamespace IN ('cq'::regnamespace, '_cq'::regnamespace) AND a.grantee = 0
ORDER BY p.pronamespace::regnamespace::text COLLATE "C", p.oid::regprocedure::text COLLATE "C";
SELECT c.oid::regclass AS relation, string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) AS privileges
FROM pg_class c, aclexplode(coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))) a
WHERE c.relnamespace IN ('cq'::regnamespace, '_cq'::regnamespace) AND a.grantee = 0
GROUP BY c.oid ORDER BY c.oid::regclass::text COLLATE "C";
SELECT a.attrelid::regclass, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace IN ('cq'::regnamespace, '_cq'::regnamespace) AND a.attacl IS NOT NULL;
SELECT n.nspname, a.privilege_type FROM pg_namespace n, aclexplode(n.nspacl) a
WHERE n.nspname IN ('cq', '_cq') AND a.grantee = 0 ORDER BY 1;
SELECT f.fdwname, s.srvname, a.privilege_type
FROM pg_foreign_data_wrapper f LEFT JOIN pg_foreign_server s ON s.srvfdw = f.oid AND s.srvname = 'cq_log',
  aclexplode(coalesce(f.fdwacl, acldefault('F', f.fdwowner)) || coalesce(s.srvacl, acldefault('S', s.srvowner))) a
WHERE f.fdwname IN ('cq_kafka', 'cq_log') AND a.grantee = 0;
-- To nobody but everybody, and to the owner.
SELECT c.oid::regclass, a.grantee::regrole FROM pg_class c, aclexplode(c.relacl) a
WHERE c.relnamespace IN ('cq'::regnamespace, '_cq'::regnamespace) AND a.grantee NOT IN (0, c.relowner);
SELECT p.oid::regprocedure, a.grantee::regrole FROM pg_proc p, aclexplode(p.proacl) a
WHERE p.pronamespace IN ('cq'::regnamespace, '_cq'::regnamespace) AND a.grantee NOT IN (0, p.proowner);

-- What those that tell of views and streams tell a stranger: nothing.
CREATE SCHEMA granted;
SET search_path = granted;
CREATE FOREIGN TABLE s (k int, t timestamptz) SERVER cq_log;
CREATE CONTINUOUS VIEW v AS SELECT k, count(*) FROM s GROUP BY k;
INSERT INTO s VALUES (1, now());
SELECT cq.wait('v');
CREATE ROLE stranger;
CREATE ROLE reader;
CREATE ROLE monitor IN ROLE pg_monitor;
GRANT USAGE ON SCHEMA granted TO stranger, reader, monitor;
GRANT SELECT ON v TO reader;
CREATE VIEW told AS
  SELECT (SELECT count(*) FROM cq.views) AS views, (SELECT count(*) FROM cq.streams) AS streams, (SELECT count(*) FROM cq.positions) AS positions,
    (SELECT count(*) FROM cq.errors) + (SELECT count(*) FROM cq.late) + (SELECT count(*) FROM cq.gaps) AS letters;
GRANT SELECT ON told TO stranger, reader, monitor;
SET ROLE stranger;
TABLE told;
SELECT (SELECT count(*) FROM _cq.stat_relations()) AS relations, (SELECT count(*) FROM _cq.stat_sinks()) AS sinks,
  (SELECT count(*) FROM _cq.stream_states()) AS states, (SELECT count(*) FROM _cq.failing_views()) AS failing;
SELECT * FROM _cq.readings();
SELECT * FROM _cq.cursor;
SELECT * FROM _cq.held_up();
SELECT cq.watermark('v');
SELECT cq.wait('v');
SELECT cq.flush('v');
SELECT cq.pause('v');
SELECT cq.reset('v');
SELECT cq.stat_reset('v');
SELECT cq.stat_reset();
SELECT cq.resume_sink('v', true);
SET ROLE reader;
TABLE told;
SELECT view, status FROM cq.views;
SELECT cq.pause('v');
SET ROLE monitor;
TABLE told;
RESET ROLE;
TABLE told;
DROP SCHEMA granted CASCADE;
DROP ROLE stranger, reader, monitor;
-- What is asked of a server, with its owner's or the caller's secrets, is for whoever may use it.
CREATE ROLE regress_stranger;
SET ROLE regress_stranger;
SELECT * FROM cq.columns_of('cq_log', 't');
RESET ROLE;
SELECT * FROM cq.columns_of('cq_log', 't');
DROP ROLE regress_stranger;
