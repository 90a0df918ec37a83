-- The word CONTINUOUS on a server whose grammar does not have it: where it is taken out, and where it must stay.
CREATE VIEW plain AS SELECT 1 AS a;

-- Statements that begin with it, however they are written.
DROP CONTINUOUS VIEW IF EXISTS absent;
drop continuous view if exists absent;
DROP/**/CONTINUOUS/* a /* nested */ comment */VIEW IF EXISTS absent;
DROP -- continuous view
  continuous
	VIEW IF EXISTS absent;
/* before */ DROP CONTINUOUS VIEW IF EXISTS absent, public.absent CASCADE;
ALTER CONTINUOUS VIEW IF EXISTS absent RENAME TO gone;
ALTER CONTINUOUS VIEW IF EXISTS absent RENAME COLUMN a TO b;
ALTER CONTINUOUS VIEW IF EXISTS absent SET SCHEMA public;
ALTER CONTINUOUS VIEW IF EXISTS absent OWNER TO CURRENT_USER;
ALTER CONTINUOUS VIEW IF EXISTS absent SET (on_error = 'pause');
DROP CONTINUOUS VIEW absent;
ALTER CONTINUOUS VIEW absent RENAME TO gone;
COMMENT ON CONTINUOUS VIEW absent IS 'x';

-- Several statements in one message, and strings of every kind between them.
SELECT 'drop continuous view absent' AS constant\; DROP CONTINUOUS VIEW IF EXISTS a\; DROP VIEW IF EXISTS b\; DROP CONTINUOUS VIEW IF EXISTS c;
SELECT $$; create continuous view $$ || $q$; drop continuous view $$ $q$ AS dollar\; DROP CONTINUOUS VIEW IF EXISTS d;
SELECT E'\'; drop continuous view' AS escape, U&'\0027; drop continuous view' AS unicode\; DROP CONTINUOUS VIEW IF EXISTS e;
SELECT 1 AS "; drop continuous view" /* ; drop continuous view */ -- ; drop continuous view
\; DROP CONTINUOUS VIEW IF EXISTS f;
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SELECT '\'; drop continuous view ' AS backslash\; DROP CONTINUOUS VIEW IF EXISTS g;
RESET escape_string_warning;
-- One warning, not two.
SELECT '\'; drop continuous view ' AS backslash\; DROP CONTINUOUS VIEW IF EXISTS g;
RESET standard_conforming_strings;
SELECT 1 AS a_name_that_is_longer_than_the_sixty_three_bytes_that_names_may_have\; DROP CONTINUOUS VIEW IF EXISTS h;

-- What the server keeps and shows of a text is its own, and means the same once more.
DROP CONTINUOUS VIEW IF EXISTS absent\; SELECT current_query();
DROP /*CONTIN*/ VIEW IF EXISTS absent;
DROP /*CONTIN*/ VIEW plain;

-- Elsewhere it is a name like any other.
CREATE TEMP TABLE continuous (continuous int, view int);
SELECT continuous AS view FROM continuous;
ALTER TABLE continuous DROP continuous;
CREATE TEMP VIEW "continuous view" AS SELECT view AS continuous FROM continuous;
DROP VIEW "continuous view";
DROP TABLE continuous;
CREATE CONTINUOUS TABLE t (a int);
CREATE "continuous" VIEW v AS SELECT 1;
CREATE CONTINUOUSLY VIEW v AS SELECT 1;
SELECT 1 CREATE CONTINUOUS VIEW v AS SELECT 1;
EXPLAIN CREATE CONTINUOUS VIEW v AS SELECT 1;

-- A text that cannot be lexed stays as it is, and the error is the server's, in its place.
DROP CONTINUOUS VIEW IF EXISTS absent\; SELECT U&"\zzzz";
DROP CONTINUOUS VIEW IF EXISTS absent\; SELECT 1trailing;
CREATE CONTINUOUS VIEW v AS SELEC 1;

-- Where the text is not a message, the WITH form says the same.
DO $$ BEGIN CREATE CONTINUOUS VIEW v AS SELECT 1; END $$;
PREPARE p AS CREATE CONTINUOUS VIEW v AS SELECT 1;
SET cq.extended_grammar = off;
CREATE CONTINUOUS VIEW v AS SELECT 1;
RESET cq.extended_grammar;

-- What is no continuous view is not taken for one.
DROP CONTINUOUS VIEW plain;
ALTER CONTINUOUS VIEW plain RENAME TO other;
ALTER CONTINUOUS VIEW plain RENAME COLUMN a TO b;
ALTER CONTINUOUS VIEW plain SET SCHEMA pg_temp;
ALTER CONTINUOUS VIEW plain OWNER TO CURRENT_USER;
ALTER CONTINUOUS VIEW plain SET (on_error = 'pause');
COMMENT ON CONTINUOUS VIEW plain IS 'x';
CREATE TABLE plain_table ();
DROP CONTINUOUS VIEW plain_table;
DROP TABLE plain_table;

-- The option continuous is ours, of whatever value; the server does not see it.
CREATE OR REPLACE VIEW plain WITH (continuous = false) AS SELECT 1 AS a;
CREATE OR REPLACE VIEW plain WITH (security_barrier, continuous = off) AS SELECT 1 AS a;
SELECT reloptions FROM pg_class WHERE oid = 'plain'::regclass;
CREATE CONTINUOUS VIEW v WITH (continuous = false) AS SELECT 1;
CREATE VIEW v WITH (continuous, continuous) AS SELECT 1;
CREATE VIEW v WITH (continuous = maybe) AS SELECT 1;
CREATE VIEW v WITH (on_error = 'skip') AS SELECT 1;

-- All the ways to CREATE get there.
CREATE CONTINUOUS VIEW v AS SELECT 1;
CREATE OR REPLACE CONTINUOUS VIEW v AS SELECT 1;
CREATE TEMP CONTINUOUS VIEW v AS SELECT 1;
CREATE OR REPLACE TEMPORARY CONTINUOUS VIEW v AS SELECT 1;
CREATE VIEW v WITH (continuous) AS SELECT 1;
CREATE VIEW v WITH (continuous = true) AS SELECT 1;
DO $$ BEGIN CREATE VIEW v WITH (continuous) AS SELECT 1; END $$;
DO $$ BEGIN EXECUTE 'CREATE VIEW v WITH (continuous) AS SELECT 1'; END $$;
CREATE SCHEMA s CREATE VIEW v WITH (continuous) AS SELECT 1;
BEGIN READ ONLY;
CREATE CONTINUOUS VIEW v AS SELECT 1;
ROLLBACK;
CREATE CONTINUOUS VIEW IF NOT EXISTS v AS SELECT 1;
CREATE CONTINUOUS VIEW IF /* this /* is */ one */ NOT
  EXISTS plain AS SELECT 1;
create continuous view if not exists plain as select 1;
CREATE OR REPLACE CONTINUOUS VIEW IF NOT EXISTS plain AS SELECT 1;
CREATE CONTINUOUS VIEW IF NOT EXISTS pg_catalog.pg_class AS SELECT 1;

DROP VIEW plain;
