-- Compute pools: who may make, use, change and drop them.
SET client_min_messages = error;
CREATE SCHEMA pool;
SET search_path = pool;
CREATE ROLE regress_pool_owner;
CREATE ROLE regress_pool_user;
CREATE ROLE regress_pool_other;
GRANT ALL ON SCHEMA pool TO regress_pool_user, regress_pool_other;
-- Only whom a superuser lets.
SET ROLE regress_pool_owner;
SELECT cq.create_pool('mine');
RESET ROLE;
-- What cannot be.
SELECT cq.create_pool(NULL);
SELECT cq.create_pool('');
SELECT cq.create_pool(repeat('x', 64));
SELECT cq.create_pool('default');
SELECT cq.create_pool('p', -1);
SELECT cq.create_pool('p', 0, 0);
SELECT cq.create_pool('p', 0, 65);
SELECT cq.create_pool('p', 3, 2);
SELECT cq.create_pool('p', nice => 20);
SELECT cq.create_pool('p', owner => 0::oid::regrole);
SELECT cq.create_pool('p', 0, 2, owner => 'regress_pool_owner', users => 'regress_pool_user');
SELECT cq.create_pool('p');
SELECT cq.create_pool('more', 2);
SELECT name, owner, users, min_workers, max_workers, nice, views FROM cq.pools
WHERE name IN ('p', 'more') ORDER BY name;
-- Who may use it.
CREATE FOREIGN TABLE s (k int) SERVER cq_log;
GRANT SELECT ON s TO regress_pool_user, regress_pool_other;
CREATE VIEW none WITH (continuous, pool = 'q') AS SELECT count(*) FROM s;
SET ROLE regress_pool_other;
CREATE VIEW others WITH (continuous, pool = 'p') AS SELECT count(*) FROM s;
CREATE VIEW others WITH (continuous) AS SELECT count(*) FROM s;
ALTER VIEW others SET (pool = 'p');
SELECT name, min_workers, max_workers, nice, views FROM cq.pools;
SELECT cq.alter_pool('p', users => 'regress_pool_other');
SELECT cq.drop_pool('p');
SET ROLE regress_pool_user;
CREATE VIEW v WITH (continuous, pool = 'p') AS SELECT k, count(*) FROM s GROUP BY k;
SELECT options FROM cq.views WHERE view = 'v'::regclass;
SELECT name, owner, users, views FROM cq.pools;
-- Its users are not those who limit it.
SELECT cq.alter_pool('p', max_workers => 5);
SELECT cq.drop_pool('p');
SET ROLE regress_pool_owner;
SELECT cq.drop_pool('p');
SELECT cq.alter_pool('p', 3);
SELECT cq.alter_pool('p', 1, 3, nice => 5);
SELECT cq.alter_pool('p', owner => 'regress_pool_other');
SELECT name, min_workers, max_workers, nice, views FROM cq.pools;
SELECT cq.drop_pool('q');
RESET ROLE;
INSERT INTO s SELECT i % 3 FROM generate_series(1, 10) i;
SELECT cq.wait('v');
SELECT * FROM v ORDER BY k;
ALTER VIEW v RESET (pool);
ALTER VIEW v SET (pool = 'default');
ALTER VIEW v SET (pool = 'more');
INSERT INTO s SELECT i % 3 FROM generate_series(1, 10) i;
SELECT cq.wait('v');
SELECT * FROM v ORDER BY k;
SELECT what, detail FROM cq.events WHERE view = 'v'::regclass AND what = 'altered'
ORDER BY event_id;
SELECT cq.show_create('v') ~ 'pool = ''more''' AS shown;
-- A transaction that puts a view into a pool, and takes it back.
BEGIN;
ALTER VIEW v SET (pool = 'p');
SELECT cq.drop_pool('p');
ROLLBACK;
SELECT cq.drop_pool('p');
SELECT cq.drop_pool('more');
ALTER VIEW v RESET (pool);
SELECT cq.drop_pool('more');
SELECT cq.drop_pool('default');
SELECT name FROM cq.pools WHERE name IN ('p', 'more');
DROP SCHEMA pool CASCADE;
DROP ROLE regress_pool_owner, regress_pool_user, regress_pool_other;
