-- The option max_drift: how far a view goes ahead in one of its streams. That it waits is shown by
-- test_drift.py.
SET client_min_messages = warning;
CREATE SCHEMA drift;
SET search_path = drift;
SET TimeZone = 'UTC';
CREATE FOREIGN TABLE a (k int, v int, at timestamptz) SERVER cq_log OPTIONS (event_time 'at');
CREATE FOREIGN TABLE b (k int, v int, at timestamptz) SERVER cq_log OPTIONS (event_time 'at');
CREATE CONTINUOUS VIEW plain AS SELECT count(*) FROM a;
CREATE FOREIGN TABLE timeless (k int) SERVER cq_log;
CREATE CONTINUOUS VIEW refused WITH (max_drift = 'far') AS SELECT count(*) FROM a JOIN b USING (k);
CREATE CONTINUOUS VIEW refused WITH (max_drift = '1 hour') AS
    SELECT count(*) FROM a JOIN timeless USING (k);
CREATE CONTINUOUS VIEW drifts WITH (max_drift = '1 hour') AS
    SELECT a.k, a.v AS a, b.v AS b FROM a JOIN b USING (k);
SELECT cq.wait('drifts');
SELECT options FROM cq.views WHERE view = 'drifts'::regclass;
SELECT * FROM _cq.held_back();
ALTER CONTINUOUS VIEW drifts SET (max_drift = '2 days');
SELECT max_drift FROM _cq.view WHERE view = 'drifts'::regclass;
CREATE OR REPLACE CONTINUOUS VIEW drifts WITH (max_drift = 0) AS
    SELECT a.k, a.v AS a, b.v AS b FROM a JOIN b USING (k);
SELECT max_drift FROM _cq.view WHERE view = 'drifts'::regclass;
INSERT INTO a SELECT 9, i, '2025-02-01 00:00Z'::timestamptz + i * interval '1 day'
FROM generate_series(1, 100) i;
INSERT INTO b SELECT 9, i, '2025-02-01 00:00Z'::timestamptz + i * interval '1 hour'
FROM generate_series(1, 100) i;
SELECT cq.wait('drifts');
SELECT count(*), sum(a), sum(b) FROM drifts WHERE k = 9;
TABLE drifts EXCEPT ALL SELECT a.k, a.v, b.v FROM a JOIN b USING (k);
SELECT a.k, a.v, b.v FROM a JOIN b USING (k) EXCEPT ALL TABLE drifts;
ALTER CONTINUOUS VIEW drifts RESET (max_drift);
SELECT options FROM cq.views WHERE view = 'drifts'::regclass;
-- Of views that read no streams there is nothing to be said.
CREATE CONTINUOUS VIEW refused WITH (max_drift = '1 hour') AS SELECT count(*) FROM plain;
DROP SCHEMA drift CASCADE;
