-- What a dump brings to another database: relations and the catalog's rows, but another's identity and no dependencies.
CREATE ROLE regress_cq_owner;
CREATE ROLE regress_cq_other;
CREATE SCHEMA restored AUTHORIZATION regress_cq_owner;
GRANT CREATE, USAGE ON SCHEMA restored TO regress_cq_other;
SET search_path = restored;

CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;

CREATE PROCEDURE restore_stream(stream text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE FOREIGN TABLE %I (a int) SERVER nowhere', stream);
    EXECUTE format('ALTER TABLE %I OWNER TO regress_cq_owner', stream);
    EXECUTE format('CREATE TABLE _cq.%I (a int)', stream || '_log');
    EXECUTE format('ALTER TABLE _cq.%I OWNER TO regress_cq_owner', stream || '_log');
    INSERT INTO _cq.log VALUES (stream::regclass, ('_cq.' || stream || '_log')::regclass);
    INSERT INTO _cq.cursor (stream, topic, partition, next_offset) VALUES (stream::regclass, stream, 0, 1), (stream::regclass, stream, 1, 1);
    INSERT INTO _cq.gap (stream, topic, partition, from_offset, to_offset) VALUES (stream::regclass, stream, 0, 0, 1);
END $$;
CREATE PROCEDURE restore_view(name text, stream text, partition int, status text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE _cq.%I (a int)', name || '_state');
    EXECUTE format('ALTER TABLE _cq.%I OWNER TO regress_cq_owner', name || '_state');
    EXECUTE format('CREATE VIEW _cq.%I AS SELECT a FROM %I', name || '_definition', stream);
    EXECUTE format('ALTER VIEW _cq.%I OWNER TO regress_cq_owner', name || '_definition');
    EXECUTE format('CREATE VIEW %I AS SELECT a FROM _cq.%I', name, name || '_state');
    EXECUTE format('ALTER VIEW %I OWNER TO regress_cq_owner', name);
    INSERT INTO _cq.view (view, definition, state, stream, settings, status) VALUES
        (name::regclass, ('_cq.' || name || '_definition')::regclass, ('_cq.' || name || '_state')::regclass, stream::regclass, '{}', status);
    INSERT INTO _cq.follow
        SELECT name::regclass, c.topic, c.partition, cursor_id FROM _cq.cursor c
        WHERE c.stream = restore_view.stream::regclass AND c.partition = restore_view.partition;
    INSERT INTO _cq.error (view, stream, message) VALUES (name::regclass, stream::regclass, 'x');
END $$;
CREATE VIEW relations AS
    SELECT relname, rolname AS owner FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace JOIN pg_roles r ON r.oid = relowner
    WHERE nspname IN ('_cq', 'restored') AND relname ~ '^(one|two|three|s|t)(_|$)' AND relkind IN ('r', 'v', 'f');
CREATE VIEW catalog AS
    SELECT 'view' AS "table", view::text AS what FROM _cq.view
    UNION ALL SELECT 'cursor', topic || partition FROM _cq.cursor
    UNION ALL SELECT 'follow', view::text FROM _cq.follow
    UNION ALL SELECT 'error', view::text FROM _cq.error
    UNION ALL SELECT 'gap', stream::text FROM _cq.gap
    UNION ALL SELECT 'log', stream::text FROM _cq.log;

-- One row of this database's own may be there, from views that were.
DELETE FROM _cq.identity;
INSERT INTO _cq.identity
    SELECT (pg_control_system()).system_identifier, oid, 'own' FROM pg_database WHERE datname = current_database();
SELECT _cq.is_copy();
INSERT INTO _cq.identity VALUES (1, 2, 'elsewhere');
SELECT _cq.is_copy();
CALL restore_stream('s');
CALL restore_view('one', 's', 0, 'running');
CALL restore_view('two', 's', 0, 'restored');
CALL restore_view('three', 's', 1, 'paused');

-- Without dependencies, the trigger drops the parts, whoever drops the view; the cursor that another view follows stays.
SET ROLE regress_cq_owner;
DROP CONTINUOUS VIEW one;
RESET ROLE;
SELECT * FROM catalog ORDER BY 1, 2;
SELECT relname FROM relations WHERE relname LIKE 'one%';
BEGIN;
DROP VIEW two, three;
SELECT * FROM catalog ORDER BY 1, 2;
ROLLBACK;

-- What a restore may have to do, nobody else may once the views run here.
CREATE OR REPLACE VIEW two AS SELECT a FROM _cq.two_state;
SET ROLE regress_cq_owner;
SELECT cq.resume_all();
RESET ROLE;
SELECT cq.resume_all(keep_ids => true);
SELECT system_identifier = 1 AS elsewhere, database_id = 2 AS other, prefix FROM _cq.identity;
SELECT view, status FROM _cq.view ORDER BY view::text;
CREATE OR REPLACE VIEW two AS SELECT a FROM _cq.two_state;
UPDATE _cq.identity SET system_identifier = 1;
SELECT cq.resume_all();
SELECT prefix ~ '^pg_cq-\d+-\d+$' AS own FROM _cq.identity;
SELECT cq.resume_all();

-- The parts belong to the whole: they go with it, and not without it.
SELECT c.relname AS part, w.relname AS whole
FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND classid = 'pg_class'::regclass
    JOIN pg_class w ON w.oid = d.refobjid AND refclassid = 'pg_class'::regclass
WHERE d.deptype = 'i' AND c.relnamespace = '_cq'::regnamespace AND w.relnamespace = 'restored'::regnamespace
ORDER BY 1;
DROP TABLE _cq.two_state CASCADE;
DROP VIEW _cq.two_definition;
DROP TABLE _cq.s_log;
DROP FOREIGN TABLE s;

-- They have its owner, however it got that.
ALTER CONTINUOUS VIEW two OWNER TO regress_cq_other;
ALTER TABLE three OWNER TO regress_cq_other;
ALTER TABLE s OWNER TO regress_cq_other;
SELECT * FROM relations ORDER BY 1;
REASSIGN OWNED BY regress_cq_other TO regress_cq_owner;
SELECT * FROM relations ORDER BY 1;
SET ROLE regress_cq_other;
ALTER CONTINUOUS VIEW two OWNER TO regress_cq_other;
RESET ROLE;

-- Names are the view's own.
ALTER CONTINUOUS VIEW two RENAME TO zwei;
ALTER CONTINUOUS VIEW zwei SET SCHEMA public;
COMMENT ON CONTINUOUS VIEW public.zwei IS 'two';
ALTER VIEW public.zwei SET (security_barrier = true);
SELECT reloptions, obj_description(oid) FROM pg_class WHERE oid = 'public.zwei'::regclass;
ALTER CONTINUOUS VIEW public.zwei SET (on_error = 'pause', security_barrier = false);
TRUNCATE public.zwei;

-- However it goes, its rows go.
BEGIN;
DROP SCHEMA restored CASCADE;
SELECT count(*) FROM _cq.view;
SELECT count(*) FROM _cq.cursor;
SELECT count(*) FROM pg_class WHERE relnamespace = '_cq'::regnamespace AND relname ~ '^(two|three|s)_';
ROLLBACK;
BEGIN;
DROP OWNED BY regress_cq_owner CASCADE;
SELECT count(*) FROM _cq.view;
ROLLBACK;
BEGIN;
DROP EXTENSION pg_cq CASCADE;
ROLLBACK;
SET ROLE regress_cq_owner;
DROP FOREIGN TABLE s CASCADE;
RESET ROLE;
SELECT * FROM catalog ORDER BY 1, 2;
SELECT * FROM relations ORDER BY 1;

DELETE FROM _cq.identity;
DROP FOREIGN DATA WRAPPER nothing CASCADE;
DROP SCHEMA restored CASCADE;
DROP ROLE regress_cq_owner, regress_cq_other;
