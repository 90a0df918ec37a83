-- What a view tells of its sessions: one whose bounds change is another one.
SET client_min_messages = warning;
SET DateStyle = ISO;
SET TimeZone = UTC;
CREATE SCHEMA changes;
SET search_path = changes;
CREATE FOREIGN TABLE visit (who text, at timestamptz, n int) SERVER cq_log OPTIONS (event_time 'at');
CREATE TABLE copied (who text, session tstzrange, pages bigint, UNIQUE (who, session));
CREATE CONTINUOUS VIEW v WITH (sink = 'copied', changes = 'v_changes') AS
    SELECT who, session, count(*) AS pages
    FROM (SELECT *, cq.session(at, '30 min') OVER (PARTITION BY who ORDER BY at) AS session FROM visit) v
    GROUP BY who, session HAVING count(*) <> 3;
INSERT INTO visit VALUES ('ann', '2025-01-01 10:00Z'), ('ann', '2025-01-01 10:50Z'), ('bob', '2025-01-01 10:20Z'), ('bob', NULL);
SELECT cq.wait('v');
INSERT INTO visit VALUES ('ann', '2025-01-01 10:25Z');
SELECT cq.wait('v');
INSERT INTO visit VALUES ('ann', '2025-01-01 10:25Z'), ('bob', NULL), ('bob', '2025-01-01 10:40Z');
SELECT cq.wait('v');
INSERT INTO visit VALUES ('ann', '2025-01-01 10:25Z'), ('bob', NULL);
SELECT cq.wait('v');
SELECT * FROM v ORDER BY who, session;
TABLE v EXCEPT ALL TABLE copied;
TABLE copied EXCEPT ALL TABLE v;
SELECT old, new FROM v_changes ORDER BY coalesce(old, new), new;
DROP SCHEMA changes CASCADE;
