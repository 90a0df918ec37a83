-- Continuous views under DDL: what is made, what may be changed, what goes together.
CREATE ROLE regress_cq_ddl;
CREATE SCHEMA ddl;
GRANT CREATE, USAGE ON SCHEMA ddl TO regress_cq_ddl;
SET search_path = ddl;
CREATE FOREIGN TABLE bid (auction bigint, bidder bigint, price bigint, at timestamptz) SERVER cq_log;
CREATE VIEW part AS SELECT p.view, p.role, c.relname, c.relowner FROM _cq.part p JOIN pg_class c ON c.oid = p.relation;
CREATE VIEW parts AS
    SELECT v.view, d.relname AS definition, s.relname AS state, v.status, v.on_error, v.retention
    FROM _cq.view v JOIN part d USING (view) JOIN part s USING (view)
    WHERE d.role = 'definition' AND s.role = 'state';
CREATE VIEW indexes AS
    SELECT v.view, pg_get_indexdef(indexrelid) AS index FROM pg_index JOIN _cq.part v ON indrelid = v.relation WHERE role = 'state';

-- Both spellings; names of columns; schemas.
CREATE CONTINUOUS VIEW hot AS SELECT auction, count(*), avg(price) FROM bid GROUP BY auction;
CREATE VIEW dear (lot, twice) WITH (continuous, on_error = pause, retention = '1 day') AS SELECT auction, price * 2, at FROM bid WHERE price > 100;
CREATE SCHEMA ddl_inner CREATE VIEW inside WITH (continuous) AS SELECT bidder FROM ddl.bid;
SELECT * FROM parts ORDER BY view::text;
\d hot
\d dear
SELECT * FROM hot;
SELECT * FROM dear;

-- What is no good.
CREATE CONTINUOUS VIEW hot AS SELECT auction FROM bid;
CREATE CONTINUOUS VIEW IF NOT EXISTS hot AS SELECT auction FROM bid;
CREATE CONTINUOUS VIEW bad AS SELECT 1;
CREATE CONTINUOUS VIEW bad AS SELECT auction AS a, price AS a FROM bid;
CREATE CONTINUOUS VIEW bad (a, b) AS SELECT auction FROM bid;
CREATE TEMP CONTINUOUS VIEW bad AS SELECT auction FROM bid;
CREATE CONTINUOUS VIEW pg_temp.bad AS SELECT auction FROM bid;
CREATE CONTINUOUS VIEW bad AS SELECT auction FROM bid WITH CHECK OPTION;
CREATE CONTINUOUS VIEW bad WITH (security_invoker) AS SELECT auction FROM bid;
CREATE CONTINUOUS VIEW bad WITH (frobnicate) AS SELECT auction FROM bid;
CREATE CONTINUOUS VIEW bad WITH (on_error) AS SELECT auction FROM bid;
CREATE CONTINUOUS VIEW bad WITH (on_error = 'maybe') AS SELECT auction FROM bid;
CREATE CONTINUOUS VIEW bad WITH (retention = '-1 s') AS SELECT auction FROM bid;
CREATE CONTINUOUS VIEW bad AS WITH gone AS (DELETE FROM parts RETURNING 1) SELECT auction FROM bid;
CREATE CONTINUOUS VIEW nowhere.bad AS SELECT auction FROM bid;

-- ROLLBACK leaves nothing behind.
BEGIN;
CREATE CONTINUOUS VIEW undone AS SELECT auction FROM bid;
DROP VIEW hot;
SAVEPOINT s;
CREATE CONTINUOUS VIEW hot AS SELECT 1;
ROLLBACK TO s;
CREATE CONTINUOUS VIEW hot AS SELECT bidder FROM bid;
SELECT * FROM parts ORDER BY view::text;
ROLLBACK;
SELECT * FROM parts ORDER BY view::text;
SELECT count(*) FROM pg_class WHERE relnamespace = '_cq'::regnamespace AND relname LIKE 'undone%';

