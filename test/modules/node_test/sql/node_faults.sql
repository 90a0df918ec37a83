-- What must not happen is an error, and an error leaves all as it was.
\set QUIET 1
\set VERBOSITY terse
SET client_min_messages = warning;

SELECT node_begin('difference', '{"k int, v int"}',
                  'SELECT k, 12 / sum(v) AS s, key_hash(k, 0) AS _cq_hash FROM _cq_input_1 GROUP BY k');
SELECT * FROM node_change('SELECT k, 2, key_hash(k, 0), 1 FROM generate_series(1, 2) k');
-- Gone, but never there; or not so often; or in other bytes.
SELECT * FROM node_change('SELECT 1, 3, key_hash(1, 0), -1');
SELECT * FROM node_change('SELECT 1, 2, key_hash(1, 0), -2');
SELECT * FROM node_change('SELECT 3, 2, key_hash(3, 0), -1 UNION ALL SELECT 4, 2, key_hash(4, 0), 1');
-- The step fails; part of a transaction is undone, and done again otherwise.
SELECT * FROM node_change('SELECT 1, -2, key_hash(1, 0), 1');
BEGIN;
SELECT * FROM node_change('SELECT 1, 1, key_hash(1, 0), 1');
SAVEPOINT part;
SELECT * FROM node_change('SELECT 2, 2, key_hash(2, 0), 2 UNION ALL SELECT 1, 2, key_hash(1, 0), -1');
SELECT * FROM node_change('SELECT 2, -6, key_hash(2, 0), 1');
ROLLBACK TO part;
SELECT * FROM node_change('SELECT 2, -2, key_hash(2, 0), 1 UNION ALL SELECT 2, 1, key_hash(2, 0), 1 UNION ALL SELECT 1, 2, key_hash(1, 0), -1');
RELEASE part;
SELECT * FROM node_change('SELECT 1, 5, key_hash(1, 0), 1');
COMMIT;
SELECT * FROM node_change('SELECT 2, 2, key_hash(2, 0), -1');

-- A row without a hash of its key; a weight that is missing.
ALTER TABLE delta_1 ALTER _cq_hash DROP NOT NULL;
SELECT * FROM node_apply('difference', 'SELECT k, 1 AS s, key_hash(k, 0) AS _cq_hash FROM _cq_input_1', '{kept_1}', 'output', '{"SELECT 1, 1, NULL::bigint, 1"}');
SELECT * FROM node_apply('difference', 'SELECT k, 1::bigint AS s, NULL::bigint AS _cq_hash FROM _cq_input_1', '{kept_1}', 'output', '{"SELECT 1, 1, key_hash(1, 0), 1"}');
SELECT * FROM node_apply('difference', 'SELECT k, 1::bigint AS s, key_hash(k, 0) AS _cq_hash FROM _cq_input_1', '{kept_1}', 'output', '{"SELECT 1, 1, key_hash(1, 0), NULL::int"}');
-- Changes that are not the input's, a step that answers for keys that it was not asked for.
SELECT * FROM node_apply('difference', 'SELECT k, 1::bigint AS s, key_hash(k, 0) AS _cq_hash FROM _cq_input_1', '{kept_1}', 'output', '{"SELECT 1::bigint, 1, key_hash(1, 0), 1"}');
SELECT * FROM node_apply('difference', 'SELECT 7 AS k, count(*) AS s, key_hash(7, 0) AS _cq_hash FROM _cq_input_1', '{kept_1}', 'output', '{"SELECT 1, 1, key_hash(1, 0), 1"}');

-- Tables that somebody has changed.
DROP INDEX output__cq_hash_idx;
SELECT * FROM node_change('SELECT 1, 1, key_hash(1, 0), 1');
CREATE INDEX ON output (_cq_hash) WHERE k = 1;
CREATE INDEX ON output USING hash (_cq_hash);
SELECT * FROM node_change('SELECT 1, 1, key_hash(1, 0), 1');
CREATE INDEX ON output (_cq_hash);
ALTER TABLE kept_1 ADD more int;
SELECT * FROM node_change('SELECT 1, 1, key_hash(1, 0), 1');
ALTER TABLE kept_1 DROP more;
SELECT * FROM node_change('SELECT 1, 1, key_hash(1, 0), 1');
