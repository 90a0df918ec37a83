-- The rules, each with what it is for. What a node tells is shown; what is not as it should be would be, with !!.
\set QUIET 1
SET client_min_messages = warning;
SET timezone = 'UTC';

-- An inner join is linear: duplicates multiply, null meets nothing, a self-join changes on both sides at once.
SELECT node_begin('linear', '{"k int, a text", "k int, b text"}',
                  'SELECT x.k, a, b FROM _cq_input_1 x JOIN _cq_input_2 y ON x.k = y.k');
SELECT * FROM node_change($$SELECT k, a, key_hash(k, 0), 1 FROM (VALUES (1, 'a'), (1, 'a'), (2, 'b'), (NULL, 'n')) v (k, a)$$, NULL);
SELECT * FROM node_change(NULL, $$SELECT k, b, key_hash(k, 0), 1 FROM (VALUES (1, 'x'), (1, 'y'), (1, 'x'), (NULL, 'n'), (3, 'z')) v (k, b)$$);
SELECT * FROM node_change($$SELECT 1, 'a', key_hash(1, 0), -1 UNION ALL SELECT 3, 'c', key_hash(3, 0), 1$$,
                          $$SELECT 1, 'y', key_hash(1, 0), -1 UNION ALL SELECT 2, 'w', key_hash(2, 0), 1$$);
SELECT * FROM node_change($$SELECT 1, 'a', key_hash(1, 0), -1$$, $$SELECT 1, 'x', key_hash(1, 0), -2$$);
-- Equal rows come and go in one batch; one goes on one side, and comes on the other.
SELECT * FROM node_change($$SELECT 2, 'b', key_hash(2, 0), w FROM unnest('{1, -1, -1, 1}'::int[]) w$$, NULL);
SELECT * FROM node_change($$SELECT 2, a, key_hash(2, 0), w FROM (VALUES ('b', -1), ('b2', 1)) v (a, w)$$,
                          $$SELECT 2, b, key_hash(2, 0), w FROM (VALUES ('w', -1), ('w2', 1)) v (b, w)$$);
SELECT * FROM node_change(NULL, NULL);

-- Three inputs, of which one is read whole.
SELECT node_begin('linear', '{"k int", "k int", "lo int, hi int"}',
                  'SELECT x.k, lo, hi FROM _cq_input_1 x JOIN _cq_input_2 y ON x.k = y.k JOIN _cq_input_3 z ON x.k BETWEEN lo AND hi',
                  '{f, f, t}');
SELECT * FROM node_change('SELECT k, key_hash(k, 0), 1 FROM generate_series(1, 4) k', 'SELECT k, key_hash(k, 0), 2 FROM generate_series(2, 5) k',
                          'SELECT 3, 9, 0, 1');
SELECT * FROM node_change(NULL, NULL, 'SELECT 3, 9, 0, -1 UNION ALL SELECT 1, 2, 0, 1');
SELECT * FROM node_change('SELECT 2, key_hash(2, 0), -1', NULL, NULL);

-- UNION ALL keeps nothing.
SELECT node_begin('additive', '{"a int", "a int"}',
                  'SELECT a AS a FROM _cq_input_1 UNION ALL SELECT a * 10 FROM _cq_input_2');
SELECT * FROM node_change('SELECT 1, 0, 1', 'SELECT 1, 0, 1');
SELECT * FROM node_change('SELECT a, 0, w FROM (VALUES (10, 1), (1, -1)) v (a, w)', 'SELECT 1, 0, -1');
SELECT * FROM node_change(NULL, 'SELECT 7, 0, 3');

-- Left and full joins are not linear: what has a match for the first time is told anew.
SELECT node_begin('difference', '{"k int, a text", "k int, b text"}',
                  'SELECT x.k, a, b, key_hash(x.k, 0) AS _cq_hash FROM _cq_input_1 x LEFT JOIN _cq_input_2 y ON x.k = y.k AND b <> ''no''');
