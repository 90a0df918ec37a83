-- What refusals say to do instead, done.
SET client_min_messages = warning;
CREATE SCHEMA ways;
SET search_path = ways;
CREATE FOREIGN TABLE s (id int, k int, v int, at timestamptz) SERVER cq_log;
CREATE FOREIGN TABLE other (id int, k int, v int) SERVER cq_log;
INSERT INTO s SELECT i, i % 3, i % 5, '2025-01-01 00:00Z'::timestamptz + i * interval '1 min' FROM generate_series(1, 20) i;
INSERT INTO other SELECT i, i % 3, i FROM generate_series(1, 4) i;

-- An aggregation over an aggregation: an ordinary view, or a continuous one over the changes, each with its weight.
CREATE CONTINUOUS VIEW by_k WITH (changes = 'by_k_changes') AS SELECT k, v, count(*) AS n, sum(id) AS total FROM s GROUP BY k, v;
CREATE VIEW over_it AS SELECT k, count(*) AS groups, sum(n) AS rows, sum(total) AS total FROM by_k GROUP BY k;
CREATE CONTINUOUS VIEW kept AS
    SELECT (r).k, sum(weight) AS groups, sum(weight * (r).n) AS rows, sum(weight * (r).total) AS total
    FROM by_k_changes, LATERAL (VALUES (old, -1), (new, 1)) AS x (r, weight) WHERE r IS DISTINCT FROM NULL GROUP BY (r).k;
-- One continuous view that reads another: its changes.
CREATE CONTINUOUS VIEW grown AS SELECT (new).k, max((new).n) AS most FROM by_k_changes GROUP BY (new).k;
-- Several streams: a view of each, joined or put together when read.
CREATE CONTINUOUS VIEW s_rows AS SELECT id, k, v, at FROM s;
CREATE CONTINUOUS VIEW other_rows AS SELECT id, k, v FROM other;
CREATE VIEW together AS SELECT id, k, v FROM s_rows UNION ALL TABLE other_rows;
-- count(DISTINCT), percentiles, mode: of values with their counts. by_k has v as well.
SELECT cq.wait(view::regclass) FROM _cq.view \g /dev/null
INSERT INTO s SELECT i, i % 3, i % 5, '2025-01-01 00:00Z'::timestamptz + i * interval '1 min' FROM generate_series(21, 33) i;
SELECT cq.wait(view::regclass) FROM _cq.view \g /dev/null
TABLE kept EXCEPT ALL TABLE over_it;
TABLE over_it EXCEPT ALL TABLE kept;
SELECT * FROM kept ORDER BY k;
SELECT * FROM grown ORDER BY k;
SELECT count(*), sum(id) FROM together;
SELECT count(*) FROM s_rows JOIN other_rows USING (k);
SELECT k, count(*) AS distinct_v FROM by_k GROUP BY k EXCEPT ALL SELECT k, count(DISTINCT v) FROM s GROUP BY k;
SELECT k, percentile_disc(0.5) WITHIN GROUP (ORDER BY v) FROM by_k, generate_series(1, n) GROUP BY k
EXCEPT ALL SELECT k, percentile_disc(0.5) WITHIN GROUP (ORDER BY v) FROM s GROUP BY k;
(SELECT DISTINCT ON (k) k, v FROM by_k ORDER BY k, n DESC, v)
EXCEPT ALL SELECT k, mode() WITHIN GROUP (ORDER BY v) FROM s GROUP BY k;
-- DISTINCT ON, LIMIT for each row, OVER, aggregates without a combine function: over kept rows.
SELECT DISTINCT ON (k) k, id FROM s_rows ORDER BY k, at DESC;
SELECT o.id, l.id AS latest FROM other_rows o, LATERAL (SELECT id FROM s_rows s WHERE s.k = o.k ORDER BY at DESC LIMIT 1) l ORDER BY 1;
SELECT k, json_agg(id ORDER BY id) FROM s_rows WHERE id < 7 GROUP BY k ORDER BY k;
-- DISTINCT: GROUP BY all.
CREATE CONTINUOUS VIEW distinct_kv AS SELECT k, v FROM s GROUP BY k, v;
SELECT cq.wait('distinct_kv');
TABLE distinct_kv EXCEPT ALL SELECT DISTINCT k, v FROM s;
SELECT DISTINCT k, v FROM s EXCEPT ALL TABLE distinct_kv;
DROP SCHEMA ways CASCADE;