-- It cannot be written to.
INSERT INTO dear VALUES (1, 2, now());
UPDATE dear SET lot = 1;
DELETE FROM hot;
TRUNCATE hot;

-- OR REPLACE keeps the view and its dependents, and begins again.
CREATE VIEW over_hot AS SELECT max(count) FROM hot;
CREATE OR REPLACE CONTINUOUS VIEW hot WITH (security_barrier) AS SELECT auction, count(*), avg(price), max(price) FROM bid GROUP BY auction;
SELECT reloptions FROM pg_class WHERE oid = 'hot'::regclass;
CREATE OR REPLACE CONTINUOUS VIEW hot AS SELECT auction, count(*), avg(price), max(price) FROM bid WHERE price > 0 GROUP BY auction;
SELECT reloptions FROM pg_class WHERE oid = 'hot'::regclass;
CREATE OR REPLACE CONTINUOUS VIEW hot AS SELECT auction FROM bid;
CREATE OR REPLACE CONTINUOUS VIEW hot AS SELECT auction, count(*), sum(price), max(price) FROM bid GROUP BY auction;
CREATE OR REPLACE CONTINUOUS VIEW over_hot AS SELECT auction FROM bid;
CREATE OR REPLACE VIEW hot AS SELECT 1;
SELECT * FROM parts ORDER BY view::text;
SELECT count(*) FROM over_hot;

-- Nor does the query change behind its back.
CREATE VIEW plain AS SELECT auction FROM bid WHERE price > 10;
CREATE VIEW plainer AS SELECT * FROM plain;
CREATE TABLE item (id bigint);
CREATE VIEW items AS SELECT id FROM item;
CREATE CONTINUOUS VIEW behind AS SELECT auction, count(*) FROM plainer JOIN items ON id = auction GROUP BY auction;
CREATE OR REPLACE VIEW plain AS SELECT auction FROM bid;
CREATE OR REPLACE VIEW plainer AS SELECT * FROM plain LIMIT 1;
CREATE OR REPLACE VIEW items AS SELECT id FROM item WHERE id > 0;
DROP CONTINUOUS VIEW behind;
CREATE OR REPLACE VIEW plain AS SELECT auction FROM bid;

-- Options.
ALTER CONTINUOUS VIEW dear SET (on_error = 'pause', retention = '2 days', security_barrier);
SELECT * FROM parts WHERE view = 'dear'::regclass;
ALTER CONTINUOUS VIEW dear RESET (on_error, retention, security_barrier, security_invoker);
SELECT * FROM parts WHERE view = 'dear'::regclass;
SELECT reloptions FROM pg_class WHERE oid = 'dear'::regclass;
ALTER VIEW hot SET (start = 'latest');
ALTER VIEW hot SET (security_invoker);
ALTER VIEW hot SET (frobnicate = 1);
ALTER VIEW hot SET (on_error = 'maybe');

