-- cq.finish is open to all: what does not fit is refused.
CREATE SCHEMA finish;
SET search_path = finish;
\set VERBOSITY terse

-- as views call it
SELECT cq.finish(s, 'pg_catalog.sum(int4)', '{int4}', NULL::int8) FROM (VALUES (1::int8), (2), (NULL)) v(s);
SELECT cq.finish(s, 'pg_catalog.count("any")', '{text}', NULL::int8) FROM (VALUES (1::int8)) v(s) WHERE false;
SELECT cq.finish(s, 'pg_catalog.max(anyarray)', '{int4[]}', NULL::int4[]) FROM (VALUES ('{1,2}'::int4[]), ('{1,3}')) v(s);
SELECT cq.finish(s, 'pg_catalog.max(text)', '{text}', NULL::text) FROM (VALUES ('a'::varchar), ('b')) v(s);
SELECT cq.finish(s, 'pg_catalog.sum(int4)', '{int4}', NULL::int8) OVER () FROM (VALUES (1::int8)) v(s);

-- not an aggregate, or none that can be combined
SELECT cq.finish(1::int8, 'pg_catalog.abs(int4)', '{int4}', NULL::int4);
SELECT cq.finish(1::int8, 0::regprocedure, '{int4}', NULL::int4);
SELECT cq.finish(1::int8, NULL, '{int4}', NULL::int4);
SELECT cq.finish(1::int8, 'pg_catalog.sum(int4)', NULL, NULL::int8);
SELECT cq.finish(1::int8, 'pg_catalog.json_agg(anyelement)', '{int4}', NULL::json);
SELECT cq.finish(1::int8, 'pg_catalog.rank("any")', '{int4}', NULL::int8);

-- types that are not its own
SELECT cq.finish(1::int8, 'pg_catalog.sum(int4)', '{int4}', NULL::text);
SELECT cq.finish(1::int8, 'pg_catalog.max(text)', '{text}', NULL::text);
SELECT cq.finish('x', 'pg_catalog.max(text)', '{text}', NULL::text);
SELECT cq.finish(1::int8, 'pg_catalog.sum(int4)', '{text}', NULL::int8);
SELECT cq.finish(1::int8, 'pg_catalog.sum(int4)', '{}', NULL::int8);
SELECT cq.finish(1::int8, 'pg_catalog.sum(int4)', '{int4,int4}', NULL::int8);
SELECT cq.finish(1::int8, 'pg_catalog.sum(int4)', '{NULL}', NULL::int8);
SELECT cq.finish(1::int8, 'pg_catalog.sum(int4)', '{0}', NULL::int8);
SELECT cq.finish(1::int8, 'pg_catalog.max(anyarray)', '{int4}', NULL::int4[]);
SELECT cq.finish(1::int8, 'pg_catalog.max(anyarray)', '{int4[]}', NULL::int4[]);
SELECT cq.finish('{1}'::int4[], 'pg_catalog.max(anyarray)', '{int4[]}', NULL::text[]);
SELECT cq.finish(1::int8, 'pg_catalog.sum(int4)', array_fill('int4'::regtype, '{200}'), NULL::int8);
SELECT cq.finish(1::int8, 'pg_catalog.count("any")', array_fill('int4'::regtype, '{100}'), NULL::int8);
SELECT cq.finish(1::int8, 'pg_catalog.avg(int8)', '{int8}', NULL::numeric);
SELECT cq.finish(NULL::int8, 'pg_catalog.avg(int8)', '{int8}', NULL::numeric) WHERE false;

-- states that are pointers are taken from aggregates alone
SELECT cq.finish('\x00'::bytea, 'pg_catalog.avg(int8)', '{int8}', NULL::numeric);
SELECT cq.finish('\x00'::_cq.state, 'pg_catalog.avg(int8)', '{int8}', NULL::numeric);
CREATE FOREIGN TABLE s (k int, i int8, n numeric) SERVER cq_log;
INSERT INTO s VALUES (1, 2, 3), (1, 3, 4);
CREATE VIEW v WITH (continuous) AS SELECT k, avg(i) AS i, avg(n) AS n FROM s GROUP BY k;
SELECT cq.wait('v');
TABLE v;
SELECT cq.finish(s1, 'pg_catalog.sum(int8)', '{int8}', NULL::numeric) FROM _cq.v_state;
SELECT cq.finish(s1, 'pg_catalog.avg(numeric)', '{numeric}', NULL::numeric) FROM _cq.v_state;

-- rights
CREATE AGGREGATE secret(int8) (sfunc = int8pl, stype = int8, combinefunc = int8pl);
REVOKE EXECUTE ON FUNCTION secret(int8) FROM PUBLIC;
CREATE ROLE regress_cq_finish;
GRANT USAGE ON SCHEMA finish TO regress_cq_finish;
SET ROLE regress_cq_finish;
SELECT cq.finish(1::int8, 'secret(int8)', '{int8}', NULL::int8);
SELECT cq.finish('\x00'::_cq.state, 'pg_catalog.avg(int8)', '{int8}', NULL::numeric);
SELECT cq.finish(s, 'pg_catalog.avg(int8)', '{int8}', NULL::numeric) FROM json_to_record('{"s": "\\x00"}') AS j (s _cq.state);
RESET ROLE;
SELECT cq.finish(1::int8, 'secret(int8)', '{int8}', NULL::int8);

\set VERBOSITY default
SET client_min_messages = warning;
DROP SCHEMA finish CASCADE;
DROP ROLE regress_cq_finish;
