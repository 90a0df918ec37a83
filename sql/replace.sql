-- CREATE OR REPLACE CONTINUOUS VIEW: nothing where it would be the same; else what is lost is told.
CREATE SCHEMA replace;
SET search_path = replace;
CREATE FOREIGN TABLE s (k int, x text, t timestamptz) SERVER cq_log;
CREATE FOREIGN TABLE two (k int, n bigint) SERVER cq_log;
CREATE TABLE sink (k int, n bigint);
CREATE VIEW states AS SELECT view, relation AS state FROM _cq.part WHERE role = 'state';
CREATE CONTINUOUS VIEW v WITH (retention = '1 day', security_barrier) AS SELECT k AS a, max(t) FROM s WHERE k > 0 GROUP BY k;
CREATE TABLE before AS TABLE states;
-- The same.
CREATE OR REPLACE CONTINUOUS VIEW v WITH (security_barrier, retention = '1 day', on_error = 'skip') AS
  SELECT k   AS a, max( t ) FROM replace.s WHERE (k > 0) GROUP BY 1;
CREATE OR REPLACE CONTINUOUS VIEW v (a, max) WITH (security_barrier, retention = '1 day') AS SELECT k, max(t) FROM s WHERE k > 0 GROUP BY k;
SELECT count(*) FROM before JOIN states USING (view, state);
-- Another one.
CREATE OR REPLACE CONTINUOUS VIEW v WITH (retention = '1 day') AS SELECT k AS a, max(t) FROM s WHERE k > 0 GROUP BY k;
CREATE OR REPLACE CONTINUOUS VIEW v WITH (retention = '2 days') AS SELECT k AS a, max(t) FROM s WHERE k > 0 GROUP BY k;
CREATE OR REPLACE CONTINUOUS VIEW v WITH (retention = '2 days') AS SELECT k AS a, max(t) FROM s WHERE k > 1 GROUP BY k;
CREATE OR REPLACE CONTINUOUS VIEW v WITH (retention = '2 days', start = 'latest') AS SELECT k AS a, max(t) FROM s WHERE k > 1 GROUP BY k;
CREATE OR REPLACE CONTINUOUS VIEW v WITH (retention = '2 days', start = 'latest') AS SELECT k AS a, max(t), count(*) FROM s WHERE k > 1 GROUP BY k;
SET timezone = 'Asia/Tokyo';
CREATE OR REPLACE CONTINUOUS VIEW v WITH (retention = '2 days', start = 'latest') AS SELECT k AS a, max(t), count(*) FROM s WHERE k > 1 GROUP BY k;
CREATE OR REPLACE CONTINUOUS VIEW v WITH (retention = '2 days', start = 'latest') AS SELECT k AS a, max(t), count(*) FROM s WHERE k > 1 GROUP BY k;
SELECT count(*) FROM before JOIN states USING (view, state);
-- Where cq.reset has gone is another matter.
SELECT cq.reset('v', 'earliest');
CREATE OR REPLACE CONTINUOUS VIEW v WITH (retention = '2 days', start = 'latest') AS SELECT k AS a, max(t), count(*) FROM s WHERE k > 1 GROUP BY k;
SELECT cq.reset('v', '{"0": 0}');
CREATE OR REPLACE CONTINUOUS VIEW v WITH (retention = '2 days', start = 'latest') AS SELECT k AS a, max(t), count(*) FROM s WHERE k > 1 GROUP BY k;
SELECT start FROM cq.views WHERE view = 'v'::regclass;
CREATE OR REPLACE CONTINUOUS VIEW v WITH (retention = '2 days', start = 'earliest') AS SELECT k AS a, max(t), count(*) FROM s WHERE k > 1 GROUP BY k;
CREATE OR REPLACE CONTINUOUS VIEW v WITH (retention = '2 days') AS SELECT k AS a, max(t), count(*) FROM s WHERE k > 1 GROUP BY k;
-- Where its rows go.
CREATE CONTINUOUS VIEW w WITH (sink = 'sink') AS SELECT k, count(*) AS n FROM s GROUP BY k;
CREATE OR REPLACE CONTINUOUS VIEW w WITH (sink = 'replace.sink') AS SELECT k, count(*) AS n FROM s GROUP BY k;
CREATE OR REPLACE CONTINUOUS VIEW w WITH (sink = 'sink', notify = 'channel') AS SELECT k, count(*) AS n FROM s GROUP BY k;
CREATE OR REPLACE CONTINUOUS VIEW w WITH (changes = 'w_changes') AS SELECT k, count(*) AS n FROM s GROUP BY k;
SELECT cq.pause('w');
CREATE OR REPLACE CONTINUOUS VIEW w WITH (changes = 'w_changes') AS SELECT k, count(*) AS n FROM s GROUP BY k;
CREATE OR REPLACE CONTINUOUS VIEW w AS SELECT k, count(*) AS n FROM s GROUP BY k;
-- Of each shape.
CREATE CONTINUOUS VIEW rows AS SELECT * FROM s;
CREATE OR REPLACE CONTINUOUS VIEW rows AS SELECT * FROM s;
CREATE CONTINUOUS VIEW windows AS SELECT window_end, c.k, count(*) FROM (SELECT k, t FROM s) c JOIN (VALUES (1)) q (k) USING (k), cq.hop(t, '1 min', '5 min')
  GROUP BY 1, 2 HAVING count(*) > 0 ORDER BY 1;
CREATE OR REPLACE CONTINUOUS VIEW windows AS SELECT window_end, c.k, count(*) FROM (SELECT k, t FROM s) c JOIN (VALUES (1)) q (k) USING (k), cq.hop(t, '1 min', '5 min')
  GROUP BY 1, 2 HAVING count(*) > 0 ORDER BY 1;
CREATE CONTINUOUS VIEW slides AS WITH x AS (SELECT * FROM s) SELECT k, grouping(k), count(*) FROM x WHERE cq.sliding(t, '1 min', '1 s') GROUP BY k;
CREATE OR REPLACE CONTINUOUS VIEW slides AS WITH x AS (SELECT * FROM s) SELECT k, grouping(k), count(*) FROM x WHERE cq.sliding(t, '1 min', '1 s') GROUP BY k;
CREATE CONTINUOUS VIEW sessions AS SELECT g, count(*) FROM (SELECT cq.session(t, '1 min') OVER (ORDER BY t) AS g FROM s) q GROUP BY g;
CREATE OR REPLACE CONTINUOUS VIEW sessions AS SELECT g, count(*) FROM (SELECT cq.session(t, '1 min') OVER (ORDER BY t) AS g FROM s) q GROUP BY g;
ALTER FOREIGN TABLE s OPTIONS (ADD event_time 't');
CREATE CONTINUOUS VIEW closed WITH (emit = 'close', allowed_lateness = '1 s', late = 'keep') AS SELECT window_end, count(*) FROM s, cq.tumble(t, '1 min') GROUP BY 1;
CREATE OR REPLACE CONTINUOUS VIEW closed WITH (emit = 'close', allowed_lateness = '1 s', late = 'keep') AS SELECT window_end, count(*) FROM s, cq.tumble(t, '1 min') GROUP BY 1;
-- What has been altered is made anew.
ALTER TABLE _cq.rows_state ADD COLUMN more int;
CREATE OR REPLACE CONTINUOUS VIEW rows AS SELECT * FROM s;
SET client_min_messages = warning;
DROP SCHEMA replace CASCADE;
