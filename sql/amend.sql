-- Windows that are closed, and corrected by what comes late.
SET client_min_messages = warning;
SET DateStyle = ISO;
SET TimeZone = UTC;
CREATE SCHEMA amend;
SET search_path = amend;
CREATE FOREIGN TABLE s (k int, v int, at timestamp) SERVER cq_log OPTIONS (event_time 'at', watermark '5 s');
CREATE TABLE copied (window_end timestamp, k int, n bigint, total bigint, UNIQUE (window_end, k));
CREATE CONTINUOUS VIEW v WITH (emit = 'close', late = 'amend', sink = 'copied', changes = 'v_changes') AS
    SELECT window_end, k, count(*) AS n, sum(v) AS total FROM s, cq.tumble(at, '1 min') GROUP BY window_end, k HAVING sum(v) < 100;
CREATE CONTINUOUS VIEW hops WITH (emit = 'close', late = 'amend') AS
    SELECT window_start, avg(v) FROM s, cq.hop(at, '30 s', '1 min') GROUP BY window_start;
CREATE CONTINUOUS VIEW limited WITH (emit = 'close', late = 'amend', retention = '2 min') AS
    SELECT window_start, count(*) AS n FROM s, cq.tumble(at, '1 min') GROUP BY window_start;
INSERT INTO s VALUES (1, 10, '2025-01-01 00:00:10'), (1, 10, '2025-01-01 00:00:20'), (2, 99, '2025-01-01 00:00:50'), (1, 1, '2025-01-01 00:01:30');
SELECT cq.wait('v'), cq.wait('hops'), cq.wait('limited');
SELECT * FROM v ORDER BY 1, 2;
SELECT * FROM hops ORDER BY 1;
-- One changes, one is new, one goes; a window that is open says nothing yet.
INSERT INTO s VALUES (1, 5, '2025-01-01 00:00:30'), (3, 3, '2025-01-01 00:00:00'), (2, 1, '2025-01-01 00:00:51'), (1, 2, '2025-01-01 00:01:31');
SELECT cq.wait('v'), cq.wait('hops'), cq.wait('limited');
SELECT * FROM v ORDER BY 1, 2;
SELECT * FROM hops ORDER BY 1;
-- It comes back.
INSERT INTO s VALUES (2, -50, '2025-01-01 00:00:52'), (1, 0, '2025-01-01 00:02:06');
SELECT cq.wait('v'), cq.wait('hops'), cq.wait('limited');
SELECT * FROM v ORDER BY 1, 2;
SELECT * FROM hops ORDER BY 1;
SELECT * FROM limited ORDER BY 1;
TABLE v EXCEPT ALL TABLE copied;
TABLE copied EXCEPT ALL TABLE v;
SELECT (old).k, (old).n AS old_n, (new).n AS new_n FROM v_changes;
SELECT * FROM v EXCEPT ALL
    SELECT window_end, k, count(*) AS n, sum(v) AS total FROM s, cq.tumble(at, '1 min') WHERE window_end <= cq.watermark('v') AT TIME ZONE 'UTC' GROUP BY window_end, k HAVING sum(v) < 100;
SELECT * FROM hops EXCEPT ALL
    SELECT window_start, avg(v) FROM s, cq.hop(at, '30 s', '1 min') WHERE window_end <= cq.watermark('v') AT TIME ZONE 'UTC' GROUP BY window_start;
SELECT view, late, late_rows FROM cq.views ORDER BY 1;
-- With retention windows are amended for so long, and then go.
INSERT INTO s VALUES (1, 7, '2025-01-01 00:03:30');
SELECT cq.wait('limited');
INSERT INTO s VALUES (1, 7, '2025-01-01 00:00:30'), (1, 7, '2025-01-01 00:01:30');
SELECT cq.wait('limited'), cq.wait('v');
SELECT view, late_rows FROM cq.views ORDER BY 1;
SELECT _cq.expire_rows() >= 0 AS done;
SELECT * FROM limited ORDER BY 1;
SELECT n FROM v WHERE window_end = '2025-01-01 00:01:00' AND k = 1;
-- Refused.
CREATE CONTINUOUS VIEW x WITH (late = 'amend') AS SELECT k FROM s;
CREATE CONTINUOUS VIEW x WITH (late = 'mend') AS SELECT k FROM s;
CREATE CONTINUOUS VIEW x WITH (emit = 'close', late = 'amend') AS SELECT count(*) FROM s, cq.tumble(at, '1 min') GROUP BY window_end, k;
CREATE CONTINUOUS VIEW x WITH (emit = 'close', late = 'amend') AS
    SELECT k, s, count(*) FROM (SELECT k, cq.session(at, '1 min') OVER (PARTITION BY k ORDER BY at) AS s FROM s) q GROUP BY k, s;
CREATE SERVER amend_kafka FOREIGN DATA WRAPPER cq_kafka OPTIONS (bootstrap_servers '127.0.0.1:1');
CREATE FOREIGN TABLE added (window_end timestamp, n bigint) SERVER amend_kafka OPTIONS (topic 'added');
CREATE CONTINUOUS VIEW x WITH (emit = 'close', late = 'amend', sink = 'added') AS SELECT window_end, count(*) AS n FROM s, cq.tumble(at, '1 min') GROUP BY window_end;
DROP SCHEMA amend CASCADE;
DROP SERVER amend_kafka;