SELECT * FROM node_change($$SELECT k, 'a' || k, key_hash(k, 0), 1 FROM generate_series(1, 3) k UNION ALL SELECT NULL, 'n', key_hash(NULL::int, 0), 2$$, NULL);
SELECT * FROM node_change(NULL, $$SELECT k, b, key_hash(k, 0), 1 FROM (VALUES (1, 'x'), (2, 'no'), (NULL, 'n')) v (k, b)$$);
SELECT * FROM node_change(NULL, $$SELECT k, b, key_hash(k, 0), w FROM (VALUES (1, 'x', -1), (2, 'y', 2)) v (k, b, w)$$);
SELECT * FROM node_change($$SELECT 2, 'a2', key_hash(2, 0), -1$$, $$SELECT 2, 'y', key_hash(2, 0), -1$$);

SELECT node_begin('difference', '{"k int, a int", "k int, b int"}',
                  'SELECT k, a, b, key_hash(k, 0) AS _cq_hash FROM _cq_input_1 FULL JOIN _cq_input_2 USING (k)');
SELECT * FROM node_change('SELECT k, k, key_hash(k, 0), 1 FROM generate_series(1, 2) k', 'SELECT k, k, key_hash(k, 0), 1 FROM generate_series(2, 3) k');
SELECT * FROM node_change('SELECT k, k, key_hash(k, 0), -1 FROM generate_series(1, 2) k', NULL);

-- NOT EXISTS; NOT IN, with what decides about all keys as an input that is read whole.
SELECT node_begin('difference', '{"k int", "k int"}',
                  'SELECT k, key_hash(k, 0) AS _cq_hash FROM _cq_input_1 x WHERE NOT EXISTS (SELECT FROM _cq_input_2 y WHERE y.k = x.k)');
SELECT * FROM node_change('SELECT k, key_hash(k, 0), 1 FROM generate_series(1, 3) k UNION ALL SELECT NULL, key_hash(NULL::int, 0), 1', NULL);
SELECT * FROM node_change(NULL, 'SELECT 2, key_hash(2, 0), 2');
SELECT * FROM node_change(NULL, 'SELECT 2, key_hash(2, 0), -1');
SELECT * FROM node_change(NULL, 'SELECT 2, key_hash(2, 0), -1');