-- Indexes, for reading.
CREATE INDEX ON hot (auction);
CREATE INDEX by_lot ON dear (lot DESC, twice) INCLUDE (at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS by_time ON dear USING brin (at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS by_time ON dear USING brin (at);
ALTER VIEW dear RENAME COLUMN lot TO l;
CREATE INDEX ON dear (l);
SELECT * FROM indexes ORDER BY 1, 2;
CREATE INDEX ON hot (count);
CREATE INDEX ON hot (none);
CREATE UNIQUE INDEX ON hot (auction);
CREATE INDEX ON hot ((auction + 1));
CREATE INDEX ON hot (auction) WHERE auction > 0;
BEGIN;
CREATE INDEX CONCURRENTLY ON hot (auction);
ROLLBACK;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM dear WHERE l = 1;
RESET enable_seqscan;
DROP INDEX by_lot, ddl.by_time;
DROP INDEX by_lot;
DROP INDEX IF EXISTS by_lot;
SELECT * FROM indexes ORDER BY 1, 2;

-- Rights.
SET ROLE regress_cq_ddl;
CREATE CONTINUOUS VIEW mine AS SELECT auction, count(*) FROM bid GROUP BY auction;
SELECT * FROM hot;
DROP CONTINUOUS VIEW hot;
ALTER CONTINUOUS VIEW hot SET (on_error = 'pause');
CREATE OR REPLACE CONTINUOUS VIEW hot AS SELECT auction FROM bid;
CREATE INDEX ON hot (auction);
DROP INDEX hot_auction_idx;
CREATE CONTINUOUS VIEW ddl_inner.mine AS SELECT auction FROM bid;
RESET ROLE;
GRANT SELECT ON bid, hot TO regress_cq_ddl;
SET ROLE regress_cq_ddl;
CREATE CONTINUOUS VIEW mine AS SELECT auction, count(*) FROM bid GROUP BY auction;
CREATE INDEX ON mine (auction);
SELECT * FROM hot;
SELECT * FROM mine;
RESET ROLE;
SELECT view, d.relowner::regrole AS definition, s.relowner::regrole AS state
FROM part d JOIN part s USING (view) WHERE d.role = 'definition' AND s.role = 'state' ORDER BY view::text;
ALTER CONTINUOUS VIEW mine OWNER TO CURRENT_USER;
SELECT view, d.relowner::regrole = CURRENT_USER::regrole AS definition, s.relowner::regrole = CURRENT_USER::regrole AS state
FROM part d JOIN part s USING (view) WHERE d.role = 'definition' AND s.role = 'state' AND view = 'mine'::regclass;
DROP CONTINUOUS VIEW mine;

-- What it reads stays, or takes it along.
DROP FOREIGN TABLE bid;
ALTER FOREIGN TABLE bid DROP COLUMN price;
\set VERBOSITY terse
ALTER FOREIGN TABLE bid ALTER COLUMN price TYPE int; -- either view may be named
\set VERBOSITY default
ALTER FOREIGN TABLE bid RENAME COLUMN price TO amount;
SELECT pg_get_viewdef(relation) ~ 'amount > 100' AS follows FROM _cq.part WHERE view = 'dear'::regclass AND role = 'definition';
ALTER FOREIGN TABLE bid DROP COLUMN at CASCADE;
SELECT * FROM parts ORDER BY view::text;
DROP CONTINUOUS VIEW hot;
DROP CONTINUOUS VIEW hot CASCADE;
SELECT count(*) FROM _cq.view;
SELECT relname FROM pg_class WHERE relnamespace = '_cq'::regnamespace AND relname ~ '_(state|definition)' ORDER BY 1;

-- Event triggers see one command.
CREATE FUNCTION tell() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE '% %: %', tg_event, tg_tag,
        CASE WHEN tg_event = 'ddl_command_end' THEN
            (SELECT string_agg(command_tag || ' ' || object_type || ' ' || object_identity, ', ') FROM pg_event_trigger_ddl_commands())
        END;
END $$;
CREATE EVENT TRIGGER tell_start ON ddl_command_start EXECUTE FUNCTION tell();
CREATE EVENT TRIGGER tell_end ON ddl_command_end EXECUTE FUNCTION tell();
CREATE CONTINUOUS VIEW told AS SELECT auction FROM bid;
CREATE INDEX ON told (auction);
CREATE OR REPLACE CONTINUOUS VIEW told AS SELECT auction, bidder FROM bid;
ALTER CONTINUOUS VIEW told RENAME TO retold;
DROP CONTINUOUS VIEW retold;
DROP EVENT TRIGGER tell_start;
DROP EVENT TRIGGER tell_end;

SET client_min_messages = warning;
DROP SCHEMA ddl, ddl_inner CASCADE;
DROP ROLE regress_cq_ddl;
