-- A view that only fails stops, behind what has failed, and goes on when it is told to.
SET client_min_messages = error;
CREATE SCHEMA rate;
SET search_path = rate;
CREATE FOREIGN TABLE s (k int, d int) SERVER cq_log;
CREATE VIEW refused WITH (continuous, max_error_rate = 2) AS SELECT count(*) FROM s;
CREATE VIEW refused WITH (continuous, max_error_rate = 'many') AS SELECT count(*) FROM s;
CREATE VIEW refused WITH (continuous, max_error_rate = '-0.1') AS SELECT count(*) FROM s;
CREATE PROCEDURE await_failure() LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. 6000 LOOP
    EXIT WHEN (SELECT status FROM cq.views WHERE view = 'v'::regclass) = 'failed';
    PERFORM pg_sleep(0.01);
  END LOOP;
END $$;
CREATE VIEW v WITH (continuous, max_error_rate = 0.5) AS SELECT count(*), sum(100 / d) FROM s;
CREATE VIEW beside WITH (continuous) AS SELECT count(*), sum(100 / d) FROM s;
SELECT options FROM cq.views WHERE view = 'v'::regclass;
-- Too few to say; half of them; and then more.
INSERT INTO s SELECT i, 0 FROM generate_series(1, 60) i;
SELECT cq.wait('v');
INSERT INTO s SELECT i, 1 FROM generate_series(1, 60) i;
SELECT cq.wait('v');
SELECT status, regexp_replace(status_detail, '\d+', 'N', 'g') AS status_detail FROM _cq.view
    WHERE view = 'v'::regclass;
INSERT INTO s VALUES (1, 0);
CALL await_failure();
SELECT status, regexp_replace(status_detail, '\d+', 'N', 'g') AS status_detail FROM _cq.view
    WHERE view = 'v'::regclass;
SELECT what, regexp_replace(detail, '\d+', 'N', 'g') AS detail FROM cq.events
    WHERE view = 'v'::regclass ORDER BY event_id;
SELECT cq.wait('beside');
TABLE beside;
-- Nothing is lost, nothing is done twice.
INSERT INTO s SELECT i, 2 FROM generate_series(1, 10) i;
SELECT cq.resume('v');
SELECT cq.wait('v');
SELECT cq.wait('beside');
(TABLE v EXCEPT ALL TABLE beside) UNION ALL (TABLE beside EXCEPT ALL TABLE v);
SELECT (SELECT count(*) FROM cq.errors WHERE view = 'v'::regclass),
    (SELECT count(*) FROM cq.errors WHERE view = 'beside'::regclass);
-- It is counted anew: what was bad before is not held against it.
INSERT INTO s SELECT i, 0 FROM generate_series(1, 50) i;
SELECT cq.wait('v');
SELECT status, regexp_replace(status_detail, '\d+', 'N', 'g') AS status_detail FROM _cq.view
    WHERE view = 'v'::regclass;
-- Other limits, and none.
ALTER CONTINUOUS VIEW v SET (max_error_rate = 0);
INSERT INTO s SELECT i, i % 100 FROM generate_series(1, 100) i;
CALL await_failure();
SELECT status FROM _cq.view WHERE view = 'v'::regclass;
ALTER CONTINUOUS VIEW v RESET (max_error_rate);
SELECT cq.resume('v');
INSERT INTO s SELECT i, 0 FROM generate_series(1, 300) i;
SELECT cq.wait('v');
SELECT cq.wait('beside');
SELECT v.status, s.options FROM _cq.view v JOIN cq.views s USING (view) WHERE view = 'v'::regclass;
(TABLE v EXCEPT ALL TABLE beside) UNION ALL (TABLE beside EXCEPT ALL TABLE v);
SELECT what, detail FROM cq.events WHERE view = 'v'::regclass AND what = 'altered'
    ORDER BY event_id;
-- Letters that fail again are no news.
ALTER CONTINUOUS VIEW v SET (max_error_rate = 0.1);
SELECT cq.retry_errors('v');
SELECT status FROM _cq.view WHERE view = 'v'::regclass;
DROP SCHEMA rate CASCADE;