SELECT node_begin('difference', '{"k int", "k int", "any_null boolean"}',
                  'SELECT k, key_hash(k, 0) AS _cq_hash FROM _cq_input_1 x
                   WHERE NOT EXISTS (SELECT FROM _cq_input_2 y WHERE y.k = x.k) AND NOT EXISTS (SELECT FROM _cq_input_3)', '{f, f, t}');
SELECT * FROM node_change('SELECT k, key_hash(k, 0), 1 FROM generate_series(1, 3) k', 'SELECT 2, key_hash(2, 0), 1', NULL);
SELECT * FROM node_change(NULL, NULL, 'SELECT true, 0, 1');
SELECT * FROM node_change('SELECT 4, key_hash(4, 0), 1', NULL, 'SELECT true, 0, -1');

-- Aggregates over what changes; Top-N; a window.
SELECT node_begin('difference', '{"k text, v int"}',
                  'SELECT k, count(DISTINCT v), array_agg(v ORDER BY v), key_hash(k, 0) AS _cq_hash FROM _cq_input_1 GROUP BY k');
SELECT * FROM node_change($$SELECT k, v, key_hash(k, 0), 1 FROM (VALUES ('a', 1), ('a', 1), ('a', 2), ('b', 3), (NULL, NULL)) v (k, v)$$);
SELECT * FROM node_change($$SELECT k, v, key_hash(k, 0), w FROM (VALUES ('a', 1, -1), ('b', 3, -1), ('b', 4, 1)) v (k, v, w)$$);
SELECT * FROM node_change($$SELECT k, v, key_hash(k, 0), w FROM (VALUES ('a', 1, -1), ('b', 4, -1), (NULL, NULL, -1)) v (k, v, w)$$);

SELECT node_begin('difference', '{"k int, v int"}',
                  'SELECT * FROM (SELECT k, v, row_number() OVER (PARTITION BY k ORDER BY v DESC) AS n, _cq_hash FROM _cq_input_1) t WHERE n <= 2');
SELECT * FROM node_change('SELECT k, v, key_hash(k, 0), 1 FROM generate_series(1, 2) k, generate_series(1, 3) v');
SELECT * FROM node_change('SELECT 1, 4, key_hash(1, 0), 1 UNION ALL SELECT 2, 1, key_hash(2, 0), -1');
SELECT * FROM node_change('SELECT 1, 4, key_hash(1, 0), -1');

-- A grand total is there before there is anything, once the node begins.
SELECT node_begin('difference', '{"v int"}', 'SELECT count(*) AS n, sum(v) AS s, 0::bigint AS _cq_hash FROM _cq_input_1');
SELECT * FROM node_change('begin');
SELECT * FROM node_change('begin');
SELECT * FROM node_change('SELECT v, 0, 1 FROM generate_series(1, 3) v');
SELECT * FROM node_change('SELECT v, 0, -1 FROM generate_series(1, 3) v');

-- Inputs that only grow have no weights.
SELECT node_begin('difference', '{"k int, v int", "k int"}',
                  'SELECT x.k, max(v) AS m, key_hash(x.k, 0) AS _cq_hash FROM _cq_input_1 x JOIN _cq_input_2 y USING (k) GROUP BY x.k', NULL, '{t, t}');
SELECT * FROM node_change('SELECT k, v, key_hash(k, 0), 1 FROM generate_series(1, 2) k, generate_series(1, 3) v', 'SELECT 1, key_hash(1, 0), 1');
SELECT * FROM node_change('SELECT 1, 9, key_hash(1, 0), 1', 'SELECT 2, key_hash(2, 0), 1');

-- What is stored of a key stays in its place where it changes: no index grows.
SELECT node_begin('difference', '{"k int, v int"}',
                  'SELECT k, count(*) AS n, sum(v) AS s, key_hash(k, 0) AS _cq_hash FROM _cq_input_1 GROUP BY k');
SELECT * FROM node_change('SELECT k, 1, key_hash(k, 0), 1 FROM generate_series(1, 3) k');
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT * FROM node_change('SELECT k, w, key_hash(k, 0), 1 FROM (VALUES (1, 5), (2, 6), (3, 7)) v (k, w) UNION ALL SELECT 1, 1, key_hash(1, 0), -1');
SELECT pg_stat_get_xact_tuples_hot_updated('output'::regclass) AS output_in_place, pg_stat_get_xact_tuples_inserted('output'::regclass) AS output_added,
       pg_stat_get_xact_tuples_hot_updated('kept_1'::regclass) AS kept_in_place, pg_stat_get_xact_tuples_inserted('kept_1'::regclass) AS kept_added;
COMMIT;

-- A row without a column; a step that reads one input twice, in a sub-query and in a CTE.
SELECT node_begin('linear', '{"k int", "k int"}', 'SELECT FROM _cq_input_1 x JOIN _cq_input_2 y USING (k)');
SELECT * FROM node_change('SELECT 1, key_hash(1, 0), 2', 'SELECT 1, key_hash(1, 0), 1');
SELECT * FROM node_change('SELECT 1, key_hash(1, 0), -1', NULL);
SELECT node_begin('difference', '{"k int, v int"}',
                  'WITH big AS MATERIALIZED (SELECT k, v, _cq_hash FROM _cq_input_1 WHERE v >= (SELECT avg(i.v) FROM _cq_input_1 i WHERE i.k = _cq_input_1.k))
                   SELECT k, (SELECT count(*) FROM big b WHERE b.k = x.k) AS n, key_hash(k, 0) AS _cq_hash
                   FROM (SELECT DISTINCT k FROM _cq_input_1) x');
SELECT * FROM node_change('SELECT k, v, key_hash(k, 0), 1 FROM generate_series(1, 2) k, generate_series(1, 4) v');
SELECT * FROM node_change('SELECT 1, 9, key_hash(1, 0), 1 UNION ALL SELECT 2, 1, key_hash(2, 0), -1');
